"""Which way an experiment is forecast: by a card's rates, by a sample of its generated world, or by this machine's."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from clipvip.pipeline.forecast import light, rates
from clipvip.pipeline.forecast.arithmetic import Arithmetic
from clipvip.pipeline.forecast.forecast import Forecast, forecast
from clipvip.pipeline.forecast.rates import Rates
from clipvip.pipeline.forecast.sizes import Sizes
from clipvip.pipeline.forecast.told import duration
from clipvip.pipeline.grid import Grid
from clipvip.pipeline.jobs import Jobs
from clipvip.runtime.machine import machine

Tell = Callable[[str], object]


def predicted(
    data: dict[str, Any],
    gpu: str | None,
    table: Path | None,
    *,
    share: float | None,
    parallel: int | None,
    tell: Tell,
) -> tuple[Forecast, Rates]:
    """The forecast of an experiment file's data, and the rates behind it; `tell` hears what is being timed.

    ValueError: bad settings, an unknown card, a corpus or a model of unknown size.
    """
    if gpu is None and share is not None:
        raise ValueError("--share is of a card's peak: name the card with --gpu")
    jobs = Jobs(Grid(data))
    at_a_time = parallel or int(machine()["cores"] or 1)
    generated = all(corpus.world is not None for corpus in jobs.grid.experiment.corpora.values())
    if gpu is None and generated:
        return _sampled(jobs, table, at_a_time, tell)
    if gpu is not None:
        known = rates.read(gpu, table)
        if share is not None:
            known = known.model_copy(update={"shares": known.shares.model_copy(update={"training": share})})
    else:
        from clipvip.pipeline.forecast.rates_here import measured  # torch takes its second to load

        known = measured(jobs.grid, table, tell)
    return _computed(jobs, known, at_a_time), known


def _sampled(jobs: Jobs, table: Path | None, parallel: int, tell: Tell) -> tuple[Forecast, Rates]:
    """By twins of what is not made yet."""
    from clipvip.pipeline.forecast.rates_here import idle
    from clipvip.pipeline.forecast.sample import Sample

    with tempfile.TemporaryDirectory(prefix="clipvip-plan-") as folder:
        sample = Sample(jobs.grid.cells.values(), Path(folder), jobs.grid.experiment.run.device)
        sample.make(tell)
        tables = light.Light(jobs.grid, sample, Path(folder), tell).costs()
        known = idle(table)
        return forecast(jobs, sample.of, tables, known, parallel, ""), known


def _computed(jobs: Jobs, known: Rates, parallel: int) -> Forecast:
    """By arithmetic, with what prepared videos would change."""
    grid, sizes = jobs.grid, Sizes(jobs.grid, jobs.root)
    tables = light.stated(grid, known.host.light_job_s)
    ours = Arithmetic(grid, sizes, known)
    plain = forecast(jobs, ours.of, tables, known, parallel, "")
    small = forecast(jobs, Arithmetic(grid, sizes, known, prepared=True).of, tables, known, parallel, "")
    corpora = [cell for cell in grid.cells.values() if cell.stage == "corpus"]
    costs = [ours.preparing(cell) for cell in corpora]
    seconds, megabytes = (sum(each[place] for each in costs) for place in (0, 1))
    if not seconds:
        return plain
    saved = (
        f"preparing the videos first (`clipvip prepare`) takes {seconds / 3600:,.0f} core-hours and "
        f"{megabytes / 1000:,.0f} GB once; then the whole takes {small.whole.gpu_hours:,.0f} GPU-hours in place of "
        f"{plain.whole.gpu_hours:,.0f}, {small.whole.core_hours:,.0f} core-hours in place of "
        f"{plain.whole.core_hours:,.0f}, and is done after {duration(small.seconds)} in place of "
        f"{duration(plain.seconds)}"
    )
    return forecast(jobs, ours.of, tables, known, parallel, saved)
