"""How large the corpora of an experiment are: as generated, as read into a finished cell, or as stated."""

from dataclasses import dataclass
from pathlib import Path

from clipvip.config.data import CorpusSettings, WorldSettings
from clipvip.config.sizes import CorpusSize
from clipvip.pipeline.cell import Cell
from clipvip.pipeline.grid import Grid
from clipvip.pipeline.store import receipt, state

STILLS = ("cc12m", "coco")  # formats of images


@dataclass(frozen=True)
class Size:
    """A corpus as its cells see it."""

    train: int
    val: int
    test: int
    frames: float  # of a clip; 1 for an image
    pixels: float  # of a frame of its files
    texts: float  # of a clip that is evaluated
    megabytes: float  # of its files; 0: not known
    source: str

    @property
    def clips(self) -> int:
        """Of all splits."""
        return self.train + self.val + self.test


class Sizes:
    """Sizes of the corpora of a grid, by their cells. ValueError for one of files that is neither read nor stated."""

    def __init__(self, grid: Grid, root: Path) -> None:
        self._grid, self._root = grid, root
        self._names = {
            grid.corpus(name, number).name: name
            for name, corpus in grid.experiment.corpora.items()
            for number in corpus.galleries
            if name not in grid.absent
        }

    def name(self, corpus: Cell) -> str:
        """What the experiment calls the corpus of this cell."""
        return self._names[corpus.name]

    def of(self, corpus: Cell) -> Size:
        """The size of a corpus cell."""
        settings = corpus.settings
        assert isinstance(settings, CorpusSettings)
        if settings.world is not None:
            return generated(settings, settings.world)
        name = self.name(corpus)
        stated = self._grid.experiment.sizes.get(name)
        found = receipt(self._root, corpus.name) if state(self._root, corpus) == "fresh" else None
        if stated is None and found is None:
            raise ValueError(
                f"experiment {self._grid.experiment.name}: sizes.{name}: the corpus is not read yet, so its size is "
                f"not known; state it: `--size {name}=CLIPS`, or sizes: {{{name}: {{clips: {{train: CLIPS}}}}}}"
            )
        size = stated or CorpusSize(clips={"train": 0}, seconds=0.0 if settings.format in STILLS else 13.4)
        counts = dict(size.clips) if found is None else {k: each["clips"] for k, each in found["splits"].items()}
        train, val = _held_out(counts.get("train", 0), counts.get("val", 0), 0 if found else settings.holdout)
        return Size(
            train=train,
            val=val,
            test=counts.get("test", 0),
            frames=max(1.0, size.seconds * size.fps),
            pixels=float(size.width * size.height),
            texts=size.texts,
            megabytes=1000 * size.gigabytes,
            source="as read" if found else "as stated",
        )


def generated(settings: CorpusSettings, world: WorldSettings) -> Size:
    """The size of a generated corpus."""
    train, val = _held_out(world.clips.get("train", 0), world.clips.get("val", 0), settings.holdout)
    test = world.clips.get("test", 0)
    if settings.later:
        train = val = 0
    frames = 1.0 if settings.format in STILLS else float(world.frames)
    return Size(train, val, test, frames, float(world.pixels**2), 1.0, 0.0, "generated")


def _held_out(train: int, val: int, holdout: int) -> tuple[int, int]:
    """Clips for training and for validation once some of the first become the second."""
    moved = 0 if val else min(holdout, train)
    return train - moved, val + moved
