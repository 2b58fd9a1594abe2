"""`clipvip check --decode`: every video of an experiment's corpora, or of a folder, decoded to its end."""

from pathlib import Path

from clipvip.config.data import CorpusSettings
from clipvip.corpora.corpus_stage import root_of
from clipvip.corpora.leakage import Leaks
from clipvip.corpora.media_health import NAME, Health, examine, summary
from clipvip.corpora.prepare import ANNOTATIONS
from clipvip.corpora.reading import Reading
from clipvip.data.media.tar_members import is_url
from clipvip.pipeline.grid import Grid

FEW = 5  # names in a line


def decode_folder(folder: Path, out: Path | None, *, processes: int) -> list[str]:
    """Print the health of the files below a folder; the problems. The report lies in `out`, or beside the folder."""
    shown = (path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file())
    paths = [
        path.as_posix()
        for path in shown
        if path.suffix.lower() not in ANNOTATIONS and not any(part.startswith(".") for part in path.parts)
    ]
    if not paths:
        raise ValueError(f"{folder}: holds no videos")
    out = out or folder.resolve().with_name(f"{folder.resolve().name}.health")
    return _say(folder.name, examine(folder, paths, out, processes=processes, name=folder.name), out, allowed=0.0)


def decode_corpora(grid: Grid, out: Path | None, *, processes: int) -> list[str]:
    """Print the health of each corpus that lies in a folder of its own; the problems, in excess of its `max_bad`."""
    experiment, problems = grid.experiment, list[str]()
    for name, settings in experiment.corpora.items():
        if settings.root is None or is_url(settings.root) or settings.format == "webdataset":
            print(f"{name}: generated, or in tar shards; its files are not decoded here")
            continue
        root = Path(root_of(settings.root))
        held = (out or Path(experiment.results) / experiment.name / "health") / name
        try:
            paths = _paths(settings, root)
        except (ValueError, OSError) as error:
            problems.append(f"{name}: {error}")
            continue
        found = examine(root, paths, held, processes=processes, name=name)
        problems += _say(name, found, held, allowed=settings.max_bad)
    return problems


def _paths(settings: CorpusSettings, root: Path) -> list[str]:
    reading = Reading(settings, root, Leaks({}))
    return sorted({str(path) for rows in reading.parts() for path in rows["path"]})


def _say(name: str, found: list[Health], out: Path, *, allowed: float) -> list[str]:
    print(f"{name}: {len(found):,} files; {out / NAME}")
    print("\n".join(f"  {line}" for line in summary(found)))
    bad = [each for each in found if each.reason]
    for each in bad[:FEW]:
        print(f"  {each.path}: {each.reason}")
    if len(bad) > FEW:
        print(f"  ... and {len(bad) - FEW:,} more")
    if len(bad) > allowed * len(found):
        return [f"{name}: {len(bad):,} of {len(found):,} files cannot be read"]
    return []
