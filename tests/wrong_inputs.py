"""Every command with every kind of wrong input, made from the parser's own tree.

One argument at a time is wrong, all others are right; what can be wrong follows from the kind of the argument.
"""

import argparse
import contextlib
import io
import shlex
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from own_videos import write_captions, write_videos
from results_tree import Tree, main, write_tables
from tiny_clip_parts import write_tiny_clip

from clipvip.__main__ import main as clipvip
from clipvip.commands import kinds, tree
from clipvip.runtime.legible import visible

ROOT = Path(__file__).parents[1]
STRANGE = ("no such", 'it\'s "one"', "two\nlines", "Ünï✓ 名", "a;b$(c)&&d", "x" * 300)
CONTENTS = {  # of a file that should hold settings or a plan
    "binary": b"\x00\xff\xfe\x80garbage\x01",
    "cut JSON": b'{"name": "x", ',
    "cut YAML": b"name: [1, 2",
    "list for a mapping": b"[1, 2, 3]\n",
    "number for a mapping": b"7\n",
    "mapping of other keys": b"{nmae: x, 3: [null]}\n",
    "nothing but a comment": b"# nothing\n",
}
BY_KIND: dict[Any, tuple[str, ...]] = {
    **dict.fromkeys((kinds.EXPERIMENT, kinds.EXPERIMENT_OR_VIDEOS, kinds.SPEC, kinds.PLAN), tuple(CONTENTS)),
    **dict.fromkeys((kinds.TRACKED, kinds.LISTED), tuple(CONTENTS)),
    **dict.fromkeys((kinds.CSV, kinds.NOTEBOOK), ("binary", "cut JSON", "list for a mapping")),
    kinds.CRATE: ("binary", "cut JSON"),
    kinds.CHECKPOINT: ("binary", "cut JSON"),
    kinds.VIDEO: ("binary", "cut JSON"),
    kinds.TEXTS: ("binary",),
}
NAMES = {("plan", "gpu"): "h1000", ("cells", "study"): "mian", ("decide", "study"): "mian", ("init", "name"): "a b/c"}
FREE = {"why", "text", "live_experiment"}  # any words will do


class Case(NamedTuple):
    """One command whose argument `dest` is wrong in one way."""

    command: str
    dest: str
    kind: str
    words: tuple[str, ...]
    given: str


class Answer(NamedTuple):
    """What a command said."""

    code: int
    error: str


def world(root: Path) -> None:
    """Right inputs below `root`: experiments, results with a study, videos, a model, texts."""
    shutil.copytree(ROOT / "experiments", root / "experiments")
    shutil.copy(ROOT / "analysis/main.ipynb", root / "main.ipynb")
    write_tables(main(Tree(root)))
    write_captions(root / "captions.csv", write_videos(root / "videos", 6))
    write_tiny_clip(root / "model")
    (root / "texts.txt").write_text("a red ring grows\n")
    torch.save({"logit_scale": torch.zeros(())}, root / "some.pt")
    (root / "empty_folder").mkdir()
    (root / "empty").write_bytes(b"")
    for name, content in CONTENTS.items():
        (root / name).write_bytes(content)


RIGHT: dict[Any, str] = {
    kinds.EXPERIMENT: "experiments/smoke.yaml",
    kinds.EXPERIMENT_OR_VIDEOS: "experiments/smoke.yaml",
    kinds.STUDY: "results/mini/studies/main",
    kinds.PLAN: "results/mini/studies/main/plan.json",
    kinds.TRACKED: "results/mini",
    kinds.SPEC: "texts.txt",
    kinds.RESULTS: "results",
    kinds.VIDEOS: "videos",
    kinds.VIDEO: "videos/first/00.mp4",
    kinds.CSV: "captions.csv",
    kinds.TEXTS: "texts.txt",
    kinds.CRATE: "texts.txt",
    kinds.NOTEBOOK: "main.ipynb",
    kinds.URL: "memory://results",
    kinds.CHECKPOINT: "some.pt",
    kinds.NEW_FILE: "new/file",
    kinds.NEW_FOLDER: "new/folder",
    kinds.MODEL: "model",
    kinds.STORE: "sqlite:///results/new.db",
}
OTHERS = {"why": "tidied", "study": "main", "shard": "0", "of": "2", "shell": "bash", "do_what": "create"}
OTHERS |= {"command": "true"}
BESIDE = {  # flags that another argument needs to be read at all
    ("check", "workers"): ("--decode",),
    ("check", "report"): ("--decode",),
    ("convert", "source"): ("--clip", "model", "--out", "new/folder"),
    ("convert", "clip"): ("--out", "new/folder"),
    ("convert", "out"): ("--clip", "model"),
    ("embed", "model"): ("--texts", "texts.txt"),
    ("init", "captions"): ("--clip", "model"),
    ("init", "clip"): ("--captions", "captions.csv"),
    ("init", "name"): ("--clip", "model", "--captions", "captions.csv"),
    ("init", "out"): ("--clip", "model", "--captions", "captions.csv"),
}


def commands() -> dict[str, Any]:
    """Each command's parser, with all its flags."""
    return tree.each(tree.parser())


