"""The whole of an experiment: its real list of jobs, each with its cost, added up by rule and laid out in time."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from clipvip.config.registry import JOB_RULES, SHARD
from clipvip.config.resources import asks
from clipvip.pipeline.cell import Cell
from clipvip.pipeline.forecast import schedule
from clipvip.pipeline.forecast.cost import Cost, together
from clipvip.pipeline.forecast.rates import Rates
from clipvip.pipeline.jobs import Jobs
from clipvip.pipeline.packs import Job
from clipvip.pipeline.store import state

CostOf = Callable[[Cell, int], Cost]  # a cell, and in how many parts its captions are made
TABLES = "all_tables"
OF_A_STUDY = ("table", "notebook", "track")


@dataclass(frozen=True, kw_only=True)
class Row:
    """A rule, or all of them."""

    rule: str
    jobs: int
    longest: Cost  # its job that takes longest, with the most memory that one of them takes
    hours: float  # all jobs, one after another
    gpu_hours: float
    computing: float  # hours of cards that are not kept waiting, part of gpu_hours
    core_hours: float
    disk_mb: float
    kwh: float
    bound: str


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What the jobs of an experiment take that are not done."""

    rows: list[Row]
    whole: Row
    parallel: int
    seconds: float  # from the first job's start to the last one's end
    chain: float  # of the jobs that wait for one another: no number of machines makes it shorter
    unfit: list[str]  # limits that do not hold what is predicted
    saved: str  # what preparing videos first would save; empty: nothing

    def ends(self, now: datetime) -> datetime:
        """When it is done if it begins now; the last day of the calendar where it is later."""
        return now + timedelta(seconds=min(self.seconds, (datetime.max - now) // timedelta(seconds=1)))


def forecast(jobs: Jobs, cost: CostOf, light: Mapping[str, Cost], rates: Rates, parallel: int, saved: str) -> Forecast:
    """Costs of all jobs; `light` those of tables, notebooks and what else makes no cell, by rule."""
    costs, needs = _costs(jobs, cost), _needs(jobs)
    costs |= _tables(jobs, light, needs)
    seconds = {name: each.seconds for name, (_, each) in costs.items()}
    by_rule: dict[str, list[Cost]] = {}
    for rule, each in costs.values():
        by_rule.setdefault(rule, []).append(each)
    gpus = {rule: _gpus(jobs, rule, rates) for rule in by_rule}
    rows = [_row(rule, each, gpus[rule], rates) for rule, each in by_rule.items()]
    return Forecast(
        rows=rows,
        whole=_whole(rows),
        parallel=parallel,
        seconds=schedule.finish(seconds, needs, parallel),
        chain=schedule.longest(seconds, needs),
        unfit=[line for row in rows for line in _unfit(jobs, row, rates)],
        saved=saved,
    )


def _costs(jobs: Jobs, cost: CostOf) -> dict[str, tuple[str, Cost]]:
    """Job -> its rule and cost, of what is not made yet."""
    shards = jobs.grid.experiment.run.shards
    found = {}
    for name, job in jobs.by_id.items():
        left = [cell for cell in job.cells if state(jobs.root, cell) != "fresh"]
        if left:
            found[name] = job.rule, together(cost(cell, _parts(job, cell, shards)) for cell in left)
    return found


def _parts(job: Job, cell: Cell, shards: int) -> int:
    """In how many parts a cell's captions are made in a job; 0: the job puts them together."""
    if cell.stage != "captions" or shards == 1:
        return 1
    return shards if job.rule == SHARD else 0


def _needs(jobs: Jobs) -> dict[str, list[str]]:
    marked = {jobs.marker(job): name for name, job in jobs.by_id.items()}
    return {name: [marked[marker] for marker in jobs.needs(job)] for name, job in jobs.by_id.items()}


def _tables(jobs: Jobs, light: Mapping[str, Cost], needs: dict[str, list[str]]) -> dict[str, tuple[str, Cost]]:
    """What is made of the cells of each study, and then of all studies."""
    marked = {jobs.marker(job): name for name, job in jobs.by_id.items()}
    found: dict[str, tuple[str, Cost]] = {}
    for name, study in jobs.grid.studies.items():
        needs[f"table {name}"] = [marked[marker] for marker in jobs.study_markers(study)]
        needs[f"notebook {name}"], needs[f"track {name}"] = [TABLES], [TABLES]
        found |= {f"{rule} {name}": (rule, light[f"{rule} {name}"]) for rule in OF_A_STUDY}
        needs[f"track {name}"].append("store")
    needs[TABLES] = [f"table {name}" for name in jobs.grid.studies]
    needs["report"] = [f"{rule} {name}" for name in jobs.grid.studies for rule in ("notebook", "track")]
    return found | {rule: (rule, light[rule]) for rule in (TABLES, "report", "store")}


def _gpus(jobs: Jobs, rule: str, rates: Rates) -> int:
    """Cards of a job: those that its rule asks for; at least one where a plan is for cards and the rule uses them."""
    asked = asks(jobs.grid.experiment.run, rule).gpus
    helped = rule in JOB_RULES and JOB_RULES[rule].accelerator
    return max(asked, int(helped)) if rates.cards else 0


def _row(rule: str, costs: list[Cost], gpus: int, rates: Rates) -> Row:
    whole = together(costs)
    longest = max(costs, key=lambda each: each.seconds)
    hours, cores = whole.seconds / 3600, whole.core_seconds / 3600
    return Row(
        rule=rule,
        jobs=len(costs),
        longest=replace(longest, memory_mb=whole.memory_mb, gpu_memory_mb=whole.gpu_memory_mb),
        hours=hours,
        gpu_hours=hours * gpus,
        computing=whole.computing / 3600,
        core_hours=cores,
        disk_mb=whole.disk_mb,
        kwh=energy(hours * gpus, cores, hours * whole.memory_mb / 1000, rates),
        bound=whole.bound,
    )


def energy(gpu_hours: float, core_hours: float, memory_gb_hours: float, rates: Rates) -> float:
    """Watts times hours times PUE, codecarbon's method for what it cannot meter [kWh]."""
    host = rates.host
    watt_hours = (
        gpu_hours * rates.gpu.watts * rates.cards
        + core_hours * host.core_watts
        + memory_gb_hours * host.memory_watts_gb
    )
    return watt_hours / 1000 * host.pue


def _whole(rows: list[Row]) -> Row:
    heaviest = max(rows, key=lambda row: row.hours)
    return Row(
        rule="all",
        jobs=sum(row.jobs for row in rows),
        longest=Cost(
            seconds=max(row.longest.seconds for row in rows),
            memory_mb=max(row.longest.memory_mb for row in rows),
            gpu_memory_mb=max(row.longest.gpu_memory_mb for row in rows),
        ),
        hours=sum((row.hours for row in rows), 0.0),
        gpu_hours=sum((row.gpu_hours for row in rows), 0.0),
        computing=sum((row.computing for row in rows), 0.0),
        core_hours=sum((row.core_hours for row in rows), 0.0),
        disk_mb=sum((row.disk_mb for row in rows), 0.0),
        kwh=sum((row.kwh for row in rows), 0.0),
        bound=heaviest.bound,
    )


def _unfit(jobs: Jobs, row: Row, rates: Rates) -> list[str]:
    """Limits of a rule that are below what is predicted, and the settings that mend them."""
    run = jobs.grid.experiment.run
    name = row.rule if row.rule != "notebook" else "general_notebook"
    asked, said = asks(run, name), []
    minutes, memory = row.longest.seconds / 60, row.longest.memory_mb
    if minutes > asked.minutes:
        said.append(
            f"{row.rule}: asks for {asked.minutes:,} minutes, the longest job takes {minutes:,.0f} "
            f"({row.longest.bound}): set run.rules.{name}.minutes"
        )
    if memory > asked.memory_mb:
        said.append(
            f"{row.rule}: asks for {asked.memory_mb:,} MB of memory, a job takes {memory:,.0f}: "
            f"set run.rules.{name}.memory_mb"
        )
    card = 1000 * rates.gpu.memory_gb
    if rates.cards and row.longest.gpu_memory_mb > card:
        said.append(
            f"{row.rule}: {rates.gpu.name} has {card:,.0f} MB, a job takes {row.longest.gpu_memory_mb:,.0f}: set "
            "run.micro_batch lower, or run.recompute"
        )
    return said
