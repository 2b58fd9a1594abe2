"""One file of every kind that people have, of barcodes: how each is made, and why some are refused."""

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from barcodes import B_FRAMES, COUNT, X264, ffmpeg, write

SLOWER = "setpts='if(lt(N,25),N/25,1+(N-25)/5)/TB'"  # 25 frames a second for a second, then five
VARIABLE = ["-vf", SLOWER, "-fps_mode", "passthrough", "-enc_time_base", "1:1000"]
THEORA, VP9 = ["-c:v", "libtheora", "-q:v", 10], ["-c:v", "libvpx-vp9", "-b:v", "1M", "-cpu-used", 8, "-g", 20]
MPEG2 = ["-c:v", "mpeg2video", "-q:v", 2, "-bf", 2]


@dataclass(frozen=True)
class Kind:
    """How a file is made at a path, and what the readers say of it where they refuse it."""

    ending: str
    make: Callable[[Path], object]
    refused: str | None = None


def _coded(ending: str, *options: object, **how: object) -> Kind:
    return Kind(ending, lambda path: write(path, *options, **how))  # type: ignore[arg-type]


def _beside(path: Path, ending: str = "mp4", *options: object, **how: object) -> Path:
    """A sound file from which another is made."""
    return write(path.with_suffix(f".source.{ending}"), *(options or B_FRAMES), **how)  # type: ignore[arg-type]


def _copied(ending: str, *after: object, before: tuple[object, ...] = (), source: str = "mp4") -> Kind:
    """As a container is rewritten without coding it anew."""
    return Kind(ending, lambda path: ffmpeg(*before, "-i", _beside(path, source), "-c", "copy", *after, path))


def _bytes(ending: str, change: Callable[[bytes], bytes], *options: object, refused: str | None = None) -> Kind:
    return Kind(ending, lambda path: path.write_bytes(change(_beside(path, ending, *options).read_bytes())), refused)


