"""Videos whose pixels say which frame they are, in every kind of file that people have; made by a bundled ffmpeg."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

import imageio_ffmpeg
import numpy as np

BITS, BAR, HEIGHT = 8, 12, 64
WIDTH = BITS * BAR
COUNT, FPS = 60, 25  # of an ordinary file
X264 = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "12", "-pix_fmt", "yuv420p"]
B_FRAMES = [*X264, "-bf", "2", "-g", "12"]


def barcodes(numbers: Sequence[int], height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """Bars of the number's bits, most significant first, above a strip that is dark at its left only."""
    bits = (np.asarray(numbers)[:, None] >> np.arange(BITS - 1, -1, -1)) & 1
    bars = np.repeat(np.where(bits, 220, 30).astype(np.uint8), width // BITS, axis=1)
    frames = np.repeat(bars[:, None, :], height, axis=1)
    frames[:, -height // 4 :] = np.where(np.arange(width) < width // 2, 30, 220)
    return np.repeat(frames[..., None], 3, axis=3)


def numbers(frames: np.ndarray) -> list[int]:
    """The numbers that frames show; -1 for one that does not stand upright."""
    height, width = frames.shape[1:3]
    strip = frames[:, -height // 8 :].mean(axis=(1, 3))
    upright = (strip[:, : width // 2].mean(axis=1) < 80) & (strip[:, width // 2 :].mean(axis=1) > 170)
    bars = frames[:, : height // 2].mean(axis=(1, 3)).reshape(len(frames), BITS, -1).mean(axis=2)
    found = (bars > 125) @ (1 << np.arange(BITS - 1, -1, -1))
    return [int(number) if right else -1 for number, right in zip(found, upright, strict=True)]


def ffmpeg(*words: object, given: bytes | None = None) -> bytes:
    """Run the bundled program; what it writes to its standard output."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-loglevel", "error", "-nostdin", "-y"]
    if given is not None:
        command.remove("-nostdin")
    done = subprocess.run([*command, *map(str, words)], input=given, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return done.stdout


def write(
    path: Path,
    *options: object,
    count: int = COUNT,
    before: Sequence[object] = (),
    first: int = 0,
    size: tuple[int, int] = (HEIGHT, WIDTH),
) -> Path:
    """Frames `first`, `first` + 1, ... at FPS; `options` of the output, `before` of the input."""
    frames = barcodes(range(first, first + count), *size)
    raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{size[1]}x{size[0]}", "-r", FPS]
    path.parent.mkdir(parents=True, exist_ok=True)
    ffmpeg(*raw, *before, "-i", "-", *options, path, given=frames.tobytes())
    return path


def shown(path: Path, stream: int = 0) -> np.ndarray:
    """The frames that the program itself shows of the n-th stream of video: the independent answer."""
    words = ["-i", path, "-map", f"0:v:{stream}", "-fps_mode", "passthrough", "-vf", "scale=flags=bilinear"]
    content = ffmpeg(*words, "-pix_fmt", "rgb24", "-f", "image2pipe", "-c:v", "ppm", "-")
    frames = []
    while content:
        _, size, _, content = content.split(b"\n", 3)
        width, height = map(int, size.split())
        frames.append(np.frombuffer(content[: width * height * 3], np.uint8).reshape(height, width, 3))
        content = content[width * height * 3 :]
    return np.stack(frames)
