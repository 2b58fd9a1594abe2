"""What a cell takes on this machine, from the times of its small twin: so much for itself, so much a step, a validated
clip, a clip. Times of finished results are not read.
"""

import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from tqdm import tqdm

from clipvip.config.data import CorpusSettings, WorldSettings
from clipvip.config.learning import CaptionerSettings, ClipSettings
from clipvip.config.stages import EvaluateCell, FinetuneCell, GapSettings, PretrainCell
from clipvip.pipeline.cell import Cell, closure
from clipvip.pipeline.forecast.cost import COMPUTE, DECODING, DISK, Cost
from clipvip.pipeline.forecast.miniature import Miniature
from clipvip.pipeline.forecast.sizes import Size, generated
from clipvip.pipeline.forecast.timing import Spent, Taken, take
from clipvip.training.schedule import num_steps

SMALLER = 0.3  # of a twin's clips in the second sample, which tells what a cell takes besides its clips
BOUNDS = {"frames": DECODING, "corpus": DISK}
LOOKS = 6  # validations of a starting CLIP


class Sample:
    """Twins of cells, made and timed in a folder of their own."""

    def __init__(self, cells: Iterable[Cell], root: Path, device: str) -> None:
        self._cells = {cell.name: cell for cell in cells}
        self._root, self._device = root, device
        self.twins = Miniature(self._cells)
        self._taken: dict[str, Taken] = {}
        self._fixed: dict[str, Spent] = {}  # stage -> what a cell takes besides its clips

    def make(self, tell: Callable[[str], object]) -> None:
        """Make and time the twins; `tell` hears which is next."""
        order: dict[str, Cell] = {}
        for cell in self._cells.values():
            order.update((each.name, each) for each in closure(self.twins.of(cell)))
        smaller = self._smaller()
        further = {each.name: each for cell in smaller for each in closure(cell) if each.name not in order}
        bar = tqdm([*order.values(), *further.values()], desc="timing", unit="cell", file=sys.stderr, disable=None)
        for cell in bar:
            bar.set_postfix_str(cell.stage)
            if bar.disable:
                tell(f"timing {len(self._taken) + 1} of {len(order) + len(further)}: {cell.stage}")
            self._taken[cell.name] = take(self._root, cell, device=self._device)
        for small in smaller:
            large = next(cell for cell in order.values() if cell.stage == small.stage and _alike(cell, small))
            self._fixed[small.stage] = self._line(large, small)

    def _smaller(self) -> list[Cell]:
        """A second, smaller twin of one cell of each stage whose time goes by clips."""
        second = Miniature(self._cells, SMALLER)
        found: dict[str, Cell] = {}
        for cell in self._cells.values():
            small = second.of(cell)
            if _counts(small) and units(small) < units(self.twins.of(cell)):
                found.setdefault(cell.stage, small)
        return list(found.values())

    def _line(self, large: Cell, small: Cell) -> Spent:
        """Where the line through two samples meets no clips at all."""
        more, less = units(large), units(small)
        many, few = self._taken[large.name].whole, self._taken[small.name].whole
        return few.less(many.less(few).times(less / (more - less)))

    def of(self, cell: Cell, parts: int = 1) -> Cost:
        """The cost of a cell; of captions that are made in `parts`, of one part, or, 0, of putting them together."""
        twin = self.twins.of(cell)
        taken = self._taken[twin.name]
        share = units(cell) / max(1.0, units(twin)) if _counts(cell) else 1.0
        fixed = self._fixed.get(cell.stage, Spent())
        per_clip = taken.whole.less(fixed).times(share)
        if _counts(cell):
            whole = fixed if parts == 0 else fixed + per_clip.times(1 / parts)
        else:
            whole = taken.fixed + taken.step.times(steps(cell)) + taken.look.times(_looked(cell, twin))
        if cell.stage == "captioner" and (captions := self._captions()) is not None:
            whole += captions.times(float(_size(cell).val - _size(twin).val))
        disk = taken.disk_mb * (share if cell.stage in ("world", "corpus", "frames", "captions", "evaluate") else 1.0)
        decoding = per_clip.processor if cell.stage == "frames" else 0.0
        return Cost(
            seconds=whole.clock,
            core_seconds=whole.processor,
            memory_mb=taken.memory_mb,
            disk_mb=disk,
            decoding=decoding,
            bound=BOUNDS.get(cell.stage, COMPUTE),
        )

    def _captions(self) -> Spent | None:
        """One frame captioned."""
        for cell in self._cells.values():
            if cell.stage == "captions":
                twin = self.twins.of(cell)
                return self._taken[twin.name].whole.less(self._fixed.get("captions", Spent())).times(1 / units(twin))
        return None

    @property
    def spent(self) -> Spent:
        """What the sample itself took."""
        return sum((each.whole for each in self._taken.values()), Spent())


