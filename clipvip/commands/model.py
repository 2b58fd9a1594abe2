"""Commands on models: `convert`, `embed`."""

import argparse
import sys
from pathlib import Path
from typing import Any

from clipvip.commands.data import SOME_UNREADABLE, positive
from clipvip.data.unreadable import UNREADABLE


def _convert(arguments: argparse.Namespace) -> None:
    from clipvip.model import official_checkpoint, open_clip_checkpoint

    if arguments.to_official is not None:
        if arguments.clip is not None or arguments.out is not None:
            raise ValueError("--to-official goes with a folder alone; leave out --clip and --out")
        official_checkpoint.to_official(arguments.source, arguments.to_official)
    elif arguments.clip is None or arguments.out is None:
        raise ValueError("a checkpoint file needs --clip and --out; a folder of ours --to-official")
    elif open_clip_checkpoint.is_open_clip(arguments.source):
        open_clip_checkpoint.from_open_clip(arguments.source, arguments.clip, arguments.out)
    else:
        official_checkpoint.from_official(arguments.source, arguments.clip, arguments.out)


def _embed(arguments: argparse.Namespace) -> int:
    from clipvip.evaluation.embed_files import encode

    unreadable = encode(
        arguments.model,
        arguments.out,
        videos=arguments.videos,
        texts=arguments.texts,
        num_frames=arguments.num_frames,
        batch_size=arguments.batch_size,
        resize=arguments.resize,
        device=arguments.device,
        workers=arguments.workers,
    )
    if unreadable:
        print(f"clipvip: {unreadable} files could not be read; see {arguments.out / UNREADABLE}", file=sys.stderr)
    return SOME_UNREADABLE if unreadable else 0


def add(commands: Any) -> None:
    """The commands with their flags."""
    one = commands.add_parser("convert", help="a checkpoint of the authors or of open_clip to a model folder, or back")
    one.add_argument("source", type=Path, help="a checkpoint file, or a model folder with --to-official")
    one.add_argument("--clip", help="CLIP folder or hub id of the same shape, for its configuration and tokenizer")
    one.add_argument("--out", type=Path, help="the model folder to write")
    one.add_argument("--to-official", type=Path, metavar="OUT.pt", help="write a model folder in the official layout")
    one.set_defaults(do=_convert)

    one = commands.add_parser("embed", help="embed a folder of videos, a file of texts, or both")
    one.add_argument("model", help="model folder, or hub id of a CLIP (then frames are averaged)")
    one.add_argument("--videos", type=Path, help="folder; every file below it, except hidden ones, is read as a video")
    one.add_argument("--texts", type=Path, help="UTF-8 file, one text per line")
    one.add_argument("--out", type=Path, required=True, help="folder for the embeddings and their index")
    one.add_argument("--num-frames", type=positive, help="frames per video (default: the model's own number)")
    one.add_argument(
        "--batch-size", type=positive, default=16, help="videos at a time, and 8 times as many texts (default: 16)"
    )
    one.add_argument(
        "--resize", choices=["squash", "crop"], default="squash", help="how frames become square (default: squash)"
    )
    one.add_argument("--device", default="cpu", help="torch device (default: cpu)")
    one.add_argument("--workers", type=int, default=0, help="processes that decode ahead (default: 0)")
    one.set_defaults(do=_embed)
