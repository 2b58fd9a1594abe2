"""Frames of a clip side by side: as a film strip of its own, or many below each other in one small picture."""

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from clipvip.data.clips import Clips, Frames
from clipvip.runtime.shown import Shown

FRAMES: Shown = 4  # of a film strip
HEIGHT: Shown = 96  # pixels of a film strip, at most
SMALL_WIDTH: Shown = 64  # pixels of a frame in a picture of many strips, at most
SMALL_HEIGHT: Shown = 48


def spread(clips: Clips, clip_id: str) -> Frames:
    """Frames spread evenly over a clip, the first and the last among them."""
    return clips.chosen(clip_id, lambda total: np.linspace(0, total - 1, FRAMES).round().astype(np.int64))


def strip(frames: Frames) -> str:
    """Frames side by side as a picture of the page; small frames keep their size, a browser enlarges them."""
    picture = Image.fromarray(np.concatenate(list(frames), axis=1))
    scale = min(1.0, HEIGHT / frames.shape[1])
    if scale < 1:
        picture = picture.resize((round(picture.width * scale), HEIGHT), Image.Resampling.LANCZOS)
        return _picture(picture, "WEBP", quality=80)
    return _picture(picture, "PNG", optimize=True)


def small(frames: Frames) -> Image.Image:
    """Frames side by side, each within SMALL_WIDTH and SMALL_HEIGHT, and no larger than it is."""
    height, width = frames.shape[1:3]
    scale = min(1.0, SMALL_WIDTH / width, SMALL_HEIGHT / height)
    picture = Image.fromarray(np.concatenate(list(frames), axis=1))
    size = max(1, round(width * scale)) * len(frames), max(1, round(height * scale))
    return picture.resize(size, Image.Resampling.LANCZOS) if scale < 1 else picture


def below_each_other(strips: Sequence[Image.Image]) -> dict[str, Any]:
    """One picture of strips of one size, with that size and their number."""
    width, height = max(each.width for each in strips), max(each.height for each in strips)
    whole = Image.new("RGB", (width, height * len(strips)))
    for place, each in enumerate(strips):
        whole.paste(each, (0, place * height))
    picture = _picture(whole, "WEBP", quality=70, method=6)
    return {"picture": picture, "width": width, "height": height, "count": len(strips)}


def _picture(picture: Image.Image, kind: str, **how: Any) -> str:
    file = io.BytesIO()
    picture.save(file, kind, **how)
    return data_url(kind.lower(), file.getvalue())


def data_url(kind: str, content: bytes) -> str:
    """An image inside the page."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
