"""Scenes to frames: textured background, one soft-edged shape, light, grain."""

from functools import cache

import numpy as np
from jaxtyping import Float, Int16, UInt8

from clipvip.corpora.synthetic.scenes import Scene, values

# Kept apart in chroma from each other and from the backgrounds, so that they survive H.264 and a small frame.
PALETTE = np.array(
    [(205, 35, 35), (35, 185, 60), (40, 60, 215), (215, 205, 40), (155, 45, 190), (215, 215, 215)], dtype=np.float32
)
GRAIN = 3.0  # standard deviation of the pixel noise, of 255
_SEED = 20220915  # textures and grain are the same in every world


def render(
    scene: Scene, at: Float[np.ndarray, " moments"], pixels: int, *, grain: bool = True
) -> UInt8[np.ndarray, "moments pixels pixels 3"]:
    """The frames of `scene` at relative times `at`; only states that differ are drawn."""
    state = np.stack(list(values(scene, at).values()), axis=1)
    states, which = np.unique(state, axis=0, return_inverse=True)
    radius, gain, colour, x, alpha = (column.astype(np.float32) for column in states.T)
    cover = _cover(scene.shape, radius, x, scene.y, pixels) * alpha[:, None, None]
    paint = PALETTE[colour.astype(int)] * np.asarray(scene.tint, dtype=np.float32)
    background = _background(scene, pixels)
    clean = background + cover[..., None] * (paint[:, None, None, :] - background)
    clean *= gain[:, None, None, None]
    frames = clean.astype(np.int16)[which.reshape(-1)]
    if grain:
        frames += _grain(scene.grain, frames.size).reshape(frames.shape)
    shown: np.ndarray = np.clip(frames, 0, 255).astype(np.uint8)
    return shown


def _cover(
    shape: int, radius: Float[np.ndarray, " states"], x: Float[np.ndarray, " states"], y: float, pixels: int
) -> Float[np.ndarray, "states pixels pixels"]:
    """How much of each pixel the shape covers, 0..1, with an edge one pixel soft."""
    grid = np.arange(pixels, dtype=np.float32) + 0.5
    r = (radius * pixels)[:, None, None]
    across = np.abs(grid[None, None, :] - (x * pixels)[:, None, None])
    down = np.abs(grid[None, :, None] - np.float32(y * pixels))
    if shape == 1:  # square, of about the circle's area
        inside = 0.89 * r - np.maximum(across, down)
    elif shape == 2:  # cross: two bars
        arm = 0.36 * r
        bars = np.minimum(r - across, arm - down), np.minimum(arm - across, r - down)
        inside = np.maximum(*bars)
    else:
        distance = np.sqrt(across**2 + down**2)
        inside = r - distance if shape == 0 else np.minimum(r - distance, distance - 0.5 * r)
    cover: np.ndarray = np.clip(inside + 0.5, 0, 1, dtype=np.float32)
    return cover


def _background(scene: Scene, pixels: int) -> Float[np.ndarray, "pixels pixels 3"]:
    down, right, brightness = scene.texture
    top, left = int(down * pixels), int(right * pixels)
    crop = _textures(pixels)[scene.background, top : top + pixels, left : left + pixels]
    return crop * np.float32(brightness)


@cache
def _textures(pixels: int) -> Float[np.ndarray, "5 double double 3"]:
    """The five backgrounds, twice as wide as a frame so that each clip crops its own part."""
    rng = np.random.default_rng(_SEED)
    side = 2 * pixels
    down, right = np.meshgrid(np.arange(side) / pixels, np.arange(side) / pixels, indexing="ij")

    def fill(colour: tuple[int, int, int]) -> np.ndarray:
        return np.broadcast_to(np.array(colour, dtype=np.float32), (side, side, 3)).copy()

    blades = rng.normal(size=(side // 4 + 1, side)).repeat(4, axis=0)[:side]
    waves = np.sin(2 * np.pi * (5 * down + 0.35 * np.sin(2 * np.pi * 1.5 * right)))
    row = np.floor(down * 5)
    mortar = ((down * 5) % 1 < 0.2) | ((right * 2.5 + 0.5 * (row % 2)) % 1 < 0.1)
    grass = fill((72, 98, 40)) * (1 + 0.22 * blades)[..., None]
    water = fill((48, 104, 138)) * (1 + 0.2 * waves)[..., None]
    brick = np.where(mortar[..., None], fill((150, 138, 128)), fill((122, 72, 54)))
    textures = np.stack([fill((24, 24, 28)), fill((122, 122, 122)), grass, water, brick])
    return textures.astype(np.float32)


@cache
def _bank() -> Int16[np.ndarray, " bank"]:
    rng = np.random.default_rng(_SEED + 1)
    return np.round(rng.normal(scale=GRAIN, size=1 << 21)).astype(np.int16)


def _grain(start: float, size: int) -> Int16[np.ndarray, " size"]:
    """`size` numbers of the noise bank from a place that `start` in 0..1 chooses; wraps around."""
    bank = _bank()
    first = int(start * len(bank))
    if first + size <= len(bank):
        return bank[first : first + size]
    return np.take(bank, np.arange(first, first + size), mode="wrap")
