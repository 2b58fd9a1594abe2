"""Commands on models: `convert`, `embed`."""

import argparse
import sys
from typing import Any

from clipvip.commands.data import SOME_UNREADABLE
from clipvip.commands.kinds import CHECKPOINT, DEVICE, FRAMES, MODEL, NEW_FILE, NEW_FOLDER, TEXTS, VIDEOS, whole
from clipvip.commands.parsing import command


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
    from clipvip.data.unreadable import UNREADABLE
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
    one = command(
        commands,
        "convert",
        _convert,
        "a checkpoint of the authors or of open_clip to a model folder, or back",
        [
            "clipvip convert pretrain_clipvip_base_32.pt --clip openai/clip-vit-base-patch32 --out released",
            "clipvip convert results/cells/finetune/0123456789ab/model --to-official model.pt",
        ],
    )
    one.add_argument("source", type=CHECKPOINT, help="a checkpoint file, or a model folder with --to-official")
    one.add_argument(
        "--clip", type=MODEL, help="CLIP folder or hub id of the same shape, for its configuration and tokenizer"
    )
    one.add_argument("--out", type=NEW_FOLDER, help="the model folder to write")
    one.add_argument(
        "--to-official", type=NEW_FILE, metavar="OUT.pt", help="write a model folder in the official layout"
    )

    one = command(
        commands,
        "embed",
        _embed,
        "embed a folder of videos, a file of texts, or both",
        [
            "clipvip embed openai/clip-vit-base-patch32 --videos videos --texts texts.txt --out embedded",
            "clipvip embed model --texts texts.txt --out embedded --device cuda",
        ],
    )
    one.add_argument("model", type=MODEL, help="model folder, or hub id of a CLIP (then frames are averaged)")
    one.add_argument(
        "--videos", type=VIDEOS, help="folder; every file below it, except hidden ones, is read as a video"
    )
    one.add_argument("--texts", type=TEXTS, help="UTF-8 file, one text per line")
    one.add_argument("--out", type=NEW_FOLDER, required=True, help="folder for the embeddings and their index")
    one.add_argument("--num-frames", type=FRAMES, help="frames per video (default: the model's own number)")
    one.add_argument(
        "--batch-size",
        type=whole(1, 4096),
        default=16,
        help="videos at a time, and 8 times as many texts (default: 16)",
    )
    one.add_argument(
        "--resize", choices=["squash", "crop"], default="squash", help="how frames become square (default: squash)"
    )
    one.add_argument("--device", type=DEVICE, default="cpu", help="torch device (default: cpu)")
    one.add_argument("--workers", type=whole(0, 4096), default=0, help="processes that decode ahead (default: 0)")
