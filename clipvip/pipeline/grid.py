"""The grid: every study of an experiment, each variant and seed resolved to the cells that it needs."""

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from clipvip.config.base import NAME, build, merge, nearest, read_mapping, read_yaml
from clipvip.config.claims import check_expect
from clipvip.config.experiment import Experiment
from clipvip.config.stages import EvaluateCell, FinetuneCell, FinetuneSettings, PretrainCell, PretrainSettings
from clipvip.config.study import StudySettings, VariantSettings
from clipvip.corpora import right_answers
from clipvip.pipeline import given_weights
from clipvip.pipeline.cell import Cell
from clipvip.pipeline.left_out import lacking_for, left_out_of
from clipvip.pipeline.replicates import Replicate, replicate
from clipvip.pipeline.sources import Sources
from clipvip.pipeline.study import Row, Start, Study

FEW = 5  # keys in a message
Tuning = dict[str, FinetuneSettings]  # by downstream set


class Grid(Sources):
    """All studies of an experiment as cells. Raises ValueError on bad settings, before anything runs."""

    def __init__(self, data: dict[str, Any]) -> None:
        experiment = build(Experiment, data, f"experiment {data.get('name', 'experiment')}")
        _check_names(experiment)
        super().__init__(experiment)
        self.given = experiment.model_dump(mode="json", exclude_unset=True)
        given_weights.refuse_small_world(experiment)
        path = self.experiment.studies
        studies = _studies_in(path)
        for bad in (each for each in studies if not re.match(NAME, str(each))):
            raise ValueError(
                f"{path}: study {bad!r}: a name has letters, digits, _, - and . and begins with one of the first"
            )
        settings = {key: build(StudySettings, value, f"{path}: {key}") for key, value in studies.items()}
        for key in self.experiment.more_seeds:
            if key not in settings:
                raise ValueError(f"{self._name}: more_seeds: {_nearest(key, settings)}")
        waiting = {key: given_weights.waits(value, self.experiment) for key, value in settings.items()}
        self.left_out = {key: why for key, why in waiting.items() if why}
        self.studies = {key: self._study(key, each) for key, each in settings.items() if key not in self.left_out}

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

    # -- rows ------------------------------------------------------------------------------------

    def _study(self, name: str, settings: StudySettings) -> Study:
        wanted = settings.downstream or self.experiment.downstream
        where = f"{self.experiment.studies}: {name}"
        left_out = left_out_of(settings, wanted, self.experiment, self.absent)
        unknown = set(wanted) - set(self.experiment.downstream) - set(left_out)
        if unknown:
            raise ValueError(f"{where}: downstream {sorted(unknown)} is not a downstream set of the experiment")
        # a study that has none of its sets runs on those that are there
        downstream = tuple(each for each in wanted if each not in left_out) or self.downstream
        if settings.baseline is not None and settings.baseline not in settings.variants:
            raise ValueError(f"{where}: baseline {settings.baseline!r} is not one of its variants")
        lines = settings.trend.lines if settings.trend else {}
        for line, variant in ((line, each) for line, names in lines.items() for each in names):
            if variant not in settings.variants:
                raise ValueError(f"{where}: trend.lines.{line}: {_nearest(variant, settings.variants)}")
        for line in settings.expect:
            sources, sets = [*self.experiment.gap_sources, *left_out], [*wanted, *downstream, *left_out]
            check_expect(line, list(settings.variants), sources, sets, study=where)
        more = self.experiment.more_seeds.get(name, {})
        for variant in more:
            if variant not in settings.variants:
                raise ValueError(f"{where}: more_seeds: {_nearest(variant, settings.variants)}")
        rows = []
        for variant, change in settings.variants.items():
            asked = merge(merge({"pretrain": self.given.get("pretrain", {})}, settings.base), change)["pretrain"]
            lacking = lacking_for(asked, self.experiment, self.absent)
            resolved = None if lacking else self._resolve(settings.base, change, f"{where}: {variant}")
            for seed in dict.fromkeys((*self.experiment.seeds, *more.get(variant, ()))):
                cells = self._row(*resolved, downstream, seed) if resolved else {}
                rows.append(Row(variant, seed, cells, lacking))
        return Study(name, settings, downstream, rows, self.gap() if settings.gap else None, left_out)

    def variant(self, change: dict[str, Any], downstream: tuple[str, ...], seed: int, where: str) -> dict[str, Cell]:
        """The cells of one row, by role, for changed settings: what a study's variant would be."""
        return self._row(*self._resolve({}, change, where), downstream, seed)

    def _resolve(self, base: dict[str, Any], change: dict[str, Any], where: str) -> tuple[VariantSettings, Tuning]:
        """A variant's settings, and its fine-tuning by set: the experiment's, the set's, its own."""
        given = {key: self.given.get(key, {}) for key in ("model", "frames", "pretrain", "finetune")}
        wanted = merge(merge(given, base), change)
        if wanted["pretrain"] == {}:  # nothing said anywhere: neither that there is none
            raise ValueError(f"{where}: pretrain: the experiment has none; give it there, or `pretrain: null` here")
        resolved = build(VariantSettings, wanted, where)
        if resolved.pretrain and resolved.pretrain.corpus not in self.experiment.roles:
            raise ValueError(f"{where}: pretrain.corpus: {_nearest(resolved.pretrain.corpus, self.experiment.roles)}")
        if resolved.pretrain and resolved.pretrain.validate_every:
            on = resolved.pretrain.validate_on
            if on not in self.experiment.corpora:
                raise ValueError(f"{where}: pretrain.validate_on: {_nearest(on, self.experiment.corpora)}")
        changed = merge(base.get("finetune"), change["finetune"]) if "finetune" in change else base.get("finetune")
        tuning = {}
        for name in self.experiment.downstream:
            own = merge(given["finetune"], self.experiment.finetune_sets.get(name, {}))
            tuning[name] = build(FinetuneSettings, merge(own, changed or {}), f"{where}: {name}")
        return resolved, tuning

    def _row(
        self, variant: VariantSettings, tuning: Tuning, downstream: tuple[str, ...], number: int
    ) -> dict[str, Cell]:
        own = replicate(self.experiment, number)
        cells, seed = {"clip": self.clip(own.start)}, own.seed
        model, trained = variant.model, variant.pretrain
        start = Start(cells["clip"], variant.frames, model)
        if trained is not None and trained.source is not None:
            size, where = variant.frames.size, self.experiment.studies
            cells["weights"] = given_weights.weights(trained.source, self.experiment, model, size, start.cell, where)
            start = Start(cells["weights"], variant.frames)
        elif trained is not None:
            cells["pretrain"] = self._pretrain(variant, trained, own)
            start = Start(cells["pretrain"], variant.frames)
        drawn = start.model is not None and (model.pooling != "mean" or bool(model.temporal))
        for name in downstream:
            cells[f"zero_shot/{name}"] = self._evaluate(name, start, tuning[name], seed if drawn else 0)
            if variant.finetune is not None:
                tuned = cells[f"finetune/{name}"] = self._finetune(name, start, tuning[name], seed)
                cells[f"fine_tuned/{name}"] = self._evaluate(name, Start(tuned, start.frames), tuning[name], 0)
        return cells

    def _pretrain(self, variant: VariantSettings, settings: PretrainSettings, replicate: Replicate) -> Cell:
        role = self.experiment.roles[settings.corpus]
        inputs = {"clip": self.clip(replicate.start), **self.corpus_inputs(role.corpus, frames=variant.frames)}
        if any("caption" in texts for term in settings.terms for texts in term.values()):
            inputs["captions"] = self.captions(role.corpus, replicate.start)
        if settings.validate_every:
            validation = self.corpus_inputs(self.validated_on(settings.validate_on), frames=variant.frames)
            inputs |= {f"validation:{key}": cell for key, cell in validation.items()}
        own = PretrainCell(
            model=variant.model,
            frames=variant.frames,
            terms=settings.terms,
            optim=settings.optim,
            max_tokens=settings.max_tokens,
            validate_every=settings.validate_every,
            clips=role.clips,
            subset_seed=role.subset_seed + replicate.subset if role.clips else role.subset_seed,
            seed=replicate.seed,
        )
        return Cell("pretrain", own, inputs)

    def validated_on(self, name: str) -> str:
        """The set whose val split is used along training: another one where it is left out."""
        return self.downstream[0] if name in self.absent else name

    def _finetune(self, name: str, start: Start, tuning: FinetuneSettings, seed: int) -> Cell:
        own = FinetuneCell(
            model=start.model,
            frames=start.frames,
            optim=tuning.optim,
            num_frames=tuning.num_frames,
            max_tokens=tuning.max_tokens,
            validations=tuning.validations,
            keep=tuning.keep,
            keep_start=tuning.keep_start,
            seed=seed,
        )
        return Cell("finetune", own, {"model": start.cell, **self.corpus_inputs(name, frames=start.frames)})

    def _evaluate(self, name: str, start: Start, tuning: FinetuneSettings, seed: int) -> Cell:
        own = EvaluateCell(
            model=start.model,
            frames=start.frames,
            num_frames=tuning.num_frames,
            max_tokens=tuning.max_tokens,
            seed=seed,
            **right_answers.keyed(self.experiment.corpora[name]),
        )
        inputs = {"model": start.cell, **self.corpus_inputs(name, truth=True, frames=start.frames)}
        for number in self.experiment.corpora[name].galleries[1:]:
            later = self.corpus_inputs(name, number, truth=True, frames=start.frames)
            inputs |= {f"gallery{number}:{role}": cell for role, cell in later.items()}
        return Cell("evaluate", own, inputs)


