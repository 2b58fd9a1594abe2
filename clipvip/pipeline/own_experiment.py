"""`clipvip init`: an experiment file and a studies file for a folder of videos, after looking at what lies there.

Nothing that only the paper needs stands in them: no captioner, no roles, no post-pretraining, no language gap.
"""

import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from clipvip.corpora.own import captions_table
from clipvip.corpora.own.captions_table import Captions, Row
from clipvip.corpora.own.look import Look, few, look, same_content
from clipvip.corpora.own.splits import SPLITS, Together, split_rows, write
from clipvip.pipeline.grid import load
from clipvip.pipeline.own_files import Facts, experiment_text, studies_text
from clipvip.runtime.files import write_whole, written


@dataclass(frozen=True)
class Written:
    """What `init` found and wrote."""

    experiment: Path
    studies: Path
    said: tuple[str, ...]


def init(
    folder: Path,
    *,
    captions: Path | None = None,
    clip: str,
    name: str | None = None,
    out: Path,
    together: Together | None = None,
    seed: int = 0,
    force: bool = False,
) -> Written:
    """Write `out/<name>.yaml`, `out/<name>_studies.yaml` and the splits below the folder; a line for each finding.

    `together`: what is never parted by a split, the source where the captions name one, else the file. Raises
    ValueError where the files are there already, for captions that cannot be understood, and where there are none:
    then a table to fill in lies in the folder.
    """
    name = _name(folder, name)
    experiment, studies = out / f"{name}.yaml", out / f"{name}_studies.yaml"
    for path in () if force else (experiment, studies):
        if path.exists():
            raise ValueError(f"{path}: is there already; give another --name, or --force to write it anew")
    found = look(folder)
    readable = [video.path for video in found.videos]
    texts = _captions(folder, captions, readable)
    rows, how = _split(folder, texts, together, seed)
    size, max_tokens, notes = _of_clip(clip)
    facts = Facts(
        name=name,
        root=_as_named(folder),
        annotations={str(split): path for split, path in write(rows, folder).items()},
        clip=_as_named(Path(clip)) if Path(clip).is_dir() else clip,
        size=size,
        max_tokens=max_tokens,
        videos=len({row.path for row in rows if row.split == "train"}),
        studies=studies.as_posix(),
        experiment=experiment.as_posix(),
    )
    write_whole(studies, studies_text(facts))
    write_whole(experiment, experiment_text(facts))
    load([experiment])  # what was written is read back as the workflow will
    said = [*found.lines(), *_coverage(found, texts), *_counts(rows, how), *_shared(rows), *notes]
    return Written(experiment, studies, tuple(said))


def _name(folder: Path, name: str | None) -> str:
    found = name or re.sub(r"[^a-z0-9]+", "_", folder.resolve().name.lower()).strip("_")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", found):
        raise ValueError(f"--name {found!r}: names are letters, digits, _ and -; give one with --name")
    return found


def _as_named(path: Path) -> str:
    """Relative to the working folder where it lies below, so that both can be moved together; else absolute."""
    whole, here = path.resolve(), Path.cwd().resolve()
    return whole.relative_to(here).as_posix() if whole.is_relative_to(here) else str(whole)


def _captions(folder: Path, given: Path | None, media: Sequence[str]) -> Captions:
    """The table that was given, or what lies in the folder; ValueError where no video has a text."""
    there = [folder / name for name in captions_table.NAMES if (folder / name).is_file()]
    table = given or next(iter(there), None)
    found = captions_table.beside(folder, media) if table is None else captions_table.read(table, media)
    if found.rows:
        return found
    if table is not None:
        why = f"{len(found.absent)} rows name files that are not in {folder}" if found.absent else "its texts are empty"
        raise ValueError(f"{table}: no text of a video: {why}")
    template = folder / captions_table.NAMES[0]
    with written(template) as beside, open(beside, "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(captions_table.template(media))
    raise ValueError(
        f"{folder}: no captions; wrote {template} with a row for each video: fill in `text` (more rows for more texts) "
        "and run this again. `clipvip search` needs none"
    )


def _split(folder: Path, texts: Captions, together: Together | None, seed: int) -> tuple[list[Row], str]:
    """The rows with their splits, and how they came to them."""
    if together is None and any(row.split for row in texts.rows) and "split" in texts.columns:
        lost = [split for split in SPLITS if split not in {row.split for row in texts.rows}]
        if lost:
            raise ValueError(f"{folder}: the column split names no {' and no '.join(lost)} video; add some, or drop it")
        return list(texts.rows), "as the captions name them"
    by: Together = together or ("source" if any(row.source for row in texts.rows) else "file")
    if by == "source" and not all(row.source for row in texts.rows):
        raise ValueError(f"{folder}: --together source, but some captions name no source (a column of the table)")
    same = same_content(folder, dict.fromkeys(row.path for row in texts.rows))
    copies = sum(path != first for path, first in same.items())
    how = f"by a hash of the {by}, seed {seed}" + (f"; {copies} copies of other files kept with them" if copies else "")
    return split_rows(texts.rows, by, same, seed=seed), how


def _coverage(found: Look, texts: Captions) -> list[str]:
    per = Counter(row.path for row in texts.rows)
    bare = [video.path for video in found.videos if video.path not in per]
    lines = [
        f"captions    {len(texts.rows)} texts for {len(per)} of {len(found.videos)} videos, "
        f"{min(per.values())} to {max(per.values())} each"
    ]
    if bare:
        lines.append(f"            {len(bare)} videos without a text, left out: {few(bare)}")
    if texts.absent:
        lines.append(f"            {len(texts.absent)} names without a readable video: {few(texts.absent)}")
    if texts.empty:
        lines.append(f"            {texts.empty} empty texts, left out")
    return lines


def _counts(rows: Sequence[Row], how: str) -> list[str]:
    counts = [
        f"{split} {len({row.path for row in rows if row.split == split})} videos, "
        f"{sum(row.split == split for row in rows)} texts"
        for split in SPLITS
    ]
    return [f"splits      {'; '.join(counts)} ({how})"]


def _shared(rows: Sequence[Row]) -> list[str]:
    """A note where clips of one source are tested on and trained on."""
    tested = {row.source for row in rows if row.source and row.split == "test"}
    shared = sorted(tested & {row.source for row in rows if row.split != "test"})
    if not shared:
        return []
    return [
        f"            {len(shared)} sources in test and elsewhere: {few(shared)}; of these only the test videos are "
        "used, unless the corpus says `same_source: keep`"
    ]


def _of_clip(source: str) -> tuple[int, int, list[str]]:
    """Side of the frames, longest text, and a note where the configuration could not be asked."""
    from clipvip.model.source import read_config  # seconds of start-up that a refusal does without

    try:
        config = read_config(source)
    except ValueError:
        if Path(source).exists() or source.startswith((".", "/", "~")):
            raise
        size = 336 if source.endswith("336") else 224
        return size, 50, [f"clip        {source} is not here and could not be fetched; {size} pixels assumed"]
    return config.vision_config.image_size, min(50, config.text_config.max_position_embeddings), []
