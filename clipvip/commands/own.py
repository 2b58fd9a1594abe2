"""Commands on a user's own videos: `init`, `search`, `serve`."""

import argparse
import contextlib
import sys
from pathlib import Path
from typing import Any

from clipvip.commands.data import SOME_UNREADABLE
from clipvip.commands.kinds import CSV, DEVICE, FRAMES, MODEL, NEW_FILE, NEW_FOLDER, SECONDS, VIDEO, VIDEOS, whole
from clipvip.commands.parsing import command


def _init(arguments: argparse.Namespace) -> None:
    from clipvip.pipeline.own_experiment import init

    found = init(
        arguments.folder,
        captions=arguments.captions,
        clip=arguments.clip,
        name=arguments.name,
        out=arguments.out,
        together=arguments.together,
        seed=arguments.seed,
        force=arguments.force,
    )
    print("\n".join(found.said))
    print(f"\nwrote {found.experiment} and {found.studies}; next:")
    print(f"  snakemake --cores all --configfile {found.experiment} -- ablate_all")


def _opened(arguments: argparse.Namespace) -> tuple[Any, Any]:
    """The model and the index of the folder; what was done and what could not be read goes to stderr."""
    from clipvip.corpora.own.look import few
    from clipvip.evaluation.encoder import load
    from clipvip.evaluation.search.index import open_index
    from clipvip.evaluation.search.stretches import Looks

    encoder = load(arguments.model, device=arguments.device)
    frames = arguments.num_frames or encoder.model.settings.num_frames
    looks = Looks(num_frames=frames, seconds=arguments.seconds, resize=arguments.resize)
    index = open_index(encoder, arguments.folder, looks=looks, cache=arguments.cache)
    for line in index.told:
        print(line, file=sys.stderr)
    if index.unreadable:
        named = few([f"{path} ({reason})" for path, reason in index.unreadable])
        print(f"{len(index.unreadable)} files could not be read and are left out: {named}", file=sys.stderr)
    return encoder, index


def _search(arguments: argparse.Namespace) -> int:
    if (arguments.text is None) == (arguments.video is None):
        raise ValueError("give either a text or --video")
    from clipvip.corpora.own.look import printable
    from clipvip.evaluation.search.index import of_text, of_video, same_file
    from clipvip.results.search import page

    encoder, index = _opened(arguments)
    if arguments.video is None:
        wanted, queries = arguments.text, of_text(encoder, arguments.text)
    else:
        wanted = f"Videos like {printable(arguments.video.name)}"
        queries = of_video(encoder, arguments.video, index.looks)
    leave_out = same_file(index, arguments.video) if arguments.video else []
    hits = index.rank(queries, arguments.top, leave_out=leave_out)
    print("  ".join(("     ", "score", "best at", "file")))
    for place, hit in enumerate(hits, start=1):
        print(f"{place:>5}  {hit.score:5.3f}  {page.clock(hit.moment.seconds):>7}  {printable(hit.path)}")
    if arguments.html is not None:
        page.write(index, wanted, hits, arguments.html)
    return SOME_UNREADABLE if index.unreadable else 0


def _serve(arguments: argparse.Namespace) -> None:
    from clipvip.results.search import server

    own = server.listen(arguments.port)
    with own:
        encoder, index = _opened(arguments)
        search = server.Search(encoder, index)
        print(f"{index.videos:,} videos, {index.contents.nbytes / 1e6:,.1f} MB of embeddings")
        print(f"http://{server.HOST}:{own.getsockname()[1]}/ (Ctrl-C ends it)", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            server.server(search).run(sockets=[own])


def add(commands: Any) -> None:
    """The commands with their flags."""
    _add_init(commands)
    one = command(
        commands,
        "search",
        _search,
        "find the videos of a folder that fit a text, or are like a video",
        [
            'clipvip search openai/clip-vit-base-patch32 videos "a dog jumps into water"',
            'clipvip search results/cells/finetune/0123456789ab/model videos "a dog" --top 5 --html dog.html',
            "clipvip search model videos --video query.mp4",
        ],
        more="Videos are embedded once and kept in the hidden folder .clipvip in the folder (or in the user's cache "
        "where that cannot be written); later only new and changed files are. Exit code 3: some files could not be "
        "read.",
    )
    _add_index(one)
    one.add_argument("text", nargs="?", help="what to look for")
    one.add_argument("--video", type=VIDEO, help="look for videos like this one")
    one.add_argument("--top", type=whole(), default=10, help="how many videos (default: 10)")
    one.add_argument("--html", type=NEW_FILE, metavar="PAGE", help="also write a page of film strips")

    one = command(
        commands,
        "serve",
        _serve,
        "the same in a browser on this machine",
        ["clipvip serve model videos --port 8000"],
        more="Search in a browser; answers this machine alone.",
    )
    _add_index(one)
    one.add_argument("--port", type=whole(0, 65535), default=8000, help="port on 127.0.0.1; 0: any (default: 8000)")


def _add_init(commands: Any) -> None:
    one = command(
        commands,
        "init",
        _init,
        "write an experiment and its studies for a folder of videos",
        [
            "clipvip init videos --captions captions.csv",
            "clipvip init videos --captions captions.csv --clip models/clip-vit-base-patch32 --name holidays",
            "snakemake --cores all --configfile experiments/videos.yaml -- ablate_all",
        ],
        more="The table has a row a text, with columns path and text, and if wanted start, end (seconds), clip_id, "
        "split and source. Without a column split, 20 % of the videos are test and 15 % val, by a hash of the path.",
    )
    one.add_argument("folder", type=VIDEOS, help="folder of videos")
    one.add_argument(
        "--captions",
        type=CSV,
        help="csv with columns path and text (default: captions.csv or annotations.csv in the folder, else a .txt "
        "beside each video)",
    )
    one.add_argument(
        "--clip",
        type=MODEL,
        default="openai/clip-vit-base-patch32",
        help="CLIP to start from: folder or hub id (default: B/32)",
    )
    one.add_argument("--name", help="name of the experiment (default: the folder's)")
    one.add_argument(
        "--out", type=NEW_FOLDER, default=Path("experiments"), help="where the files go (default: experiments)"
    )
    one.add_argument(
        "--together",
        choices=["file", "folder", "source"],
        help="what splits never part: clips of a file, files of a folder, or rows with the same column source "
        "(default: source where there is that column, else file)",
    )
    one.add_argument("--seed", type=whole(0, 2**32 - 1), default=0, help="seed of the splits (default: 0)")
    one.add_argument("--force", action="store_true", help="write files anew that are there already")


def _add_index(one: argparse.ArgumentParser) -> None:
    """What an index is made of."""
    one.add_argument("model", type=MODEL, help="model folder, or hub id of a CLIP (then frames are averaged)")
    one.add_argument("folder", type=VIDEOS, help="folder of videos")
    one.add_argument("--num-frames", type=FRAMES, help="frames of a stretch (default: the model's own number)")
    one.add_argument(
        "--seconds", type=SECONDS, default=30.0, help="longer videos are cut in stretches of this length (default: 30)"
    )
    one.add_argument(
        "--resize", choices=["squash", "crop"], default="squash", help="how frames become square (default: squash)"
    )
    one.add_argument("--cache", type=NEW_FOLDER, help="where embeddings are kept (default: .clipvip in the folder)")
    one.add_argument("--device", type=DEVICE, default="cpu", help="torch device (default: cpu)")
