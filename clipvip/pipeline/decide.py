"""What decides open claims cheapest: further replicates or test sets for the rows concerned, look by look.

The growing results are an experiment of their own, `<experiment>_decided`: a further configuration file that adds seeds
to single rows or galleries to a set. It shares every cell with the experiment it grows from, whose tables stay.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from clipvip.config.base import merge, nearest
from clipvip.pipeline.cell import closure
from clipvip.pipeline.costs import Costs
from clipvip.pipeline.grid import Grid, load, read
from clipvip.pipeline.jobs import Jobs
from clipvip.results import outcomes, sequential, study_files
from clipvip.results.experiment import Experiment
from clipvip.results.lines import Line, decided
from clipvip.results.sequential import Step
from clipvip.runtime.files import write_whole

LEAST = 0.1  # chance of being decided below which a line is left open
Run = Callable[[list[Path], list[str]], None]  # configuration files and targets -> the workflow has run


@dataclass(frozen=True)
class Move:
    """A step of one line: what it changes, what it costs, what it may bring."""

    line: Line
    step: Step
    change: dict[str, Any]
    seconds: float
    chance: float
    gain: float  # points of the interval's half-width

    @property
    def words(self) -> str:
        """What the step does."""
        return f"{self.step.replicates} replicates" if self.step.queries == 1 else f"{self.step.queries} x test sets"


class Decider:
    """Studies of an experiment whose open lines are to be decided within a number of looks; the first look is at the
    results there are. ValueError: an unknown study, or another number of looks than was fixed before."""

    def __init__(self, paths: Sequence[Path], studies: Sequence[str], looks: int, cores: int) -> None:
        self.paths, self.studies, self.looks, self.cores = list(paths), list(studies), looks, cores
        self._data = read(paths)
        self._base = Jobs(load(paths))
        self._costs = Costs(self._base.root, self._base.grid.cells.values())
        name = f"{self._base.grid.experiment.name}_decided"
        self.overlay_path, self._record = (self._base.root / name / file for file in ("decide.yaml", "looks.json"))
        if unknown := [each for each in studies if each not in self._base.grid.studies]:
            raise ValueError(f"no study {unknown[0]!r}; {nearest(unknown[0], self._base.grid.studies)}")
        self._taken: list[dict[str, Any]] = json.loads(self._record.read_text()) if self._record.is_file() else []
        self.overlay = self._taken[-1]["overlay"] if self._taken else {"name": name, "looks": looks}
        if self.overlay["looks"] != looks:
            fixed = f"{self.overlay['looks']} looks were fixed before the first step"
            raise ValueError(f"{self._record}: {fixed}, and {looks} would change the error rate")

    # -- where it stands -------------------------------------------------------------------------

    @property
    def used(self) -> int:
        """Looks taken or begun, that at the results there were included."""
        return 1 + len(self._taken)

    @property
    def begun(self) -> bool:
        """Whether the last step was begun and not finished."""
        return bool(self._taken) and self._taken[-1]["outcomes"] is None

    def lines(self) -> list[Line]:
        """The lines of the studies as they stand, at the level of one look."""
        jobs = self._jobs(self.overlay)
        plans = [{**jobs.plan(study), "results": str(jobs.root)} for study in jobs.grid.studies.values()]
        return [line for line in decided(Experiment(plans), self.looks) if line.study in self.studies]

    def open(self) -> list[Line]:
        """Those that replicates or test sets could decide; the language gap has neither."""
        undecided = (outcomes.OPEN, outcomes.ONE_RUN)
        lines = [line for line in self.lines() if line.primary.outcome in undecided]
        return [line for line in lines if line.primary.estimate and line.primary.metric.when != "nmi"]

    def _jobs(self, overlay: dict[str, Any]) -> Jobs:
        return Jobs(Grid(merge(self._data, overlay)))

    # -- the next step ---------------------------------------------------------------------------

    def moves(self) -> list[Move]:
        """The better step of every open line, the likeliest to decide for its time first."""
        lines = self.open()
        found = [self._move(line, outcomes.ALPHA / self.looks / len(lines)) for line in lines]
        return sorted(found, key=lambda move: -move.chance / max(move.seconds, 1e-9))

    def _move(self, line: Line, alpha: float) -> Move:
        estimate, replicates = line.primary.estimate, max(1, line.primary.replicates)
        assert estimate is not None
        found = []
        for step in sequential.steps(replicates, more_queries=self._galleries(line) > 0):
            change = self._change(line, step)
            chance = sequential.chance(estimate, line.primary.margin, step, alpha)
            gain = sequential.gain(estimate, step, alpha, replicates)
            found.append(Move(line, step, change, self._seconds([change]), chance, gain))
        return max(found, key=lambda move: move.gain / max(move.seconds, 1e-9))

    def _galleries(self, line: Line) -> int:
        """Test sets of the line's set; 0 where no further ones can be generated."""
        name = line.primary.metric.downstream
        world = self._base.grid.experiment.corpora[name].world
        if world is None or "galleries" not in type(world).model_fields:
            return 0
        return int(merge(self._data, self.overlay)["corpora"][name]["world"].get("galleries", 1))

    def _change(self, line: Line, step: Step) -> dict[str, Any]:
        if step.queries > 1:
            world = {"galleries": step.queries * self._galleries(line)}
            return {"corpora": {line.primary.metric.downstream: {"world": world}}}
        variants = (name for name, _ in line.expectation.weights)
        return {"more_seeds": {line.study: {name: self._seeds(line.study, name, step) for name in variants}}}

    def _seeds(self, study: str, variant: str, step: Step) -> list[int]:
        """The seeds of a row beyond those of the experiment, so that it has as many replicates as asked for."""
        given = merge(self._data.get("more_seeds", {}), self.overlay.get("more_seeds", {}))
        own = list(given.get(study, {}).get(variant, []))
        have = list(dict.fromkeys((*self._base.grid.experiment.seeds, *own)))
        unused = [seed for seed in range(step.replicates + max(have)) if seed not in have]
        return [*own, *unused[: max(0, step.replicates - len(have))]]

    def _targets(self, overlay: dict[str, Any]) -> list[str]:
        """The studies to run: further test sets are for all that have a table, since all rows tell the noise."""
        tables = (name for name in self._base.grid.studies if self._table(name).is_file())
        return list(dict.fromkeys([*self.studies, *(tables if "corpora" in overlay else ())]))

    def _table(self, study: str) -> Path:
        return self._base.study_folder(study) / study_files.TABLE

    def _seconds(self, changes: Sequence[dict[str, Any]]) -> float:
        """What the changes cost together."""
        overlay = together(self.overlay, *changes)
        grid = self._jobs(overlay).grid
        wanted = [cell for name in self._targets(overlay) for cell in grid.studies[name].cells()]
        every = {other.name: other for cell in {each.name: each for each in wanted}.values() for other in closure(cell)}
        return self._costs.seconds(every.values(), self.cores)

    def chosen(self, minutes: float) -> list[Move]:
        """Moves that fit together into the time; none when all looks are taken. Lines that are unlikely to be decided
        are left."""
        kept: list[Move] = []
        for move in self.moves() if self.used < self.looks else ():
            if move.chance >= LEAST and self.seconds([*kept, move]) <= 60 * minutes:
                kept.append(move)
        return kept

    def seconds(self, moves: Sequence[Move]) -> float:
        """Expected time of a step."""
        return self._seconds([move.change for move in moves])

    # -- taking it -------------------------------------------------------------------------------

    def begin(self, moves: Sequence[Move]) -> None:
        """Write the step down, before anything of it is run: a look that was begun counts."""
        self.overlay = together(self.overlay, *(move.change for move in moves))
        lines = [f"{move.line.study}: {move.line.expectation.line}: {move.words}" for move in moves]
        self._taken.append({"lines": lines, "overlay": self.overlay, "outcomes": None})
        self._write()

    def finish(self, run: Run) -> None:
        """Run the step that was begun, and note what came of it."""
        write_whole(self.overlay_path, yaml.safe_dump(self.overlay, sort_keys=False))
        run([*self.paths, self.overlay_path], [f"ablate_{name}" for name in self._targets(self.overlay)])
        lines = self.lines()
        self._taken[-1]["outcomes"] = {f"{line.study}: {line.expectation.line}": line.primary.outcome for line in lines}
        self._write()

    def _write(self) -> None:
        write_whole(self._record, json.dumps(self._taken, indent=1) + "\n")


def together(*changes: dict[str, Any]) -> dict[str, Any]:
    """Changes laid over each other; of two lists of seeds for one row the longer one, of two numbers the larger."""
    whole: dict[str, Any] = {}
    for change in changes:
        for key, value in change.items():
            before = whole.get(key)
            if isinstance(value, dict):
                whole[key] = together(before or {}, value)
            elif isinstance(value, list) and before is not None:
                whole[key] = max(before, value, key=len)
            else:
                whole[key] = max(before, value) if isinstance(value, int) and before is not None else value
    return whole
