"""What words of a command line must be: numbers are checked as they are read, files and devices after.

Parsing alone looks at no disk, so that an example of a help text can be parsed anywhere.
"""

import argparse
import difflib
import math
import os
from collections.abc import Callable
from pathlib import Path

from clipvip.runtime.stores import url

MANY = 1_000_000  # more of anything that is counted is a slip
STORES = ("sqlite", "http", "https", "postgresql", "mysql", "mssql", "databricks", "file")
Number = Callable[[str], int]
Fraction = Callable[[str], float]


def whole(low: int = 1, high: int = MANY) -> Number:
    """A whole number from `low` to `high`."""

    def number(word: str) -> int:
        text = word.strip().removeprefix("-")
        if not (text.isascii() and text.isdigit()):
            raise argparse.ArgumentTypeError(f"{word!r} is no whole number")
        if len(text) > 18 or not low <= int(word) <= high:
            raise argparse.ArgumentTypeError(f"{word} is not from {low:,} to {high:,}")
        return int(word)

    return number


def real(low: float = 0.0, high: float = math.inf, *, above: bool = False, of: str = "number") -> Fraction:
    """A finite number from `low` (above it, if so asked) to `high`."""

    def number(word: str) -> float:
        try:
            found = float(word) if word.isascii() else float("")
        except ValueError:
            raise argparse.ArgumentTypeError(f"{word!r} is no {of}") from None
        if not math.isfinite(found) or not low <= found <= high or (above and found == low):
            bounds = f"{'above' if above else 'at least'} {low:g}" + (
                f" and at most {high:g}" if high < math.inf else ""
            )
            raise argparse.ArgumentTypeError(f"{word} is no {of} {bounds}")
        return found

    return number


SHARE = real(0.0, 1.0, of="share")
SECONDS = real(above=True, high=1e9, of="number of seconds")


class Place:
    """Something on disk: `Place("a plan", folder=True)`; what does not fit is said with the nearest name there is."""

    def __init__(self, what: str, *, file: bool = True, folder: bool = False, new: bool = False) -> None:
        self._what, self._file, self._folder, self._new = what, file, folder, new

    def __call__(self, word: str) -> Path:
        """The path, unseen."""
        if not word or "\0" in word:
            raise argparse.ArgumentTypeError(f"{word!r} names no file")
        return Path(word)

    def check(self, path: Path) -> None:
        """ValueError where it is not what it must be."""
        try:
            self._check(path)
        except OSError as error:  # a name that is too long, a folder that may not be entered
            raise ValueError(f"{path}: {error.strerror}; give {self._what}") from None

    def _check(self, path: Path) -> None:
        there = path.exists()
        if self._new and not there:
            above = next(each for each in path.absolute().parents if each.exists())
            if not above.is_dir():
                raise ValueError(f"{path}: {above} is a file, nothing can be written below it; give {self._what}")
        elif not there:
            raise ValueError(f"{path}: no such {self._kind()}{_near(path)}; give {self._what}")
        elif path.is_dir() and not self._folder:
            raise ValueError(f"{path}: is a folder; give {self._what}")
        elif not path.is_dir() and not self._file:
            raise ValueError(f"{path}: is a file, not a folder; give {self._what}")
        elif path.is_file() and self._file and not self._new and path.stat().st_size == 0:
            raise ValueError(f"{path}: is empty; give {self._what}")

    def _kind(self) -> str:
        return "file or folder" if self._file and self._folder else "folder" if self._folder else "file"


def _near(path: Path) -> str:
    """The nearest name in its folder, if there is one."""
    beside = os.listdir(path.parent) if path.parent.is_dir() else []
    found = difflib.get_close_matches(path.name, beside, n=1, cutoff=0.6)
    return f"; did you mean {path.with_name(found[0])}?" if found else ""


