"""How the pixels of a tower are scaled: mean and deviation of its training images, beside its weights."""

import json
import math
from dataclasses import dataclass
from pathlib import Path

from transformers.image_processing_base import ImageProcessingMixin
from transformers.utils import IMAGE_PROCESSOR_NAME

from clipvip.model.completeness import read_json

Colour = tuple[float, float, float]  # RGB, in 0..1


@dataclass(frozen=True)
class Pixels:
    """(pixel / 255 - mean) / std is what the tower reads."""

    mean: Colour
    std: Colour


CLIP_PIXELS = Pixels((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
SIGLIP_PIXELS = Pixels((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


def read_pixels(source: str | Path, kind: str) -> Pixels:
    """What the source's preprocessor_config.json says, else what towers of this kind are trained with.

    ValueError where that file is there and no mapping, or its colours are no three numbers each.
    """
    usual = SIGLIP_PIXELS if kind == "siglip" else CLIP_PIXELS
    own = Path(source) / IMAGE_PROCESSOR_NAME
    try:
        content = read_json(own) if own.is_file() else ImageProcessingMixin.get_image_processor_dict(str(source))[0]
    except OSError:
        return usual
    mean, std = content.get("image_mean"), content.get("image_std")
    if mean is None or std is None:
        return usual
    if not (_is_colour(mean) and _is_colour(std) and min(std) > 0):
        raise ValueError(f"{source}: {IMAGE_PROCESSOR_NAME}: image_mean and image_std are no three colours each")
    return Pixels((mean[0], mean[1], mean[2]), (std[0], std[1], std[2]))


def _is_colour(value: object) -> bool:
    """Three finite numbers."""
    return (
        isinstance(value, list)
        and len(value) == 3
        and all(isinstance(part, int | float) and math.isfinite(part) for part in value)
    )


def write_pixels(pixels: Pixels, kind: str, folder: Path) -> None:
    """Keep them beside the weights, unless towers of this kind have them anyway or they stand there already."""
    path = folder / IMAGE_PROCESSOR_NAME
    if pixels != (SIGLIP_PIXELS if kind == "siglip" else CLIP_PIXELS) and not path.is_file():
        content = {"image_mean": list(pixels.mean), "image_std": list(pixels.std)}
        path.write_text(json.dumps(content, indent=2) + "\n")
