"""Weights made elsewhere in place of a post-pretraining: the authors' file, or a CLIP-ViP folder (also of the hub)."""

from pathlib import Path
from typing import Any

from clipvip.config.learning import ModelSettings
from clipvip.config.stages import WeightsCell
from clipvip.model.clip_vip import ClipVip
from clipvip.model.model_folder import copy_tokenizer, own_settings
from clipvip.model.official_checkpoint import from_official
from clipvip.model.source import has_tokenizer, read_config, read_tokenizer
from clipvip.model.video_encoder import has_temporal
from clipvip.runtime.content import content_of, local_path
from clipvip.runtime.context import Run


def make(settings: WeightsCell, inputs: dict[str, Path], out: Path, run: Run) -> dict[str, Any]:
    """The model under out/model, complete and of the asked shape.

    The authors' file holds no configuration and no tokenizer: those of the starting CLIP, inputs["clip"], are taken.
    ValueError where the content is not the one that the key was made of, where a tensor is missing, surplus, misshapen
    or not finite, and where proxies, frames or the shape are not those of the settings.
    """
    if (found := content_of(settings.source)) != settings.content:
        raise ValueError(
            f"{settings.source}: changed since the workflow began ({found[:21]}, not {settings.content[:21]}); start "
            "it again"
        )
    place, clip, folder = local_path(settings.source, settings.content), inputs["clip"] / "model", out / "model"
    own = from_official(place, clip, folder) if place.is_file() else _copy(place, clip, folder, settings.source)
    _agree(own, settings, folder)
    model = ClipVip.from_pretrained(folder)
    try:
        read_tokenizer(folder, model.config.text_config.vocab_size)
    except ValueError as error:  # speaks of a copy
        raise ValueError(str(error).replace(str(folder), settings.source)) from None
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return {"source": settings.source, "source_content": settings.content, "parameters": parameters}


def _copy(place: Path, clip: Path, folder: Path, source: str) -> ModelSettings:
    """A CLIP-ViP folder through its model, which looks at every tensor; without a tokenizer, the starting CLIP's."""
    own = own_settings(place)
    if own is None:
        raise ValueError(
            f"{source}: a plain CLIP, no CLIP-ViP; give it as clip: {{source: ...}}, or convert the authors' file with "
            "`clipvip convert`"
        )
    model = ClipVip.from_pretrained(place)
    model.save_pretrained(folder)
    if not has_tokenizer(folder):
        if (theirs := read_config(clip).text_config.vocab_size) != model.config.text_config.vocab_size:
            raise ValueError(
                f"{source}: has no tokenizer, and {model.config.text_config.vocab_size} tokens where the starting CLIP "
                f"has {theirs}; put its tokenizer files into the folder"
            )
        copy_tokenizer(str(clip), folder)
    return own


def _agree(found: ModelSettings, settings: WeightsCell, folder: Path) -> None:
    """The model is the one that the variant describes."""
    asked, side = settings.model, read_config(folder).vision_config.image_size
    pairs: dict[str, tuple[Any, Any]] = {
        "model.pooling": (found.pooling, asked.pooling),
        "model.num_frames": (found.num_frames, asked.num_frames),
        "frames.size": (side, settings.size),
    }
    if found.pooling == "proxies":
        pairs["model.num_proxies"] = (found.num_proxies, asked.num_proxies)
    pairs["model.temporal"] = (has_temporal(found), has_temporal(asked))
    differs = {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}
    if told := [f"{key} is {there!r} there, asked is {wanted!r}" for key, (there, wanted) in differs.items()]:
        raise ValueError(f"{settings.source}: {'; '.join(told)}; set what the weights have")
