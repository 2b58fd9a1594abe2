"""A folder of small videos with captions, and a CLIP for it made by the project's own code."""

import csv
from pathlib import Path

import numpy as np
from video_files import write_video

COLOURS = {
    "red": (220, 30, 30),
    "green": (30, 200, 40),
    "blue": (40, 60, 220),
    "yellow": (230, 220, 40),
    "white": (240,) * 3,
}
MOVES = {"grows": (4, 22), "shrinks": (22, 4), "stays": (12, 12)}
SIDE = 64


def square(colour: tuple[int, ...], sizes: tuple[int, int], shift: int, frames: int = 10) -> np.ndarray:
    """A square that changes its size on grey."""
    film = np.full((frames, SIDE, SIDE, 3), 90, dtype=np.uint8)
    for frame, half in zip(film, np.linspace(*sizes, frames).astype(int), strict=True):
        frame[32 - half : 32 + half, 32 + shift - half : 32 + shift + half] = colour
    return film


def write_videos(folder: Path, count: int = 30) -> list[tuple[str, str]]:
    """`count` videos below the folder; (path, text) of each."""
    kinds = [(colour, move) for colour in COLOURS for move in MOVES]
    rows = []
    for index in range(count):
        colour, move = kinds[index % len(kinds)]
        path = f"{'first' if index < len(kinds) else 'second'}/{index:02d}.mp4"
        write_video(folder / path, square(COLOURS[colour], MOVES[move], shift=index // len(kinds) * 6))
        rows.append((path, f"a {colour} square {move}"))
    return rows


def write_captions(path: Path, rows: list[tuple[str, ...]], header: tuple[str, ...] = ("path", "text")) -> Path:
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def write_clip(folder: Path, texts: list[str]) -> Path:
    """A CLIP folder of random weights: 24 pixels, one layer a tower."""
    from clipvip.config.learning import TinyClip
    from clipvip.model.tiny_clip import tiny_clip
    from clipvip.model.tokenizer import train_tokenizer

    shape = TinyClip(vision_layers=1, text_layers=1, vision_width=32, text_width=32, dim=32, heads=2)
    tokenizer = train_tokenizer(texts, shape.vocab_size, shape.max_tokens)
    tiny_clip(shape, tokenizer, seed=0).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
