"""What replicates varied, what intervals leave out, and whether machines differed: the note of every table."""

from collections import Counter
from typing import Any

from clipvip.config.claims import Metric
from clipvip.results.experiment import Experiment
from clipvip.results.noise import Pool
from clipvip.results.study_results import Study

SEED, SUBSET, CLIP, CAPTIONER = "seed (initialisation, data order)", "corpus subset", "starting CLIP", "captioner"
ONE_RUN = "one run of each variant and no estimate of training noise: intervals cover the draw of test queries only"


def coverage(experiment: Experiment, study: Study, *, one_run: bool = False) -> str:
    """One line: what replicates varied, what intervals cover, what they leave out; `one_run`: no noise is known."""
    changed = varied(study)
    noise = next((plan["noise"] for plan in experiment.plans if plan.get("noise")), None)
    known = [metric for metric in study.all_metrics if any(each.common for each in _pools(experiment, metric))]
    machines = kinds_of_machine(study)
    if one_run or not known:
        return f"{ONE_RUN}; {machines}" if machines else ONE_RUN
    said = f"replicates varied: {', '.join(changed)}" if changed else "one run of each variant"
    said += f"; training noise also from the noise study {noise}" if noise and changed else ""
    said += f"; training noise from {noise or 'other studies of the experiment'}" if not changed else ""
    left = [each for each in (SUBSET, CLIP, CAPTIONER) if each not in changed]
    said += f"; {machines}" if machines else ""
    said += "; intervals cover test queries and training runs"
    return f"{said}; they leave out another {', '.join(left)}" if left else said


def varied(study: Study) -> list[str]:
    """What differs between the replicates of a variant, read from their cells."""
    found: set[str] = set()
    for variant in study.variants:
        rows = [row for row in study.plan["rows"] if row["variant"] == variant]
        parts = [_parts(study, row) for row in rows]
        found |= {name for name in parts[0] if len({str(each[name]) for each in parts if each[name] is not None}) > 1}
    return [each for each in (SEED, SUBSET, CLIP, CAPTIONER) if each in found]


def _parts(study: Study, row: dict[str, Any]) -> dict[str, Any]:
    """What a replicate of a variant may change; None where the row has none of it."""
    cell = study.cells.get(row["cells"].get("pretrain") or "")
    subset = cell.settings.get("subset_seed", 0) if cell is not None and cell.settings.get("clips") else None
    captions = cell.inputs.get("captions") if cell is not None else None
    return {SEED: row["seed"], SUBSET: subset, CLIP: row["cells"].get("clip"), CAPTIONER: captions}


def kinds_of_machine(study: Study) -> str:
    """The kinds of machine that made one stage's cells where they differ, with counts of cells; else empty.

    Training amplifies rounding, so the same cell made on another kind is another draw of training noise.
    """
    keys = {key.rsplit("/", 1)[-1] for row in study.plan["rows"] for key in row["cells"].values() if key}
    stages: dict[str, Counter[str]] = {}
    for cell in (study.cells[key] for key in sorted(keys & study.cells.keys())):
        if machine := cell.receipt.get("machine"):
            stages.setdefault(cell.stage, Counter())[_kind(machine)] += 1
    differ = {stage: kinds for stage, kinds in stages.items() if len(kinds) > 1}
    named = (f"{stage} on {', '.join(f'{kind} ({n})' for kind, n in of.most_common())}" for stage, of in differ.items())
    return f"cells come from different kinds of machine: {'; '.join(named)}" if differ else ""


def _kind(machine: dict[str, Any]) -> str:
    """What decides rounding: the GPU, or else processor, vector instructions and threads; several processes."""
    threads = machine.get("threads")
    parts = (machine["processor"], machine.get("instructions"), threads and f"{threads} thread{'s' * (threads > 1)}")
    own = machine.get("gpu") or " ".join(str(each) for each in parts if each)
    processes = machine.get("processes", 1)
    return f"{processes} x {own}" if processes > 1 else str(own)


def outlying(pool: Pool) -> str:
    """The rows of a pool that have a variance of their own; empty where there are none."""
    named = (f"{name} (sd {each.variance**0.5:.2g}, {each.df:g} df)" for name, each in sorted(pool.own.items()))
    names = ", ".join(named)
    return f"noisier than its class, with a variance of its own: {names}" if names else ""


def _pools(experiment: Experiment, metric: Metric) -> list[Pool]:
    return list(experiment.noise(metric).values())
