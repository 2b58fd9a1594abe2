"""What a file shows before anything is decoded: whether it is there, begins like an image or a video, and is whole."""

from pathlib import Path
from typing import BinaryIO

IMAGE_ENDINGS = frozenset({".jpg", ".jpeg", ".png", ".webp"})
IMAGE_HEADERS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF")
ASF, EBML, GIF, OGG = b"\x30\x26\xb2\x75", b"\x1a\x45\xdf\xa3", b"GIF8", b"OggS"
VIDEO_HEADERS = (b"RIFF", EBML, ASF, GIF, OGG, b"FLV\x01", b"\x00\x00\x01")  # the last: mpg
MP4_BOXES = frozenset({b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"})
LARGE_BOXES = frozenset({b"moov", b"mdat", b"moof"})
ASF_PROPERTIES = bytes.fromhex("A1DCAB8C47A9CF118EE400C00C205365")
SEGMENT = b"\x18\x53\x80\x67"  # of Matroska
SYNC = 0x47  # first byte of a packet of a transport stream
PACKETS = (
    (188, 0),
    (192, 4),
    (204, 0),
)  # their size, and where the first mark stands: .ts, .m2ts, with error correction
HEAD = 1024  # bytes that say of which kind a file is
TAIL = 1 << 16


class VideoError(ValueError):
    """A file that cannot be read; `.path` and `.reason` say which and why."""

    def __init__(self, path: str | Path, reason: str) -> None:
        super().__init__(path, reason)  # both kept as arguments, so that the error survives pickling between processes
        self.path = Path(path)
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


def is_image(path: str | Path) -> bool:
    """Whether the ending is that of an image."""
    return Path(path).suffix.lower() in IMAGE_ENDINGS


def check_header(path: str | Path, *, whole: bool = True) -> None:
    """Cheap check without decoding: there, not empty, a known header, not shorter than it says. Raises VideoError.

    Without `whole` only the first bytes of the file are judged, and its size.
    """
    try:
        with open(path, "rb") as file:
            head = file.read(HEAD)
            size = file.seek(0, 2)
            if size == 0:
                raise VideoError(path, "empty file")
            if is_image(path):
                known = head.startswith(IMAGE_HEADERS)
            else:  # by content, not by ending: an .avi may hold an mp4
                known = head.startswith(VIDEO_HEADERS) or head[4:8] in MP4_BOXES or bool(packet_size(head))
            if not known:
                raise VideoError(path, "header of no known image or video format")
            fault = None if is_image(path) else _cut(file, head, size, whole)
    except OSError as error:
        raise VideoError(path, error.strerror or str(error)) from None
    if fault is not None:
        raise VideoError(path, f"cut short: {fault}")


def packet_size(head: bytes) -> int | None:
    """Bytes of a packet of a transport stream; None for another file, and for one of fewer than two packets."""
    for size, first in PACKETS:
        marks = head[first::size][:5]
        if len(marks) > 1 and set(marks) == {SYNC}:
            return size
    return None


def _cut(file: BinaryIO, head: bytes, size: int, whole: bool) -> str | None:
    """How much of the file is missing, where its format says how long it is."""
    declared = _declared(file, head, size)
    if declared is not None and declared > size:
        return f"{size} bytes of {declared}"
    packet = packet_size(head)
    if packet is not None and size % packet:
        return f"its last packet has {size % packet} bytes of {packet}"
    if not whole:
        return None
    if head.startswith(GIF) and not _tail(file, size).rstrip(b"\x00").endswith(b";"):
        return "no end mark"
    if head.startswith(OGG):
        return _ogg(_tail(file, size))
    return None


def _declared(file: BinaryIO, head: bytes, size: int) -> int | None:
    """Bytes that the file should have at least."""
    if head[8:12] == b"AVI ":
        return int.from_bytes(head[4:8], "little") + 8
    if head.startswith(ASF) and (place := head.find(ASF_PROPERTIES)) > 0:
        return int.from_bytes(head[place + 40 : place + 48], "little")
    if head.startswith(EBML) and (place := head.find(SEGMENT)) > 0:
        return _segment_end(head, place + len(SEGMENT))
    return _boxes_end(file, size) if head[4:8] in MP4_BOXES else None


def _segment_end(head: bytes, place: int) -> int | None:
    """Where Matroska's one segment ends; None where that was not known when it was written."""
    if place >= len(head) or not head[place]:
        return None
    length = 9 - head[place].bit_length()
    value = int.from_bytes(head[place : place + length]) & ((1 << 7 * length) - 1)
    unknown = value == (1 << 7 * length) - 1
    return None if unknown or len(head) < place + length else place + length + value


def _boxes_end(file: BinaryIO, size: int) -> int | None:
    """Where the last large box of an MP4 ends; None where the boxes end without a fault."""
    place = 0
    while place + 8 <= size:
        file.seek(place)
        begin = file.read(16)
        length, kind = int.from_bytes(begin[:4]), begin[4:8]
        if length == 1:
            length = int.from_bytes(begin[8:16])
        if length < 8:  # 0: up to the end of the file
            return None
        if place + length > size:
            return place + length if kind in LARGE_BOXES else None
        place += length
    return None


def _tail(file: BinaryIO, size: int) -> bytes:
    file.seek(max(0, size - TAIL))
    return file.read()


def _ogg(tail: bytes) -> str | None:
    """Ogg's last page must be whole and say that it is the last of its stream."""
    place = tail.rfind(OGG)
    if place < 0 or len(tail) < place + 27:
        return "no whole page at its end"
    table = tail[place + 27 : place + 27 + tail[place + 26]]
    if len(table) < tail[place + 26] or len(tail) < place + 27 + len(table) + sum(table):
        return "its last page is not whole"
    return None if tail[place + 5] & 4 else "its last page is not marked as the last"
