"""Videos and texts of anybody's -> embeddings on disk, each with an index that says whose row is whose.

`videos.safetensors` and `texts.safetensors` hold one tensor, `embeddings` [rows, dim], fp32, rows of length one.
`videos.csv` (row, path, frames) and `texts.csv` (row, text) name the rows, `unreadable.csv` (path, reason) the files
that gave none.
"""

import csv
import functools
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from safetensors.torch import save_file
from torch import Tensor
from tqdm import tqdm

from clipvip.data.ahead import read_ahead
from clipvip.data.media.file_header import VideoError
from clipvip.data.media.sampled_frames import read_and_count
from clipvip.data.media.video import Frames, resize
from clipvip.data.unreadable import UNREADABLE
from clipvip.evaluation.embedding import embed_texts
from clipvip.evaluation.encoder import load
from clipvip.model.clip_vip import ClipVip
from clipvip.runtime.files import written

Resize = Literal["squash", "crop"]
Resized = tuple[Frames, int]  # and how many frames the file has
TEXTS_PER_VIDEO = 8  # a text costs far less than a video, so more of them share a batch


def encode(
    model: str,
    out: Path,
    *,
    videos: Path | None = None,
    texts: Path | None = None,
    num_frames: int | None = None,
    batch_size: int = 16,
    resize: Resize = "squash",
    device: str = "cpu",
    workers: int = 0,
) -> int:
    """Embed the files below `videos` and the lines of `texts` into `out`; how many files could not be read.

    `model` is a folder of ours, or any CLIP (folder or hub id), whose frames are then averaged. `num_frames` is the
    model's own where not given; `workers` processes decode ahead. Raises ValueError for a missing input, and where not
    one video could be read.
    """
    if videos is None and texts is None:
        raise ValueError("nothing to embed; give --videos, --texts or both")
    paths = [] if videos is None else _files(videos)
    lines = [] if texts is None else _lines(texts)
    loaded = load(model, device=device)
    out.mkdir(parents=True, exist_ok=True)
    unreadable = 0
    if texts is not None:
        rows = _encode_texts(loaded.model, loaded.tokenizer, lines, batch_size * TEXTS_PER_VIDEO)
        _write(out, "texts", rows, model)
        _write_index(out / "texts.csv", ("row", "text"), enumerate(lines))
    if videos is not None:
        frames = num_frames or loaded.model.settings.num_frames
        read = functools.partial(_resized, frames, loaded.model.config.vision_config.image_size, resize)
        unreadable = _encode_videos(
            loaded.model, videos, paths, out, batch_size, read_ahead(read, paths, workers), model
        )
    return unreadable


@torch.inference_mode()
def _encode_videos(
    model: ClipVip,
    root: Path,
    paths: list[Path],
    out: Path,
    batch_size: int,
    coming: Iterator[Resized | VideoError],
    name: str,
) -> int:
    index: list[tuple[int, str, int]] = []
    unreadable: list[tuple[str, str]] = []
    found: list[Tensor] = []
    waiting: list[Frames] = []

    def flush() -> None:
        if waiting:
            pixels = torch.from_numpy(np.stack(waiting)).to(model.logit_scale.device)
            found.append(model.encode_video(pixels).float().cpu())
            waiting.clear()

    for path in tqdm(paths, desc="videos", unit="video", disable=None):
        shown = path.relative_to(root).as_posix()
        found_in = next(coming)
        if isinstance(found_in, VideoError):
            unreadable.append((shown, found_in.reason))
            continue
        index.append((len(index), shown, found_in[1]))
        waiting.append(found_in[0])
        if len(waiting) == batch_size:
            flush()
    flush()
    _write_index(out / UNREADABLE, ("path", "reason"), unreadable)
    if not found:
        raise ValueError(f"{root}: not one video could be read; {out / UNREADABLE} says why")
    _write(out, "videos", torch.cat(found), name)
    _write_index(out / "videos.csv", ("row", "path", "frames"), index)
    return len(unreadable)


def _resized(num_frames: int, side: int, how: Resize, path: Path) -> Resized:
    frames, total = read_and_count(path, num_frames)
    return resize(frames, side, how), total


def _encode_texts(model: ClipVip, tokenizer: Any, lines: list[str], batch_size: int) -> Float[Tensor, "texts dim"]:
    limit = model.config.text_config.max_position_embeddings
    found, cut = [], 0
    stretch = batch_size * 16  # sorted by length within
    with tqdm(total=len(lines), desc="texts", unit="text", disable=None) as bar:
        for start in range(0, len(lines), stretch):
            some = lines[start : start + stretch]
            cut += sum(len(ids) > limit for ids in tokenizer(some, verbose=False)["input_ids"])
            found.append(embed_texts(model, tokenizer, some, limit, batch_size=batch_size))
            bar.update(len(some))
    if cut:
        print(f"texts: {cut} of {len(lines)} are longer than {limit} tokens and were cut there", file=sys.stderr)
    return torch.cat(found)


def _files(folder: Path) -> list[Path]:
    """Every file below the folder in a fixed order; hidden ones (and those in hidden folders) are no videos."""
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder of videos")
    paths = [path for path in folder.rglob("*") if path.is_file()]
    shown = [path for path in paths if not any(part.startswith(".") for part in path.relative_to(folder).parts)]
    if not shown:
        raise ValueError(f"{folder}: holds no files")
    return sorted(shown)


def _lines(path: Path) -> list[str]:
    """The texts of a file; line i becomes row i, an empty one too."""
    try:
        lines = path.read_text(encoding="utf-8-sig").removesuffix("\n").split("\n")
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not UTF-8 at byte {error.start}") from None
    if not any(lines):
        raise ValueError(f"{path}: holds no texts")
    return lines


def _write(out: Path, name: str, rows: Float[Tensor, "rows dim"], model: str) -> None:
    with written(out / f"{name}.safetensors") as beside:
        save_file({"embeddings": rows.contiguous()}, beside, metadata={"model": model})


def _write_index(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with written(path) as beside, open(beside, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows)
