"""A logger plugin of Snakemake, found by its name: writes to the file $ASKED what each planned job asks for.

Snakemake itself prints either a rule's message or its resources.
"""

import os
from logging import LogRecord
from pathlib import Path

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent


class LogHandler(LogHandlerBase):
    """One block a job: `rule NAME:` and a line of resources."""

    writes_to_stream = False
    writes_to_file = True
    has_filter = has_formatter = True
    needs_rulegraph = False

    def __post_init__(self) -> None:
        self.baseFilename = os.environ["ASKED"]

    def emit(self, record: LogRecord) -> None:
        """Called for every record; those of jobs are written."""
        job = vars(record)
        if job.get("event") == LogEvent.JOB_INFO:
            resources = ", ".join(f"{name}={value}" for name, value in dict(job["resources"].items()).items())
            with Path(self.baseFilename).open("a") as file:
                file.write(f"rule {job['rule_name']}:\n    resources: {resources}\n\n")