def _cut(ending: str, reason: str, *options: object) -> Kind:
    return _bytes(ending, lambda content: content[: len(content) * 62 // 100], *options, refused=reason)


def _joined(path: Path) -> None:
    """As `cat` does it."""
    options = MPEG2 if path.suffix == ".mpg" else B_FRAMES
    second = write(path.with_suffix(f".second{path.suffix}"), *options, first=COUNT)
    path.write_bytes(_beside(path, path.suffix[1:], *options).read_bytes() + second.read_bytes())


def _two_streams(path: Path) -> None:
    larger = write(path.with_suffix(".larger.mp4"), *B_FRAMES, first=100, size=(128, 192))
    streams = ["-map", 0, "-map", 1, "-disposition:v:0", 0, "-disposition:v:1", "default"]
    ffmpeg("-i", _beside(path), "-i", larger, *streams, "-c", "copy", path)


def _covered(path: Path, *sound: object) -> None:
    """With a picture attached, as its first stream."""
    ffmpeg("-i", _beside(path), "-frames:v", 1, cover := path.with_suffix(".png"))
    own = sound or ("-i", path.with_suffix(".source.mp4"))
    ffmpeg("-i", cover, *own, "-map", 0, "-map", 1, "-c:v", "copy", "-disposition:v:0", "attached_pic", path)


def _with_sound(path: Path) -> None:
    ffmpeg("-i", _beside(path), "-f", "lavfi", "-i", "sine=duration=3", "-c:v", "copy", path)


def _changing_size(path: Path) -> None:
    second = write(path.with_suffix(".second.ts"), *B_FRAMES, size=(96, 128))
    path.write_bytes(_beside(path, "ts").read_bytes() + second.read_bytes())


def _no_number(after: bytes) -> Callable[[bytes], bytes]:
    """The floating-point number that stands behind these bytes becomes NaN."""

    def change(content: bytes) -> bytes:
        place = content.index(after) + len(after)
        return content[:place] + struct.pack(">d", math.nan) + content[place + 8 :]

    return change


def _zero_by_zero(content: bytes) -> bytes:
    """The rate of an AVI, 25 / 1 frames a second, becomes 0 / 0."""
    place = content.index(b"strh") + 28
    return content[:place] + bytes(8) + content[place + 8 :]


def _middle_of_a_stream(content: bytes) -> bytes:
    return content[len(content) // 188 // 5 * 188 :]


def _not_utf8(path: Path) -> None:
    whole = ffmpeg_titled(path).read_bytes()
    path.write_bytes(whole.replace(b"TITLE-HERE", b"caf\xe9 caf\xe9!"))


def ffmpeg_titled(path: Path) -> Path:
    """A file with a title of ten letters."""
    ffmpeg("-i", _beside(path), "-c", "copy", "-metadata", "title=TITLE-HERE", made := path.with_suffix(".t.mp4"))
    return made


def _shown(how: str, *display: object) -> Kind:
    """Coded as a phone does: the picture lies, and the file says how to show it."""

    def make(path: Path) -> None:
        ffmpeg(*display, "-i", _beside(path, "mp4", *B_FRAMES, "-vf", how), "-c", "copy", path)

    return Kind("mp4", make)


TURNS = {90: "transpose=clock", 180: "hflip,vflip", 270: "transpose=cclock"}


KINDS: dict[str, Kind] = {
    **{f"h264 {ending}": _coded(ending, *B_FRAMES) for ending in ("mp4", "mov", "mkv", "avi", "flv")},
    **{f"transport stream {ending}": _coded(ending, *B_FRAMES) for ending in ("ts", "mts", "m2ts")},
    "mpeg-4 avi": _coded("avi", "-c:v", "mpeg4", "-q:v", 2, "-bf", 2),
    "mpeg-4 mp4": _coded("mp4", "-c:v", "mpeg4", "-q:v", 2, "-bf", 2),
    "mjpeg avi": _coded("avi", "-c:v", "mjpeg", "-q:v", 2),
    "mpeg-1 mpg": _coded("mpg", "-c:v", "mpeg1video", "-q:v", 2),
    "mpeg-2 mpg": _coded("mpg", *MPEG2),
    "h265 mp4": _coded("mp4", "-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=error"),
    "vp8 webm": _coded("webm", "-c:v", "libvpx", "-b:v", "1M", "-auto-alt-ref", 1, "-lag-in-frames", 16),
    "vp9 webm": _coded("webm", *VP9),
    "av1 mkv": _coded("mkv", "-c:v", "libsvtav1", "-preset", 12, "-crf", 10),
    "wmv": _coded("wmv", "-c:v", "wmv2", "-q:v", 2),
    "flash video": _coded("flv", "-c:v", "flv", "-q:v", 2),
    "theora ogv": _coded("ogv", *THEORA),
    "gif": _coded("gif"),
    "fragments": _copied("mp4", "-movflags", "frag_keyframe+empty_moov"),
    "open groups": _coded("mp4", *X264, "-x264-params", "open-gop=1:keyint=12:bframes=3"),
    "interlaced": _coded("mp4", *X264, "-flags", "+ildct+ilme", "-x264-params", "tff=1"),
    **{f"turned {degrees}": _shown(how, "-display_rotation", degrees) for degrees, how in TURNS.items()},
    "mirrored": _shown("hflip", "-display_hflip"),
    "turned and mirrored": _shown("hflip,transpose=clock", "-display_rotation", 90, "-display_hflip"),
    "turned 45": Kind("mp4", _shown("null", "-display_rotation", 45).make, "only quarter turns"),
    "edit list": _copied("mp4", before=("-ss", 0.83, "-t", 1.2)),
    "cut out, mkv": _copied("mkv", before=("-ss", 0.83, "-t", 1.2)),
    "joined ts": Kind("ts", _joined),
    "joined mpg": Kind("mpg", _joined),
    "middle of a stream": _bytes("ts", _middle_of_a_stream),
    **{f"two streams {ending}": Kind(ending, _two_streams) for ending in ("mp4", "mkv")},
    "attached picture": Kind("mp4", _covered),
    "song with a cover": Kind(
        "m4a", lambda path: _covered(path, "-f", "lavfi", "-i", "sine=duration=2"), "only an attached picture"
    ),
    "sound is longer": Kind("mp4", _with_sound),
    "sound in ts": Kind("ts", _with_sound),
    **{f"variable rate {ending}": _coded(ending, *B_FRAMES, *VARIABLE) for ending in ("mp4", "mkv", "mov")},
    "29.97 a second": _coded("mp4", *B_FRAMES, "-vf", "setpts=N*1001/30000/TB", "-r", "30000/1001"),
    "10 bit": _coded("mp4", *X264, "-pix_fmt", "yuv420p10le"),
    "4:2:2": _coded("mp4", *X264, "-pix_fmt", "yuv422p"),
    "full range": _coded("mp4", *X264, "-vf", "scale=out_range=pc", "-color_range", "pc"),
    "bt.709": _coded("mp4", *X264, "-vf", "scale=out_color_matrix=bt709", "-colorspace", "bt709"),
    "narrow": _coded("mp4", *B_FRAMES, size=(32, 24)),
    "one frame": _coded("mp4", *B_FRAMES, count=1),
    "rate is NaN, flv": _bytes("flv", _no_number(b"framerate\0")),
    "duration is NaN, flv": _bytes("flv", _no_number(b"duration\0")),
    "duration is NaN, mkv": _bytes("mkv", _no_number(b"\x44\x89\x88")),
    "rate is zero over zero, avi": _bytes("avi", _zero_by_zero),
    "title is not utf-8": Kind("mp4", _not_utf8),
    "picture changes its size": Kind("ts", _changing_size, "changes its size"),
    "cut mp4": _cut("mp4", "cut short"),
    "cut mp4, index first": _cut("mp4", "cut short", *B_FRAMES, "-movflags", "faststart"),
    "cut webm": _cut("webm", "cut short", *VP9),
    **{f"cut {ending}": _cut(ending, "cut short") for ending in ("mkv", "avi", "flv", "ts", "mov")},
    "cut gif": _cut("gif", "cut short", "-f", "gif"),
    "cut wmv": _cut("wmv", "cut short", "-c:v", "wmv2", "-q:v", 2),
    "cut ogv": _cut("ogv", "cut short", *THEORA),
    "cut mpg": _cut("mpg", "cut short", *MPEG2),
    "cut header": _bytes("mp4", lambda content: content[:30], refused="Invalid data|no video stream|empty"),
    "no video at all": Kind("mp4", lambda path: path.write_text("404 not found"), "header of no known"),
}
