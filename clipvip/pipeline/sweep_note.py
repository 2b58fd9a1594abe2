"""What a finished sweep says: its best settings as an experiment of their own, and a note of what was searched."""

import json
from typing import Any

import pandas as pd

from clipvip.config.sweep import Range, Value
from clipvip.pipeline.sweep_points import size
from clipvip.pipeline.sweep_space import Sweep


def best_overlay(sweep: Sweep, values: dict[str, Value]) -> dict[str, Any]:
    """The best values as a further configuration file: a name, so that no untuned study is written over, and settings.

    A stage that the sweep's base switches off is left out, since an experiment has all of them. What a set changes of
    `finetune` lies over the experiment's `finetune`, so the values stand there too for the set that judged.
    """
    change = {key: value for key, value in sweep.change(values).items() if value is not None}
    experiment = sweep.grid.experiment
    overlay = {"name": f"{experiment.name}_{sweep.name}_best", **change}
    if "finetune" in change and sweep.settings.set in experiment.finetune_sets:
        overlay["finetune_sets"] = {sweep.settings.set: change["finetune"]}
    return overlay


def note(sweep: Sweep, rows: pd.DataFrame) -> str:
    """What was searched, how, and how it ended; `rows` as in trials.csv."""
    settings, best = sweep.settings, rows.iloc[int(rows["score"].astype(float).argmax())]
    lines = [
        f"Sweep {sweep.name} of the experiment {sweep.grid.experiment.name}: {settings.stage}, judged by",
        f"{settings.score} on the val split of {settings.set}; no test split was read.",
        f"Sampler {settings.sampler}, pruner {settings.pruner}, seed {settings.seed}. {_counts(sweep, rows)}",
        f"Best: trial {best['trial']}, {best['score']:.2f} ({best['cell']}). One seed and the best of many:",
        "run it with further seeds before it is called better. Searched:",
    ]
    lines += [_searched(name, each, best[name]) for name, each in settings.space.items()]
    off = [stage for stage in ("pretrain", "finetune") if settings.base.get(stage, {}) is None]
    lines += [f"The sweep's base switches {stage} off, which best.yaml cannot say." for stage in off]
    return "\n".join(lines) + "\n"


def _searched(name: str, each: Range, best: Any) -> str:
    values = json.dumps(each.choices) if each.choices else f"{each.low} to {each.high}"
    return f"- {name}: {values}{' (log)' if each.log else ''}; best {best}"


def _counts(sweep: Sweep, rows: pd.DataFrame) -> str:
    """Distinct points by how they ended; a point that was tried again counts once."""
    asked, most = sweep.settings.trials, size(sweep.settings.space)
    ended = {state: set(rows.loc[rows["state"] == state, "cell"]) for state in ("complete", "pruned", "fail")}
    failed = ended["fail"] - ended["complete"] - ended["pruned"]
    judged = len(ended["complete"] | ended["pruned"])
    said = f"Distinct points: {judged} of {asked} asked for ({len(ended['complete'])} complete, "
    said += f"{len(ended['pruned'])} pruned)"
    said += f"; the space has {most:.0f}" if judged < asked and most < asked else ""
    said += f"; {len(failed)} more failed" if failed else ""
    again = len(rows) - rows["cell"].nunique()
    return said + (f"; {again} trials were begun again after their worker died." if again else ".")
