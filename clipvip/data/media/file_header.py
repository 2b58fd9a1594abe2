"""What a file shows before anything is decoded: whether it is there, and whether it begins like an image or a video."""

from pathlib import Path

IMAGE_ENDINGS = frozenset({".jpg", ".jpeg", ".png", ".webp"})
IMAGE_HEADERS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF")
VIDEO_HEADERS = (
    b"RIFF",  # avi
    b"\x1a\x45\xdf\xa3",  # mkv, webm
    b"\x30\x26\xb2\x75",  # wmv
    b"\x00\x00\x01",  # mpg
    b"\x47",  # transport stream; m2ts has its mark four bytes later
)
MP4_BOXES = frozenset({b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"})


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


def check_header(path: str | Path) -> None:
    """Cheap check without decoding: there, not empty, a known header, an AVI not cut short. Raises VideoError."""
    try:
        with open(path, "rb") as file:
            head = file.read(12)
            size = file.seek(0, 2)
    except OSError as error:
        raise VideoError(path, error.strerror or str(error)) from None
    if size == 0:
        raise VideoError(path, "empty file")
    if is_image(path):
        known = head.startswith(IMAGE_HEADERS)
    else:  # by content, not by ending: an .avi may hold an mp4
        known = head.startswith(VIDEO_HEADERS) or head[4:8] in MP4_BOXES or head[4:5] == b"\x47"
    if not known:
        raise VideoError(path, "header of no known image or video format")
    if head[8:12] == b"AVI " and int.from_bytes(head[4:8], "little") + 8 > size:
        # decord reads such a file without complaint and repeats its last good frame
        raise VideoError(path, f"cut short: {size} bytes of {int.from_bytes(head[4:8], 'little') + 8}")
