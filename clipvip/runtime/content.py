"""What a file, a folder or a hub id of weights holds, as one digest, and where it lies on this machine."""

import hashlib
from functools import cache
from pathlib import Path

KEPT = ("*.json", "*.safetensors", "*.txt", "*.model")  # of a folder: configuration, weights, tokenizer


def content_of(source: str) -> str:
    """sha256 of a file, or of a folder's files; `revision <commit>` for a hub id. ValueError where there is none."""
    path = Path(source).expanduser()
    if path.is_file():
        return _digest(str(path.resolve()), _stamp(path))
    if path.is_dir():
        files = [each for each in sorted({p for kind in KEPT for p in path.glob(kind)}) if each.is_file()]
        if not files:
            raise ValueError(f"{source}: a folder without weights; known files: {', '.join(KEPT)}")
        parts = [f"{each.name} {_digest(str(each.resolve()), _stamp(each))}" for each in files]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()
    if not _is_hub_id(source):
        raise ValueError(f"{source}: no such file or folder")
    return f"revision {_revision(source)}"


def refuse_absent(source: str) -> None:
    """ValueError, in one line, for a model that is not there: no folder, and no id of the hub that is here or reached.

    Asked once: what loads a model would try for half a minute.
    """
    path = Path(source).expanduser()
    if path.is_dir():
        return
    if path.exists():
        raise ValueError(f"{source}: a file, where a model folder is read; `clipvip convert` makes one of a checkpoint")
    if not _is_hub_id(source):
        raise ValueError(f"{source}: no such folder")
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.constants import CONFIG_NAME
    from huggingface_hub.errors import HFValidationError

    try:
        if isinstance(try_to_load_from_cache(source, CONFIG_NAME), str):
            return
    except HFValidationError as error:
        raise ValueError(f"{source}: no such folder, and no hub id: {str(error).splitlines()[0]}") from None
    _revision(source)


def local_path(source: str, content: str) -> Path:
    """The file or folder itself; of a hub id a copy of that revision, fetched if it is not here yet."""
    path = Path(source).expanduser()
    if path.exists():
        return path
    from huggingface_hub import snapshot_download

    revision = content.removeprefix("revision ")
    return Path(snapshot_download(source, revision=revision, allow_patterns=list(KEPT)))


def _is_hub_id(source: str) -> bool:
    """`name` or `owner/name`, without what only a path has."""
    files = (".pt", ".bin", ".safetensors")
    return (
        bool(source)
        and not source.startswith((".", "/", "~"))
        and source.count("/") <= 1
        and not source.endswith(files)
    )


def _stamp(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns


@cache
def _digest(path: str, stamp: tuple[int, int]) -> str:
    """sha256 of a file, computed once a process as long as its size and time stay."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@cache
def _revision(source: str) -> str:
    """The commit that a hub id stands for now; offline, the one that is here."""
    from huggingface_hub import HfApi, constants, snapshot_download

    try:
        if constants.HF_HUB_OFFLINE:
            return Path(snapshot_download(source, local_files_only=True, allow_patterns=list(KEPT))).name
        return str(HfApi().model_info(source).sha)
    except Exception as error:  # its own, and those of the HTTP library below it, which are no OSError
        said = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ValueError(f"{source}: no such file or folder, and no model of the hub that is reached: {said}") from None
