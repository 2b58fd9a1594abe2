"""The small twin of a cell: same stage, same shapes, a few clips and a few steps. Cells that cost the same per clip and
per step have one twin, so that a grid of hundreds is timed by a few dozen.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from clipvip.config.base import Settings
from clipvip.config.data import CorpusSettings, WorldSettings
from clipvip.config.learning import CaptionerSettings, ClipSettings, ModelSettings, OptimSettings
from clipvip.config.stages import EvaluateCell, FinetuneCell, GapSettings, PretrainCell
from clipvip.pipeline.cell import Cell

STEPS = 12  # of a training
VAL = 60  # clips for validation
TEST = 200  # and for testing


class Miniature:
    """Twins of the cells of one grid; `share` of the sizes below, for a second, smaller sample."""

    def __init__(self, cells: Mapping[str, Cell], share: float = 1.0) -> None:
        self._share = share
        self._drawn = _drawn(cells.values())
        self._found: dict[str, Cell] = {}
        self._starts: dict[str, Cell] = {}  # settings of a model -> the twin of the first checkpoint that has them

    def of(self, cell: Cell) -> Cell:
        """The twin."""
        if cell.name not in self._found:
            self._found[cell.name] = Cell(cell.stage, self._settings(cell), self._inputs(cell))
        return self._found[cell.name]

    def _inputs(self, cell: Cell) -> dict[str, Cell]:
        found = {role: self.of(other) for role, other in cell.inputs.items() if not _further(role)}
        if "model" in found:
            found["model"] = self._start(cell.inputs["model"])
        return found

    def _start(self, model: Cell) -> Cell:
        """What is fine-tuned or evaluated takes as long whatever it learnt: only its shape matters."""
        while model.stage == "finetune" and model.settings.model is None:  # type: ignore[attr-defined]
            model = model.inputs["model"]
        own: ModelSettings | None = getattr(model.settings, "model", None)
        shape = f"{own.model_dump_json() if own else model.name} {model.stage}"
        if shape not in self._starts:
            self._starts[shape] = self.of(model)
        return self._starts[shape]

    def _settings(self, cell: Cell) -> Settings:
        change: dict[str, Any] = {}
        match cell.settings:
            case WorldSettings() as world:
                change = {"clips": self._clips(world), "gallery": min(2, world.gallery)}
            case CorpusSettings() as corpus if corpus.world is not None:
                small = corpus.world.model_copy(
                    update={"clips": self._clips(corpus.world), "gallery": min(2, corpus.world.gallery)}
                )
                change = {"world": small, "holdout": min(corpus.holdout, self._at_least(VAL)), "right_answers": None}
            case ClipSettings() | CaptionerSettings() as learnt if learnt.optim is not None:
                change = {"optim": _short(learnt.optim), "seed": 0}
            case PretrainCell() as own:
                every = STEPS if own.validate_every else None
                change = {"optim": _short(own.optim), "validate_every": every, "clips": None}
                change |= {"subset_seed": 0, "seed": 0}
            case FinetuneCell() as own:
                change = {"optim": _short(own.optim), "validations": 1, "seed": 0}
            case EvaluateCell():
                change = {"seed": 0, "right_answers": None, "right_answers_sha256": ""}
            case GapSettings() as gap:
                change = {"repeats": min(gap.repeats, 2)}
        return cell.settings.model_copy(update=change)

    def _clips(self, world: WorldSettings) -> dict[str, int]:
        """Clips of each split: as many to train on as the steps draw."""
        wanted, holdout = self._drawn.get(world.part, (TEST, 0))
        own = min(wanted, world.clips.get("train", 0) - holdout)
        most = {"train": self._at_least(own) + min(holdout, self._at_least(VAL))}
        most |= {"val": self._at_least(VAL), "test": self._at_least(TEST)}
        return {split: min(count, most[split]) for split, count in world.clips.items() if count}

    def _at_least(self, count: int) -> int:
        return max(8, round(self._share * count))


def _further(role: str) -> bool:
    """Inputs that a twin does without: test sets that are left out of training, and galleries after the second."""
    return role.startswith("test:") or bool(re.match(r"gallery([3-9]|\d\d)", role))


def _short(optim: OptimSettings) -> OptimSettings:
    return optim.model_copy(update={"steps": STEPS, "epochs": None})


def _drawn(cells: Iterable[Cell]) -> dict[str, tuple[int, int]]:
    """Part of the world -> clips that the steps of a sample draw from it, and clips that are held out."""
    found: dict[str, tuple[int, int]] = {}
    for cell in cells:
        corpus, optim = cell.inputs.get("corpus"), getattr(cell.settings, "optim", None)
        if corpus is None or optim is None or not isinstance(corpus.settings, CorpusSettings):
            continue
        if (world := corpus.settings.world) is not None:
            wanted = max(found.get(world.part, (0, 0))[0], STEPS * optim.batch_size)
            found[world.part] = wanted, corpus.settings.holdout
    return found
