"""The grid: every study of an experiment, each variant and seed resolved to the cells that it needs."""

import difflib
from functools import cached_property
from pathlib import Path
from typing import Any

from clipvip.config.base import build, merge, read_yaml
from clipvip.config.claims import check_expect
from clipvip.config.experiment import Experiment
from clipvip.config.learning import CaptionerSettings, ClipSettings, ModelSettings
from clipvip.config.stages import EvaluateCell, FinetuneCell, FinetuneSettings, PretrainCell, PretrainSettings
from clipvip.config.study import StudySettings, VariantSettings
from clipvip.corpora import right_answers
from clipvip.pipeline.cell import Cell
from clipvip.pipeline.study import Row, Study

Tuning = dict[str, FinetuneSettings]  # by downstream set


class Grid:
    """All studies of an experiment as cells. Raises ValueError on bad settings, before anything runs."""

    def __init__(self, data: dict[str, Any]) -> None:
        name = data.get("name", "experiment")
        self.experiment = build(Experiment, data, f"experiment {name}")
        self.given = self.experiment.model_dump(mode="json", exclude_unset=True)
        self._check_names()
        path = self.experiment.studies
        studies = (read_yaml(path) or {}).get("studies", {})
        settings = {key: build(StudySettings, value, f"{path}: {key}") for key, value in studies.items()}
        self.studies = {key: self._study(key, value) for key, value in settings.items()}

    @cached_property
    def cells(self) -> dict[str, Cell]:
        """Every distinct cell by name, inputs before what is made from them."""
        found: dict[str, Cell] = {}

        def visit(cell: Cell) -> None:
            if cell.name not in found:
                for other in cell.inputs.values():
                    visit(other)
                found[cell.name] = cell

        for study in self.studies.values():
            for cell in study.cells():
                visit(cell)
        return found

    # -- corpora ---------------------------------------------------------------------------------

    def corpus(self, name: str, gallery: int = 1) -> Cell:
        """The manifest of a corpus; what is trained on leaves out the test clips of the downstream sets.

        From its second gallery on, one of test clips alone: more of them change nothing that is trained.
        """
        settings = self.experiment.corpora[name].of_gallery(gallery)
        if settings.world is not None:  # generated parts share no clip
            return Cell("corpus", settings, {"world": Cell("world", settings.world)})
        downstream = self.experiment.downstream
        tests = {} if name in downstream else {f"test:{each}": self.corpus(each) for each in downstream}
        for each in downstream if tests else ():
            tests |= {f"test:{each}-{n}": self.corpus(each, n) for n in self.experiment.corpora[each].galleries[1:]}
        return Cell("corpus", settings, tests)

    def corpus_inputs(self, name: str, gallery: int = 1, *, truth: bool = False) -> dict[str, Cell]:
        """A corpus with its frame cache, if caches are on, and what its generator knows, if asked."""
        corpus = self.corpus(name, gallery)
        inputs = {"corpus": corpus}
        if self.experiment.run.cache:
            inputs["frames"] = Cell("frames", self.experiment.frames, {"corpus": corpus})
        if truth and "world" in corpus.inputs:
            inputs["world"] = corpus.inputs["world"]
        return inputs

    def clip(self) -> Cell:
        """The starting CLIP."""
        return self._learner("clip", self.experiment.clip)

    def _learner(self, stage: str, settings: ClipSettings | CaptionerSettings) -> Cell:
        if settings.corpus is None:
            return Cell(stage, settings)
        settings = settings.model_copy(update={"frames": self.experiment.frames})
        return Cell(stage, settings, self.corpus_inputs(str(settings.corpus)))

    def captions(self, corpus: str) -> Cell:
        """Captions of a corpus."""
        inputs = {
            "captioner": self._learner("captioner", self.experiment.captioner),
            **self.corpus_inputs(corpus, truth=True),
        }
        settings = self.experiment.captions.model_copy(update={"frames": self.experiment.frames})
        return Cell("captions", settings, inputs)

    def gap(self) -> Cell:
        """NMI of every language source against every downstream set."""
        inputs = {"clip": self.clip()}
        for name, source in self.experiment.gap_sources.items():
            captioned = source.removeprefix("captions of ")
            inputs[f"source:{name}"] = self.captions(captioned) if captioned != source else self.corpus(source)
        inputs |= {f"downstream:{name}": self.corpus(name) for name in self.experiment.downstream}
        return Cell("gap", self.experiment.gap, inputs)

    # -- rows ------------------------------------------------------------------------------------

    def _study(self, name: str, settings: StudySettings) -> Study:
        downstream = settings.downstream or self.experiment.downstream
        where = f"{self.experiment.studies}: {name}"
        unknown = set(downstream) - set(self.experiment.downstream)
        if unknown:
            raise ValueError(f"{where}: downstream {sorted(unknown)} is not a downstream set of the experiment")
        if settings.baseline is not None and settings.baseline not in settings.variants:
            raise ValueError(f"{where}: baseline {settings.baseline!r} is not one of its variants")
        lines = settings.trend.lines if settings.trend else {}
        for line, variant in ((line, each) for line, names in lines.items() for each in names):
            if variant not in settings.variants:
                raise ValueError(f"{where}: trend.lines.{line}: {_nearest(variant, settings.variants)}")
        for line in settings.expect:
            check_expect(
                line, list(settings.variants), list(self.experiment.gap_sources), list(downstream), study=where
            )
        rows = []
        for variant, change in settings.variants.items():
            resolved = self._resolve(settings.base, change, f"{where}: {variant}")
            for seed in self.experiment.seeds:
                rows.append(Row(variant, seed, self._row(*resolved, downstream, seed)))
        return Study(name, settings, downstream, rows, self.gap() if settings.gap else None)

    def variant(self, change: dict[str, Any], downstream: tuple[str, ...], seed: int, where: str) -> dict[str, Cell]:
        """The cells of one row, by role, for changed settings: what a study's variant would be."""
        return self._row(*self._resolve({}, change, where), downstream, seed)

    def _resolve(self, base: dict[str, Any], change: dict[str, Any], where: str) -> tuple[VariantSettings, Tuning]:
        """A variant's settings, and its fine-tuning by set: the experiment's, the set's, its own."""
        given = {key: self.given.get(key, {}) for key in ("model", "pretrain", "finetune")}
        resolved = build(VariantSettings, merge(merge(given, base), change), where)
        if resolved.pretrain and resolved.pretrain.corpus not in self.experiment.roles:
            raise ValueError(f"{where}: pretrain.corpus: {_nearest(resolved.pretrain.corpus, self.experiment.roles)}")
        if resolved.pretrain and resolved.pretrain.validate_on not in self.experiment.corpora:
            on = resolved.pretrain.validate_on
            raise ValueError(f"{where}: pretrain.validate_on: {_nearest(on, self.experiment.corpora)}")
        changed = merge(base.get("finetune"), change["finetune"]) if "finetune" in change else base.get("finetune")
        tuning = {}
        for name in self.experiment.downstream:
            own = merge(given["finetune"], self.experiment.finetune_sets.get(name, {}))
            tuning[name] = build(FinetuneSettings, merge(own, changed or {}), f"{where}: {name}")
        return resolved, tuning

    def _row(self, variant: VariantSettings, tuning: Tuning, downstream: tuple[str, ...], seed: int) -> dict[str, Cell]:
        cells = {"clip": self.clip()}
        start, model = cells["clip"], variant.model
        fresh: ModelSettings | None = model
        if variant.pretrain is not None:
            start = cells["pretrain"] = self._pretrain(model, variant.pretrain, seed)
            fresh = None
        drawn = fresh is not None and (model.pooling != "mean" or bool(model.temporal))
        for name in downstream:
            zero = self._evaluate(name, start, fresh, tuning[name], seed if drawn else 0)
            cells[f"zero_shot/{name}"] = zero
            if variant.finetune is not None:
                tuned = cells[f"finetune/{name}"] = self._finetune(name, start, fresh, tuning[name], seed)
                cells[f"fine_tuned/{name}"] = self._evaluate(name, tuned, None, tuning[name], 0)
        return cells

    def _pretrain(self, model: ModelSettings, settings: PretrainSettings, seed: int) -> Cell:
        role = self.experiment.roles[settings.corpus]
        inputs = {"clip": self.clip(), **self.corpus_inputs(role.corpus)}
        if any("caption" in texts for term in settings.terms for texts in term.values()):
            inputs["captions"] = self.captions(role.corpus)
        if settings.validate_every:
            validation = self.corpus_inputs(settings.validate_on)
            inputs |= {f"validation:{key}": cell for key, cell in validation.items()}
        own = PretrainCell(
            model=model,
            frames=self.experiment.frames,
            terms=settings.terms,
            optim=settings.optim,
            max_tokens=settings.max_tokens,
            validate_every=settings.validate_every,
            clips=role.clips,
            subset_seed=role.subset_seed,
            seed=seed,
        )
        return Cell("pretrain", own, inputs)

    def _finetune(
        self, name: str, start: Cell, model: ModelSettings | None, tuning: FinetuneSettings, seed: int
    ) -> Cell:
        own = FinetuneCell(
            model=model,
            frames=self.experiment.frames,
            optim=tuning.optim,
            num_frames=tuning.num_frames,
            max_tokens=tuning.max_tokens,
            validations=tuning.validations,
            keep_start=tuning.keep_start,
            seed=seed,
        )
        return Cell("finetune", own, {"model": start, **self.corpus_inputs(name)})

    def _evaluate(
        self, name: str, start: Cell, model: ModelSettings | None, tuning: FinetuneSettings, seed: int
    ) -> Cell:
        own = EvaluateCell(
            model=model,
            frames=self.experiment.frames,
            num_frames=tuning.num_frames,
            max_tokens=tuning.max_tokens,
            seed=seed,
            **right_answers.keyed(self.experiment.corpora[name]),
        )
        inputs = {"model": start, **self.corpus_inputs(name, truth=True)}
        for number in self.experiment.corpora[name].galleries[1:]:
            later = self.corpus_inputs(name, number, truth=True)
            inputs |= {f"gallery{number}:{role}": cell for role, cell in later.items()}
        return Cell("evaluate", own, inputs)

    def _check_names(self) -> None:
        """Every corpus that another setting names must be there."""
        experiment, corpora = self.experiment, self.experiment.corpora
        named = {f"roles.{key}.corpus": role.corpus for key, role in experiment.roles.items()}
        named |= {f"downstream.{i}": name for i, name in enumerate(experiment.downstream)}
        sources = experiment.gap_sources.items()
        named |= {f"gap_sources.{key}": source.removeprefix("captions of ") for key, source in sources}
        named |= {f"finetune_sets.{name}": name for name in experiment.finetune_sets}
        named["pretrain.validate_on"] = experiment.pretrain.validate_on
        for where, part in (("clip.corpus", experiment.clip), ("captioner.corpus", experiment.captioner)):
            if part.corpus:
                named[where] = part.corpus
        for where, name in named.items():
            if name not in corpora:
                raise ValueError(f"experiment {experiment.name}: {where}: {_nearest(name, corpora)}")


def _nearest(name: str, known: dict[str, Any]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"no {name!r} here; " + (f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}")


def load(paths: list[str | Path]) -> Grid:
    """The grid of an experiment given by one or more YAML files, later ones over earlier ones."""
    data: Any = {}
    for path in paths:
        data = merge(data, read_yaml(path))
    return Grid(data)
