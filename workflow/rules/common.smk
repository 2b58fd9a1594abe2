# What all rules share: the grid of the experiment, its jobs, and how a job is called.
import atexit
import contextlib
import functools
import subprocess
from pathlib import Path

from clipvip.config.registry import JOB_RULES
from clipvip.config.resources import all_ask
from clipvip.pipeline.grid import load
from clipvip.pipeline.jobs import Jobs
from clipvip.pipeline import whole
from clipvip.pipeline.status import left_out, missing_folders, summary, times
from clipvip.pipeline.sweep_space import SWEEPS as SWEEP_FILES, SweepPlan
from clipvip.results.tracking.moved import ARTIFACTS
from clipvip.runtime import warm
from clipvip.runtime.options import words
from snakemake.exceptions import WorkflowError


def read_grid():
    # Files are laid over one another by our own rules, in which steps replace epochs.
    given = workflow.overwrite_configfiles
    usual = [file for file in workflow.configfiles if file not in given]
    try:
        return Jobs(load([*usual, *given], workflow.config_settings.config))
    except ValueError as error:
        raise WorkflowError(str(error)) from None


JOBS = read_grid()
RUN = JOBS.grid.experiment.run
ASKS = all_ask(RUN)  # resources of each rule
ROOT = str(JOBS.root)
HOME = f"{ROOT}/{JOBS.grid.experiment.name}"
URI = JOBS.tracking

if workflow.is_main_process:
    JOBS.prepare()
    print(summary(JOBS), file=sys.stderr)
    if left_out(JOBS):
        print(left_out(JOBS), file=sys.stderr)


wildcard_constraints:
    job="[0-9a-f]{12}",
    study="|".join(JOBS.grid.studies),


def needs(wildcards):
    # A file must be made by one process before many write to it; a server that is away stops nobody.
    alone = JOBS.live and URI.startswith("sqlite:")
    store = [ancient(f"{ROOT}/mlflow.created")] if alone else []
    return JOBS.needs(JOBS.by_id[wildcards.job]) + store


def command(wildcards):
    return JOBS.command(JOBS.by_id[wildcards.job])


def stop_if_data_is_missing():
    missing = missing_folders(JOBS)
    if missing:
        raise WorkflowError(
            "\n".join(
                ["data or models that this experiment names are not there:", *missing]
            )
        )


def start_warm():
    # Jobs of other machines, or with other numbers of threads, load the libraries themselves.
    if RUN.warm and workflow.local_exec:
        held = contextlib.ExitStack()
        held.enter_context(warm.listening(RUN.threads))
        atexit.register(held.close)


def stage_times():
    return times(JOBS)


@functools.cache
def all_are_asked_for():
    # Their tables then share one estimate of training noise, so what is made from tables waits for all of them.
    # While the rules are read the targets are not known yet: only input functions may ask.
    if not workflow.is_main_process:
        return whole.told()
    settings = workflow.dag_settings
    return whole.tell(settings.targets, f"{HOME}/report.html")


def table_made(wildcards):
    if all_are_asked_for():
        return JOBS.tables_marker
    return JOBS.table_marker(JOBS.grid.studies[wildcards.study])


def tables_made():
    return JOBS.tables_marker


def tables_of_what_is_there():
    # Some cell failed: the others are shown all the same, and the next run makes what failed.
    studies = [
        study
        for study in JOBS.grid.studies.values()
        if any(Path(marker).exists() for marker in JOBS.study_markers(study))
    ]
    if studies:
        plans = [JOBS.study_folder(study.name) / "plan.json" for study in studies]
        subprocess.run(["clipvip", "table", *plans], check=False)
        folders = [JOBS.study_folder(study.name) for study in studies]
        page = f"{HOME}/report.html"
        subprocess.run(["clipvip", "report", *folders, "--out", page], check=False)
        print(f"some cells failed (results/failed); what there is: {page}")


def made_of(study):
    files = [f"{HOME}/studies/{study}/{name}" for name in ("figure.png", "tracked")]
    return [JOBS.table_marker(JOBS.grid.studies[study]), *files]


def has_notebook(study):
    return (Path(workflow.basedir) / "analysis" / f"{study}.ipynb").exists()


def one_of(names):
    return "|".join(names) or "(?!)"  # none: matches nothing


SWEEPS = sorted(path.stem for path in SWEEP_FILES.glob("*.yaml"))


def sweep_plan(wildcards):
    try:
        return SweepPlan(JOBS, wildcards.sweep)
    except ValueError as error:
        raise WorkflowError(str(error)) from None
