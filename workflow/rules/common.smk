# What all rules share: the grid of the experiment, its jobs, and how a job is called.
import atexit
import contextlib
import functools
import math
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from clipvip.config.base import merge
from clipvip.config.registry import JOB_RULES
from clipvip.config.resources import all_ask
from clipvip.pipeline.grid import load
from clipvip.pipeline.jobs import Jobs
from clipvip.pipeline import copied, slurm_queue, stores, whole
from clipvip.pipeline.launch import launched
from clipvip.pipeline.object_store import ObjectStore
from clipvip.pipeline.status import left_out, missing_folders, summary, times
from clipvip.pipeline.sweep_space import SWEEPS as SWEEP_FILES, SweepPlan
from clipvip.results.tracking.moved import ARTIFACTS
from clipvip.runtime import warm
from clipvip.runtime.file_systems import mounts
from clipvip.runtime.options import words as how_words
from snakemake.exceptions import WorkflowError


def read_grid():
    # Files are laid over one another by our own rules, in which steps replace epochs. The graph of rules shows the stages
    # one by one, as the README's picture does, whatever shares a process.
    apart = {"run": {"pack": False}} if "--rulegraph" in sys.argv else {}
    given = workflow.overwrite_configfiles
    usual = [file for file in workflow.configfiles if file not in given]
    try:
        changes = merge(dict(workflow.config_settings.config), apart)
        return Jobs(load([*usual, *given], changes))
    except ValueError as error:
        raise WorkflowError(str(error)) from None


JOBS = read_grid()
RUN = JOBS.grid.experiment.run
ASKS = all_ask(RUN)  # resources of each rule
ROOT = str(JOBS.root)
HOME = f"{ROOT}/{JOBS.grid.experiment.name}"
URI = JOBS.tracking
# By its whole path with braces doubled: Snakemake takes those in the folder of a clone for wildcards.
ENVIRONMENT = re.sub(r"([{}])", r"\1\1", f"{workflow.basedir}/environment.yml")

if not workflow.is_main_process:
    # A scheduler's warning that the time is nearly up goes to each process of a job; only what trains has a use for it.
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)

if workflow.is_main_process:
    copied.restore(JOBS.root, Path(HOME))
    # On a cluster jobs are counted, not cores; a dry run knows neither.
    asked = workflow.resource_settings
    slots = asked.nodes or (asked.cores or 0) // RUN.threads
    JOBS.prepare(at_once=None if workflow.dryrun else max(1, slots))
    print(summary(JOBS), file=sys.stderr)
    for line in (left_out(JOBS), stores.warning(URI, mounts())):
        if line:
            print(line, file=sys.stderr)


wildcard_constraints:
    job="[0-9a-f]{12}",
    study="|".join(JOBS.grid.studies),


def needs(wildcards):
    # A file must be made by one process before many write to it; a server that is away stops nobody.
    alone = JOBS.live and URI.startswith("sqlite:")
    store = [ancient(f"{ROOT}/mlflow.created")] if alone else []
    return JOBS.needs(JOBS.by_id[wildcards.job]) + store


def command(wildcards):
    # A job of a scheduler goes on as the same job of the scheduler.
    return JOBS.command(JOBS.by_id[wildcards.job], requeue=workflow.remote_exec)


def launched_work(wildcards):
    words = ["sweep", "work", sweep_plan(wildcards).path, *how_words(RUN)]
    return launched(
        words, ASKS["sweep_worker"], shared=False, requeue=workflow.remote_exec
    )


def priority(wildcards):
    return JOBS.priority(JOBS.by_id[wildcards.job])


def title(wildcards):
    return JOBS.title(JOBS.by_id[wildcards.job])


def minutes(wildcards):
    return JOBS.minutes(JOBS.by_id[wildcards.job])


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


def stop_if_the_store_is_closed():
    if RUN.object_store is not None:
        try:
            ObjectStore(RUN.object_store).check()
        except ValueError as error:
            raise WorkflowError(f"run.object_store: {error}") from None


def begin():
    stop_if_data_is_missing()
    stop_if_the_store_is_closed()
    copied.forget(Path(HOME))
    start_warm()


def end():
    copied.remember(JOBS.root, Path(HOME))


@functools.cache
def all_are_asked_for():
    # Asked when the jobs are found: Snakemake knows no targets while it reads these files.
    # The tables of all studies share one estimate of training noise, so what is made from tables waits for all of them.
    if not workflow.is_main_process:
        return whole.told()
    settings = workflow.dag_settings
    return whole.tell(settings.targets if settings else (), f"{HOME}/report.html")


def table_made(wildcards):
    if all_are_asked_for():
        return JOBS.tables_marker
    return JOBS.table_marker(JOBS.grid.studies[wildcards.study])


def tables_made():
    return JOBS.tables_marker


def tables_of_what_is_there():
    # Some cell failed: the others are shown all the same, and the next run makes what failed.
    if not workflow.local_exec:
        slurm_queue.record(JOBS)
    studies = [
        study
        for study in JOBS.grid.studies.values()
        if any(Path(marker).exists() for marker in JOBS.study_markers(study))
    ]
    if studies:
        plans = [JOBS.study_folder(study.name) / "plan.json" for study in studies]
        alone = {
            **os.environ,
            warm.ADDRESS: "",
        }  # the warm process has the threads of a job
        subprocess.run(["clipvip", "table", *plans], check=False, env=alone)
        folders = [JOBS.study_folder(study.name) for study in studies]
        page = f"{HOME}/report.html"
        command = ["clipvip", "report", *folders, "--out", page]
        subprocess.run(command, check=False, env=alone)
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
