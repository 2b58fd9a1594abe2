"""What made a cell: versions of the libraries it went through, and the commit of the code. Both go into its receipt."""

import importlib.metadata
import subprocess
import sys
from pathlib import Path

LIBRARIES = ("torch", "transformers", "numpy", "pandas", "av")


def versions() -> dict[str, str]:
    """Of Python and the libraries a result can depend on."""
    return {"python": sys.version.split()[0], **{name: importlib.metadata.version(name) for name in LIBRARIES}}


def commit() -> str | None:
    """Of this package's repository; None outside of one."""
    here = Path(__file__).parent.parent
    found = subprocess.run(["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=False)
    return found.stdout.strip() or None
