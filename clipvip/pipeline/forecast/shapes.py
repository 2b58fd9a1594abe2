"""Shapes of the models that an experiment names, without their weights."""

from typing import Any

from clipvip.config.learning import CaptionerSettings, CaptionsSettings, ClipSettings
from clipvip.model.tiny_clip import tiny_clip_config

# Published ones, so that a plan needs no download: patch size, and what differs from the configuration's defaults.
CLIPS: dict[str, dict[str, Any]] = {
    "openai/clip-vit-base-patch32": {},
    "openai/clip-vit-base-patch16": {"vision_config": {"patch_size": 16}},
    "openai/clip-vit-large-patch14": {
        "projection_dim": 768,
        "vision_config": {
            "hidden_size": 1024,
            "intermediate_size": 4096,
            "num_hidden_layers": 24,
            "num_attention_heads": 16,
            "patch_size": 14,
        },
        "text_config": {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12},
    },
}
_LARGE = {"hidden_size": 1024, "intermediate_size": 4096, "num_attention_heads": 16}
CAPTIONERS: dict[str, dict[str, Any]] = {
    "microsoft/git-base-coco": {},
    "microsoft/git-large-coco": {
        **_LARGE,
        "num_hidden_layers": 6,
        "vision_config": {**_LARGE, "num_hidden_layers": 24, "patch_size": 14},
    },
}


def clip_config(settings: ClipSettings) -> Any:
    """The transformers configuration of the starting CLIP. ValueError where it cannot be known without a download."""
    from transformers import CLIPConfig

    if settings.shape is None:
        assert settings.source is not None
        known = CLIPS.get(settings.source)
        return _local("clip.source", settings.source) if known is None else CLIPConfig(**known)
    size = settings.shape.vocab_size
    return tiny_clip_config(settings.shape, size, bos=size - 2, eos=size - 1, pad=size - 1)


def parameters(config: Any) -> int:
    """Weights of a model of this configuration."""
    import torch
    from transformers import AutoModel

    with torch.device("meta"):
        return int(AutoModel.from_config(config).num_parameters())


def caption_flops(settings: CaptionerSettings, captions: CaptionsSettings) -> float:
    """One frame captioned [FLOP]: image encoder and text decoder of a GIT, for each beam, as transformers repeats the
    picture. Captions that are imported cost none."""
    from transformers import GitConfig

    if settings.imported is not None:
        return 0.0
    if settings.shape is not None:
        own = settings.shape
        layers = {"hidden_size": own.width, "intermediate_size": 4 * own.width, "num_attention_heads": own.heads}
        vision = {"image_size": own.image_size, "patch_size": own.patch_size, "num_hidden_layers": own.vision_layers}
        config = GitConfig(vision_config={**layers, **vision}, **layers, num_hidden_layers=own.text_layers)
    else:
        assert settings.source is not None
        known = CAPTIONERS.get(settings.source)
        config = _local("captioner.source", settings.source) if known is None else GitConfig(**known)
    eye = config.vision_config
    patches = (eye.image_size // eye.patch_size) ** 2 + 1
    seen = eye.num_hidden_layers * patches * _token(eye, patches)
    length = patches + captions.max_tokens
    told = config.num_hidden_layers * length * _token(config, length)
    words = captions.max_tokens * 2 * config.hidden_size * config.vocab_size
    return float(captions.num_beams * (seen + told + words))


def _token(tower: Any, others: int) -> int:
    """A layer for one token that looks at others."""
    return int(8 * tower.hidden_size**2 + 4 * tower.hidden_size * (tower.intermediate_size + others))


def _local(key: str, source: str) -> Any:
    """The configuration of a folder, or of what was downloaded before."""
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(source, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError):
        known = ", ".join([*CLIPS, *CAPTIONERS])
        raise ValueError(
            f"{key}: the shape of {source!r} is not known here; download it, or name one of {known}"
        ) from None