def _check_names(experiment: Experiment) -> None:
    """Every corpus that another setting names must be there."""
    corpora = experiment.corpora
    named = {f"roles.{key}.corpus": role.corpus for key, role in experiment.roles.items()}
    named |= {f"downstream.{i}": name for i, name in enumerate(experiment.downstream)}
    sources = experiment.gap_sources.items()
    named |= {f"gap_sources.{key}": source.removeprefix("captions of ") for key, source in sources}
    named |= {f"{key}.{name}": name for key in ("finetune_sets", "sizes") for name in getattr(experiment, key)}
    if experiment.pretrain and experiment.pretrain.validate_every:
        named["pretrain.validate_on"] = experiment.pretrain.validate_on
    for where, part in (("clip.corpus", experiment.clip), ("captioner.corpus", experiment.captioner)):
        if part and part.corpus:
            named[where] = part.corpus
    for where, name in named.items():
        if name not in corpora:
            raise ValueError(f"experiment {experiment.name}: {where}: {_nearest(name, corpora)}")


def _nearest(name: str, known: dict[str, Any]) -> str:
    return f"no {name!r} here; {nearest(name, known)}"


def _studies_in(path: str) -> dict[str, Any]:
    """What stands under `studies` in a file; nothing in an empty one."""
    found = read_yaml(path) or {}
    studies = (found.get("studies") or {}) if isinstance(found, dict) else None
    if not isinstance(studies, dict):
        raise ValueError(f"{path}: studies: a mapping is read, a study by its name, as in experiments/studies.yaml")
    return studies


def load(paths: Sequence[str | Path], changes: Mapping[str, Any] | None = None) -> Grid:
    """The grid of an experiment given by YAML files, later ones over earlier ones and `changes` over all."""
    return Grid(merge(read_named(paths), dict(changes or {})))


def read_named(paths: Sequence[str | Path]) -> dict[str, Any]:
    """The data of an experiment given by one or more YAML files; ValueError where they give no `name`."""
    data = read(paths)
    if "name" not in data:
        keys = ", ".join(str(key) for key in list(data)[:FEW])
        raise ValueError(f"{paths[0]}: no experiment: it has no `name`, only {keys}; see experiments/mini.yaml")
    return data


def read(paths: Sequence[str | Path]) -> dict[str, Any]:
    """The data of one or more YAML files, later ones over earlier ones."""
    data: dict[str, Any] = {}
    for path in paths:
        data = merge(data, read_mapping(path))
    return data