class Model:
    """A model folder or the hub id of one."""

    def __call__(self, word: str) -> str:
        """The word, unseen."""
        if not word.strip() or "\0" in word:
            raise argparse.ArgumentTypeError(f"{word!r} names no model")
        return word

    def check(self, word: str) -> None:
        """ValueError for a file, or for a path to nothing."""
        path = Path(word)
        if path.is_file():
            raise ValueError(f"{word}: is a file; give a model folder or the hub id of a CLIP")
        is_id = word.count("/") <= 1 and not word.startswith((".", "/", "~")) and "\\" not in word
        known = all(each.isascii() and (each.isalnum() or each in "-_./") for each in word)
        if not path.is_dir() and not (is_id and known):
            raise ValueError(f"{word}: no such model folder{_near(path)}; give one, or the hub id of a CLIP")


class Store:
    """An MLflow tracking URI."""

    def __call__(self, word: str) -> str:
        """The word, unseen."""
        scheme, found, _ = word.partition("://")
        if not found or scheme.split("+")[0] not in STORES:
            example = "sqlite:///results/mlflow.db or http://127.0.0.1:5000"
            raise argparse.ArgumentTypeError(f"{word!r} is no MLflow tracking URI, such as {example}")
        return word

    def check(self, word: str) -> None:
        """ValueError where a database file could not lie there."""
        if not word.startswith("sqlite:"):
            return
        path = Path(word.partition(":///")[2])
        if path.name == "" or path.is_dir():
            raise ValueError(f"{word}: names a folder; give a file, such as sqlite:///results/mlflow.db")
        if not path.parent.is_dir() or path.absolute().parent == Path("/"):
            few = "three slashes begin a relative path, four an absolute one"
            raise ValueError(f"{word}: the database would be {path.absolute()}, and its folder is not there; {few}")


class Url:
    """A place that fsspec opens, by its URL."""

    def __call__(self, word: str) -> str:
        """The word, unseen."""
        try:
            return url(word)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None


class Device:
    """A torch device."""

    def __call__(self, word: str) -> str:
        """The word; torch is not asked yet."""
        kind = word.split(":")[0]
        if kind not in ("cpu", "cuda", "mps"):
            near = difflib.get_close_matches(kind, ("cpu", "cuda", "mps"), n=1, cutoff=0.3)
            said = f"did you mean {near[0]}?" if near else "give cpu, cuda or cuda:0"
            raise argparse.ArgumentTypeError(f"{word!r} is no device; {said}")
        number = word.partition(":")[2] if ":" in word else "0"
        if not (number.isascii() and number.isdigit() and len(number) < 4):
            raise argparse.ArgumentTypeError(f"{word!r} is no device; its number follows the colon, as in cuda:0")
        return word

    def check(self, word: str) -> None:
        """ValueError where this machine has no such device."""
        if word.split(":")[0] == "cpu":
            return
        import torch

        if word.startswith("mps"):
            number = int(torch.backends.mps.is_available())
        else:
            number = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if int(word.partition(":")[2] or 0) >= number:
            raise ValueError(f"--device {word}: torch finds {number} such devices here; give --device cpu")


EXPERIMENT = Place("an experiment file, such as experiments/mini.yaml")
EXPERIMENT_OR_VIDEOS = Place("an experiment file or a folder of videos", folder=True)
STUDY = Place("a study folder, such as results/mini/studies/main", file=False, folder=True)
PLAN = Place("a plan, such as results/mini/studies/main/plan.json")
TRACKED = Place("results/<experiment>, or a plan.json below it", folder=True)
SPEC = Place("a spec, such as results/specs/evaluate-<key>.json")
LISTED = Place("the list of a workflow, such as results/mini/jobs.json")
RESULTS = Place("a folder of results, such as results", file=False, folder=True)
VIDEOS = Place("a folder of videos", file=False, folder=True)
VIDEO = Place("a video")
NOTEBOOK = Place("a notebook, such as analysis/main.ipynb")
CSV = Place("a csv with columns path and text")
TEXTS = Place("a UTF-8 text file")
CRATE = Place("a file that `clipvip export` wrote")
CHECKPOINT = Place("a checkpoint file or a model folder", folder=True)
NEW_FILE = Place("a file to write", new=True)
NEW_FOLDER = Place("a folder to write", file=False, folder=True, new=True)
MODEL, STORE, DEVICE, URL = Model(), Store(), Device(), Url()
PROCESSES = whole(1, 4096)
FRAMES = whole(1, 4096)
