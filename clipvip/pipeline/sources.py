"""What the rows of a grid start from: corpora with their frames and captions, the starting CLIP, the language gap."""

from clipvip.config.data import FramesSettings
from clipvip.config.experiment import Experiment
from clipvip.config.learning import CaptionerSettings, ClipSettings
from clipvip.pipeline.cell import Cell
from clipvip.pipeline.left_out import absent_corpora


class Sources:
    """The cells of an experiment that belong to no row."""

    experiment: Experiment
    absent: dict[str, str]  # corpus -> why it is left out
    downstream: tuple[str, ...]  # the downstream sets that are there

    def __init__(self, experiment: Experiment) -> None:
        self.experiment = experiment
        self._name = f"experiment {experiment.name}"
        self.absent = absent_corpora(experiment)
        self.downstream = tuple(name for name in experiment.downstream if name not in self.absent)

    def corpus(self, name: str, gallery: int = 1) -> Cell:
        """The manifest of a corpus; what is trained on leaves out the test clips of the downstream sets.

        From its second gallery on, one of test clips alone: more of them change nothing that is trained.
        """
        settings = self.experiment.corpora[name].of_gallery(gallery)
        if settings.world is not None:  # generated parts share no clip
            return Cell("corpus", settings, {"world": Cell("world", settings.world)})
        tests: dict[str, Cell] = {}
        for each in () if name in self.experiment.downstream else self.downstream:
            later = self.experiment.corpora[each].galleries[1:]
            tests |= {f"test:{each}": self.corpus(each)} | {f"test:{each}-{n}": self.corpus(each, n) for n in later}
        return Cell("corpus", settings, tests)

    def corpus_inputs(
        self, name: str, gallery: int = 1, *, truth: bool = False, frames: FramesSettings | None = None
    ) -> dict[str, Cell]:
        """A corpus with its frame cache, if caches are on, and what its generator knows, if asked."""
        corpus = self.corpus(name, gallery)
        inputs = {"corpus": corpus}
        if self.experiment.run.cache:
            inputs["frames"] = Cell("frames", frames or self.experiment.frames, {"corpus": corpus})
        if truth and "world" in corpus.inputs:
            inputs["world"] = corpus.inputs["world"]
        return inputs

    def clip(self, start: int = 0) -> Cell:
        """The starting CLIP; `start` is added to its seed, if it is trained here."""
        return self._learner("clip", self.experiment.clip, start)

    def _learner(self, stage: str, settings: ClipSettings | CaptionerSettings, start: int) -> Cell:
        if settings.corpus is None:
            return Cell(stage, settings)
        settings = settings.model_copy(update={"frames": self.experiment.frames, "seed": settings.seed + start})
        return Cell(stage, settings, self.corpus_inputs(str(settings.corpus)))

    def captions(self, corpus: str, start: int = 0) -> Cell:
        """Captions of a corpus; `start` is added to the captioner's seed, if it is trained here."""
        if self.experiment.captioner is None:
            raise ValueError(f"{self._name}: captioner: captions of {corpus} are asked for; name a captioner")
        learner = self._learner("captioner", self.experiment.captioner, start)
        inputs = {"captioner": learner, **self.corpus_inputs(corpus, truth=True)}
        settings = self.experiment.captions.model_copy(update={"frames": self.experiment.frames})
        return Cell("captions", settings, inputs)

    def gap(self) -> Cell | None:
        """NMI of every language source against every downstream set that are there; None where no source is."""
        if not self.experiment.gap_sources:
            raise ValueError(f"{self._name}: gap_sources: a study asks for the language gap; name its sources")
        inputs = {"clip": self.clip()}
        for name, source in self.experiment.gap_sources.items():
            captioned = source.removeprefix("captions of ")
            if captioned in self.absent:
                continue
            inputs[f"source:{name}"] = self.captions(captioned) if captioned != source else self.corpus(source)
        if len(inputs) == 1:
            return None
        inputs |= {f"downstream:{name}": self.corpus(name) for name in self.downstream}
        return Cell("gap", self.experiment.gap, inputs)