def _counts(cell: Cell) -> bool:
    """Whether a cell's time goes by its clips (or repetitions), not by steps."""
    return cell.stage in ("world", "corpus", "frames", "captions", "evaluate", "gap")


def _alike(cell: Cell, small: Cell) -> bool:
    """Whether one is the twin of a smaller one: made from the same parts."""
    own, other = (each.settings for each in (cell, small))
    if cell.stage in ("world", "corpus"):
        return _part(cell) == _part(small)
    if "corpus" not in cell.inputs:
        return True
    same_model = getattr(own, "model", None) == getattr(other, "model", None)
    models = [each.inputs["model"].settings if "model" in each.inputs else None for each in (cell, small)]
    return _part(cell.inputs["corpus"]) == _part(small.inputs["corpus"]) and same_model and models[0] == models[1]


def _part(cell: Cell) -> tuple[str, int]:
    world = cell.settings.world if isinstance(cell.settings, CorpusSettings) else cell.settings
    assert isinstance(world, WorldSettings), "only generated corpora are sampled"
    return world.part, world.gallery


def units(cell: Cell) -> float:
    """Clips that a cell goes through; for the language gap its repetitions."""
    if isinstance(cell.settings, GapSettings):
        return float(cell.settings.repeats)
    if cell.stage == "world":
        return float(sum(cell.settings.clips.values()))  # type: ignore[attr-defined]
    if isinstance(cell.settings, EvaluateCell):
        sizes = [_size(cell)] + [_of(each) for role, each in cell.inputs.items() if _further(role)]
        return float(sum(size.test for size in sizes) + min(cell.settings.bank, sizes[0].train))
    return float((_of(cell) if cell.stage == "corpus" else _size(cell)).clips)


def _further(role: str) -> bool:
    """A further gallery's corpus among the inputs."""
    return role.startswith("gallery") and role.endswith(":corpus")


def _size(cell: Cell, role: str = "corpus") -> Size:
    return _of(cell.inputs[role])


def _of(corpus: Cell) -> Size:
    settings = corpus.settings
    assert isinstance(settings, CorpusSettings)
    assert settings.world is not None, "only generated corpora are sampled"
    return generated(settings, settings.world)


def steps(cell: Cell) -> float:
    """Steps of a training; of none for what is fetched."""
    optim = getattr(cell.settings, "optim", None)
    if optim is None:
        return 0.0
    train = min(_size(cell).train, getattr(cell.settings, "clips", None) or _size(cell).train)
    size = min(optim.batch_size, train)
    return float(num_steps(optim, train / size if optim.keep_partial else train // size))


def _looked(cell: Cell, twin: Cell) -> float:
    """Validations, each in terms of one of the twin's."""
    match cell.settings:
        case PretrainCell() as own if own.validate_every:
            count, role = -(-int(steps(cell)) // own.validate_every) + 1, "validation:corpus"
        case FinetuneCell() as own if own.keep == "best":
            count, role = own.validations + own.keep_start, "corpus"
        case ClipSettings() as own if own.optim is not None:
            count, role = LOOKS, "corpus"
        case CaptionerSettings() | _:
            return 0.0
    return count * _size(cell, role).val / max(1, _size(twin, role).val)
