"""Cells that no study asks for: what changed settings and old experiments have left in the results."""

import shutil
from pathlib import Path

from clipvip.pipeline.jobs import Jobs
from clipvip.pipeline.store import folder
from clipvip.runtime.files import locked


def unasked(jobs: list[Jobs]) -> dict[str, int]:
    """Name -> bytes of the cells under the results root that no study of these experiments asks for, nor is made from.

    Raises ValueError where the experiments have different results roots.
    """
    roots = {each.root.resolve() for each in jobs}
    if len(roots) != 1:
        raise ValueError(f"these experiments have results in {len(roots)} places; clean one at a time")
    asked = {cell.name for each in jobs for cell in each.grid.cells.values()}
    root = roots.pop()
    found = sorted(path for path in root.glob("cells/*/*") if path.is_dir() and not path.name.startswith("."))
    names = (f"{path.parent.name}/{path.name}" for path in found)
    return {name: _size(folder(root, name)) for name in names if name not in asked}


def remove(root: Path, names: list[str]) -> None:
    """Remove cells, each under its lock, and their spec and failure files."""
    for name in names:
        plain = name.replace("/", "-")
        with locked(root / "locks" / plain):
            shutil.rmtree(folder(root, name), ignore_errors=True)
            for kind in ("specs", "failed"):
                (root / kind / f"{plain}.json").unlink(missing_ok=True)


def listing(found: dict[str, int], experiments: list[str]) -> str:
    """A line a cell, largest first, and the sum."""
    lines = [f"{size / 2**20:10.1f} MiB  {name}" for name, size in sorted(found.items(), key=lambda each: -each[1])]
    total = f"{len(found)} cells, {sum(found.values()) / 2**20:.1f} MiB"
    return "\n".join([*lines, f"{total}, that no study of {', '.join(experiments)} asks for"])


def _size(path: Path) -> int:
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file() and not file.is_symlink())
