"""A copy of the project in which a command of the workflow is disturbed, and whether its results are another's."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil

from clipvip.pipeline.same_files import first_difference

ROOT = Path(__file__).parents[1]


class Laboratory:
    """A copy of the project's files, in which the command is given."""

    def __init__(self, place: Path) -> None:
        self.place = place
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        for name in filter(None, listed.split("\0")):
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, place / name)

    def start(self, *words: str, **settings: str) -> subprocess.Popen[bytes]:
        """A command of snakemake, the whole smoke grid's where none is given, in a session of its own."""
        tools = Path(sys.executable).parent
        usual = ("--cores", "2", "--configfile", "experiments/smoke.yaml", "--", "ablate_all")
        command = [str(tools / "snakemake"), *(words or usual)]
        path = os.pathsep.join([str(self.place), os.environ.get("PYTHONPATH", "")])
        given = {**os.environ, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": path, **settings}
        with open(self.place / "said.log", "ab") as said:
            return subprocess.Popen(
                command, cwd=self.place, env=given, stdout=said, stderr=said, start_new_session=True
            )

    def workers(self) -> list[psutil.Process]:
        """Processes that make cells, tables, notebooks and pages of this laboratory."""
        return [process for process in self.processes() if "clipvip" in " ".join(_words(process))]

    def processes(self) -> list[psutil.Process]:
        """All that work in this laboratory, whoever started them."""
        return [process for process in psutil.process_iter() if _place(process) == str(self.place)]


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def _place(process: psutil.Process) -> str:
    try:
        return process.cwd()
    except psutil.Error:
        return ""


def compare(one: Path, other: Path) -> Iterator[tuple[str, int, list[str]]]:
    """What was compared, how many, and the first difference of each that differs."""
    for stage in sorted(path.name for path in (one / "cells").iterdir()):
        keys = sorted(path.name for path in (one / "cells" / stage).iterdir())
        found = [(key, first_difference(one / "cells" / stage / key, other / "cells" / stage / key)) for key in keys]
        yield f"{stage} cells", len(keys), [f"{key}: {what}" for key, what in found if what is not None]
    tables = sorted((one / "smoke" / "studies").glob("*/*.csv"))
    differ = [path for path in tables if path.read_bytes() != (other / path.relative_to(one)).read_bytes()]
    yield "tables", len(tables), [str(path.relative_to(one)) for path in differ]