def cases() -> Iterator[Case]:
    """All of them, in the order of the help."""
    for name, one in commands().items():
        first, *others = _words(name, one, None, "")
        yield Case(name, "", "unknown flag", (first, "--frobnicate", *others), "--frobnicate")
        for action in one._actions:
            for kind, given in _wrong(name, action):
                yield Case(name, action.dest, kind, tuple(_words(name, one, action, given)), given)
            if (
                action.required
                and name not in ("search", "launch", "push", "pull")
                and action.choices is None
                and action.nargs != "*"
            ):
                said = action.option_strings[0] if action.option_strings else "required"  # or the last positional
                yield Case(name, action.dest, "left out", tuple(_words(name, one, action, None)), said)
    yield Case("", "", "unknown command", ("serch",), "serch")
    yield Case("", "", "no command", (), "COMMAND")


def _words(command: str, one: Any, wrong: argparse.Action | None, given: str | None) -> Iterator[str]:
    """The command with right words for whatever it needs; `wrong` is given, or left out."""
    flags, others = [], []
    for action in one._actions:
        if action is wrong:
            value = given
        elif action.required or (not action.option_strings and action.nargs == "*"):
            value = RIGHT.get(action.type, OTHERS.get(action.dest, "1"))
            value = "results/mini" if command == "results-page" and action.dest == "experiment" else value
        elif command == "search" and action.dest == "text" and (wrong is None or wrong.dest != "video"):
            value = "a red ring"
        else:
            continue
        if value is not None:
            flags += [f"{action.option_strings[-1]}={value}"] if action.option_strings else []
            others += [] if action.option_strings else [value]
    yield from (command, *flags, *others) if command == "launch" else (command, *others, *flags)
    yield from BESIDE.get((command, wrong.dest if wrong else ""), ())


def _wrong(command: str, action: argparse.Action) -> Iterator[tuple[str, str]]:
    kind = action.type
    if action.choices is not None:
        yield from (("unknown name", f"{each}x") for each in list(action.choices)[:1])
    elif isinstance(kind, kinds.Place):
        yield from _places(kind)
    elif isinstance(kind, kinds.Model):
        named = ("./missing", "empty_folder", "texts.txt", "two\nlines", "")
        yield from zip(
            ("missing", "empty folder", "file for a folder", "strange name", "empty word"), named, strict=True
        )
    elif isinstance(kind, kinds.Store):
        named = ("nonsense", "ftp://x/y", "sqlite:////nowhere.db", "sqlite:///missing/x.db", "sqlite:///results")
        about = ("no URI", "unknown scheme", "database at the root", "missing folder", "folder for a file")
        yield from zip(about, named, strict=True)
    elif isinstance(kind, kinds.Url):
        yield from (("no URI", "nonsense"), ("unknown scheme", "nowhere://x"), ("missing folder", "s3://"))
    elif isinstance(kind, kinds.Device):
        yield from (("unknown device", "cdua"), ("no such number", "cuda:99"), ("no number", "cpu:x"))
    elif (command, action.dest) in NAMES:
        yield "unknown name", NAMES[command, action.dest]
    elif kind is not None:
        low = "-1" if action.dest != "micro_batch" else "0"
        numbers = (low, "nan", "inf", "1e400", "9" * 30, "three", "", "0x10", "１2")
        about = ("too small", "NaN", "infinite", "huge", "huge whole", "no number", "empty word", "hex", "other digits")
        yield from zip(about, numbers, strict=True)
        if isinstance(action.default, float):
            yield "far too large", "1e300"


def _places(kind: kinds.Place) -> Iterator[tuple[str, str]]:
    yield "empty word", ""
    if kind._new:
        yield "below a file", "texts.txt/below"
        yield ("folder for a file", "videos") if kind._file else ("file for a folder", "texts.txt")
        yield "long name", STRANGE[-1]
        return
    yield "missing", "texst.txt" if kind._file else "vidoes"
    yield from (("strange name", name) for name in STRANGE)
    if kind._file:
        yield "empty file", "empty"
    if kind._folder:
        yield "empty folder", "empty_folder"
    yield from [("folder for a file", "videos")] if not kind._folder else []
    yield from [("file for a folder", "texts.txt")] if not kind._file else []
    yield from ((name, name) for name in BY_KIND.get(kind, ()))


def run(words: tuple[str, ...]) -> Answer:
    """In this process, in the current folder."""
    error = io.StringIO()
    with contextlib.redirect_stderr(error), contextlib.redirect_stdout(io.StringIO()):
        try:
            signal.signal(signal.SIGALRM, signal.default_int_handler)  # a command that waits, or serves
            signal.alarm(60)
            code = clipvip(list(words))
        except SystemExit as end:
            code = int(end.code or 0)
        except BaseException as other:
            code = -1
            print(f"Traceback: {type(other).__name__}: {other}", file=error)
        finally:
            signal.alarm(0)
    return Answer(code, error.getvalue())


def faults(case: Case, answer: Answer) -> str:
    """What is wrong with an answer; empty where it is as it should be."""
    lines = answer.error.strip().splitlines()
    said = []
    if answer.code != 2:
        said.append(f"exit code {answer.code}")
    if not 1 <= len(lines) <= 4 or "Traceback" in answer.error:
        said.append(f"{len(lines)} lines")
    names = {case.given, visible(case.given), visible(case.given).replace("\n", "\\n"), repr(case.given)[1:-1]}
    if not any(name[:100] in answer.error.replace("\n", "\\n") for name in names):
        said.append("does not name what was given")
    return f"{shlex.join(case.words)}: {', '.join(said)}: {answer.error[-600:]}" if said else ""


def all_answers(root: Path) -> list[tuple[Case, Answer]]:
    """All cases run in a world below `root`."""
    world(root)
    with contextlib.chdir(root):
        return [(case, run(case.words)) for case in cases()]
