"""What a grid asks for, what of it is made, what it took, and what is missing to begin."""

from pathlib import Path

from clipvip.config.base import nearest
from clipvip.config.data import CorpusSettings
from clipvip.pipeline.jobs import Jobs
from clipvip.pipeline.store import receipt, state

# Where to get each corpus (facts and public pages; access to some ended).
WHERE = {
    "msrvtt": "MSRVTT_data.json, the 1k-A csv files and MSRVTT_Videos/, as CLIP4Clip releases them",
    "didemo": "*_data.json and *_list.txt of LocalizingMoments, videos from its download script",
    "lsmdc": "LSMDC16_annos_*.csv and the clips, on request from the LSMDC organisers",
    "activitynet": "train.json and val_1.json of ActivityNet Captions, videos on request from ActivityNet",
    "hdvila": "metafiles/*.jsonl of HD-VILA-100M, its clips cut by XPretrain's scripts, subtitles.jsonl on request",
    "webvid": "results_2M_train.csv and videos/; withdrawn by its authors in February 2024",
    "cc12m": "cc12m.tsv of Conceptual 12M and the images behind its links",
    "folder": "your videos or images, and annotations.csv with columns path,text[,split,start,end,clip_id]",
    "webdataset": "your *.tar shards",
    "coco": "annotations/captions_*2017.json and train2017/, val2017/ of COCO",
}


def missing_folders(jobs: Jobs) -> list[str]:
    """Folders that corpora or models of the grid should be read from and that are not there, one line each."""
    found = {}
    for cell in jobs.grid.cells.values():
        own = cell.settings
        if (
            isinstance(own, CorpusSettings)
            and own.root is not None
            and "://" not in own.root
            and not Path(own.root).expanduser().is_dir()
        ):
            corpora = jobs.grid.experiment.corpora.items()
            name = next(key for key, value in corpora if value.of_gallery() == cell.settings)
            found[f"corpora.{name}.root"] = f"no folder {Path(own.root).absolute()} ({WHERE[own.format]})"
        source = getattr(cell.settings, "source", None)
        if source is not None and source.startswith((".", "/")) and not Path(source).exists():
            found[f"{cell.stage}.source"] = (
                f"no folder {Path(source).absolute()} (a transformers folder, or give a hub id)"
            )
        imported = getattr(own, "imported", None)
        if imported is not None and not Path(imported).expanduser().exists():
            found["captioner.imported"] = (
                f"{Path(imported).absolute()} not found (a jsonl of clip_id and caption, or an LMDB)"
            )
    for name, corpus in jobs.grid.experiment.corpora.items():
        if corpus.right_answers is not None and not Path(corpus.right_answers).expanduser().is_file():
            found[f"corpora.{name}.right_answers"] = f"no file {Path(corpus.right_answers).absolute()}"
    return [f"{key}: {value}" for key, value in found.items()]


def left_out(jobs: Jobs) -> str:
    """One line on what the experiment names and is not there; empty where nothing is left out."""
    grid, said = jobs.grid, dict[str, str]()
    for study in grid.studies.values():
        said |= study.left_out
        said |= {row.variant: row.not_run for row in study.rows if row.not_run}
    said = {**grid.absent, **said}
    if not said:
        return ""
    named = "; ".join(f"{name} ({why})" for name, why in said.items())
    on = grid.experiment.pretrain.validate_on if grid.experiment.pretrain else ""
    instead = (
        f"; post-pretraining is validated on {grid.validated_on(on)} in place of {on}" if on in grid.absent else ""
    )
    return f"experiment {grid.experiment.name}: left out, no data: {named}{instead}"


def summary(jobs: Jobs) -> str:
    """How many cells the studies ask for, how many are distinct, how many are made."""
    cells = jobs.grid.cells.values()
    fresh = sum(state(jobs.root, cell) == "fresh" for cell in cells)
    studies = jobs.grid.studies.values()
    named = [cell.name for study in studies for cell in study.cells()]
    counts = (
        f"experiment {jobs.grid.experiment.name}: {len(studies)} studies ask for {len(named)} cells, "
        f"{len(set(named))} distinct; with what they are made from {len(cells)}, of which {fresh} are made"
    )
    return "; ".join([counts, *(f"study {name}: {why}" for name, why in jobs.grid.left_out.items())])


def times(jobs: Jobs) -> str:
    """What each stage took, from the receipts of the grid's cells."""
    found: dict[str, list[float]] = {}
    for cell in jobs.grid.cells.values():
        made = receipt(jobs.root, cell.name)
        if made is not None:
            found.setdefault(cell.stage, []).append(made["seconds"])
    lines = [f"{stage:<12}{len(each):>5} cells{sum(each):>9.0f} s" for stage, each in found.items()]
    return "\n".join(["time per stage (excluding process start-up):", *lines])


def listing(jobs: Jobs, study: str | None = None) -> str:
    """study, variant, seed, role -> cell and its state, one line each. ValueError for an unknown study."""
    if study is not None and study not in jobs.grid.studies:
        raise ValueError(f"no study {study!r}; {nearest(study, jobs.grid.studies)}")
    lines = [summary(jobs)]
    for name, each in jobs.grid.studies.items():
        if study in (None, name):
            for row in each.rows:
                for role, cell in row.cells.items():
                    at = f"{name}  {row.variant}  seed {row.seed}  {role}"
                    lines.append(f"{at:<60} {cell.name:<24} {state(jobs.root, cell)}")
    return "\n".join(lines)
