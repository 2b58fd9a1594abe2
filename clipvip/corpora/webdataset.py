"""WebDataset tar shards: the members of a sample share a key and follow each other; one is the clip, one says its text.

Each shard is read once, header by header, to write down where every clip lies. The text is the member `.txt`, or the
value of "caption" or "text" in the member `.json`, which may name the "clip_id" too: a key holds no dot, many ids do.
"""

import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, NotRequired

import fsspec
import pandas as pd
from tqdm import tqdm
from typing_extensions import TypedDict

from clipvip.corpora.account import Account
from clipvip.corpora.formats.annotation import ENDINGS, clean
from clipvip.corpora.formats.border import Kind, Name, Text
from clipvip.corpora.formats.text_files import BYTE_ORDER_MARK, json_value
from clipvip.corpora.leakage import Leaks
from clipvip.data.media import tar_members
from clipvip.data.media.file_header import IMAGE_ENDINGS, VideoError, check_header

SOURCE = "caption"
HEAD = 1024  # bytes of a clip that its header needs
LONGEST = 1 << 20  # bytes of a text
LONGEST_HEADER = 1 << 24  # bytes
LARGEST = 1 << 31  # bytes of a clip: one is read whole


class _Bounded:
    """A shard of which no header is read that claims to be larger than any is: tarfile reads those whole."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int = -1) -> Any:
        """As the file's. Raises tarfile.ReadError for too much."""
        if not 0 <= size <= LONGEST_HEADER:
            raise tarfile.ReadError(f"a header of {size:,} bytes")
        return self._file.read(size)


@dataclass
class Sample:
    """One key of a shard."""

    key: str
    clip: tarfile.TarInfo | None = None
    head: bytes = b""
    notes: dict[str, Any] = field(default_factory=dict)
    fault: str = ""  # why it cannot be taken


class Notes(TypedDict):
    """What the members beside a clip say."""

    clip_id: NotRequired[Name | int | None]
    text: NotRequired[Text | list[Text | None] | None]
    caption: NotRequired[Text | list[Text | None] | None]


NOTES = Kind[Notes](Notes)


def parts(root: str, account: Account, leaks: Leaks) -> Iterator[pd.DataFrame]:
    """The rows of the shards at `root`, a shard at a time; samples that cannot be understood are set aside."""
    for shard in tqdm(tar_members.shards(root), desc="corpus", unit="shard", disable=None):
        rows = list(_rows(root, shard, account, leaks))
        if rows:
            yield pd.DataFrame(rows)


def _rows(root: str, shard: str, account: Account, leaks: Leaks) -> Iterator[dict[str, Any]]:
    """Rows of the sound samples; the others are noted in the account."""
    files, place = fsspec.core.url_to_fs(root)
    url = f"{place.rstrip('/')}/{shard}"
    size = int(files.size(url))
    with files.open(url, "rb") as file:
        for sample in _samples(file, shard, account):
            notes = _notes(sample, shard, account)
            if notes is None:
                continue
            clip_id = str(notes.get("clip_id") or sample.key)
            if sample.clip is None:
                account.missing.append(clip_id)
                continue
            reason = _fault(sample.clip, sample.head, size)
            if reason is not None:
                account.unreadable.append({"clip_id": clip_id, "reason": reason})
                continue
            path, where = f"{shard}/{sample.clip.name}", (sample.clip.offset_data, sample.clip.size)
            leak = leaks.named(clip_id, path, None)
            leak = leak or leaks.same_content(where[1], partial(tar_members.read, root, path, *where))
            if leak is not None:
                account.leaked.append({"clip_id": clip_id, "test": leak})
                continue
            account.found += 1
            texts = [text for text in _texts(notes) if text]
            if not texts:
                account.empty[clip_id] = 1
                continue
            place = {"path": path, "offset": where[0], "size": where[1]}
            same = {"clip_id": clip_id, **place, "start": None, "end": None, "source": SOURCE, "split": "train"}
            yield from ({**same, "text": text} for text in texts)


def _notes(sample: Sample, shard: str, account: Account) -> Notes | None:
    """What is said of a sample; None where it is set aside."""
    border, place = account.border, f"sample {sample.key!r}"
    notes = border.checked(NOTES, sample.notes, Path(shard), place)
    if notes is None or (not sample.fault and border.is_name(sample.key, Path(shard), place)):
        return notes
    if sample.fault:
        border.set_aside(shard, place, sample.fault)
    return None


def _samples(file: Any, shard: str, account: Account) -> Iterator[Sample]:
    """The samples of a shard; one that is torn in the middle ends early, and is named."""
    sample: Sample | None = None
    try:
        bounded: Any = _Bounded(file)
        with tarfile.open(fileobj=bounded, mode="r:") as tar:
            for member in tar:
                if not member.isreg() or member.issparse() or PurePosixPath(member.name).name.startswith("."):
                    continue
                key, ending = _key(member.name)
                if sample is None or key != sample.key:
                    if sample is not None:
                        yield sample
                    sample = Sample(key)
                _take(tar, member, ending, sample)
                tar.members = []  # type: ignore[attr-defined]  # tarfile would keep every header of the shard
    except (tarfile.TarError, EOFError) as error:
        account.unreadable.append({"clip_id": shard, "reason": f"torn tar: {error}"})
    if sample is not None:
        yield sample


def _key(name: str) -> tuple[str, str]:
    """(folder and name up to its first dot, the last ending with its dot)."""
    path = PurePosixPath(name)
    return str(path.with_name(path.name.split(".", 1)[0])), path.suffix.lower()


def _take(tar: tarfile.TarFile, member: tarfile.TarInfo, ending: str, sample: Sample) -> None:
    if ending in ENDINGS or ending in IMAGE_ENDINGS:
        if sample.clip is not None:
            sample.fault = f"holds two clips: {sample.clip.name}, {member.name}; give each a key"
            return
        sample.clip, sample.head = member, _bytes(tar, member, HEAD)
    elif ending in (".txt", ".json") and member.size <= LONGEST:
        said = _bytes(tar, member, LONGEST).removeprefix(BYTE_ORDER_MARK).decode(errors="surrogateescape")
        if ending == ".txt":
            sample.notes["text"] = said
            return
        try:
            value = json_value(said)
        except ValueError as error:
            sample.fault = f"{member.name}: {error}"
            return
        if isinstance(value, dict):
            sample.notes |= value
        else:
            sample.fault = f"{member.name}: no JSON object"


def _bytes(tar: tarfile.TarFile, member: tarfile.TarInfo, most: int) -> bytes:
    content = tar.extractfile(member)
    return b"" if content is None else content.read(min(most, member.size))


def _texts(notes: Notes) -> list[str]:
    said = notes.get("text") or notes.get("caption") or ""
    return [clean(text) for text in (said if isinstance(said, list) else [said]) if text is not None]


def _fault(clip: tarfile.TarInfo, head: bytes, shard_size: int) -> str | None:
    """Why the clip cannot be read, from its header: it is laid into an empty file of the clip's size."""
    if clip.offset_data + clip.size > shard_size:
        return "cut short by the end of its shard"
    if clip.size > LARGEST:
        return f"{clip.size:,} bytes, more than the {LARGEST:,} of a clip in a shard"
    with tempfile.NamedTemporaryFile(suffix=PurePosixPath(clip.name).suffix) as file:
        file.write(head)
        file.truncate(clip.size)
        file.flush()
        try:
            check_header(file.name, whole=False)
        except VideoError as error:
            return error.reason
    return None
