"""CLIP-ViP: the video encoder and the text tower of an image-text model, read from folders and written to them."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float, Int, UInt8
from safetensors.torch import save_file
from torch import Tensor, nn

from clipvip.config.base import build
from clipvip.config.learning import ModelSettings
from clipvip.model.model_folder import WEIGHTS, copy_tokenizer, own_settings, read_model, write_config
from clipvip.model.pixels import CLIP_PIXELS, Pixels, read_pixels
from clipvip.model.text_encoder import padded_text_features, text_features
from clipvip.model.video_encoder import VideoEncoder, has_temporal, resample, unit

MAX_LOGIT_SCALE = math.log(200)


class ClipVip(nn.Module):
    """Two towers and a temperature. `source` is where the tokenizer files are, if known."""

    def __init__(
        self,
        clip: Any,
        settings: ModelSettings,
        generator: torch.Generator | None = None,
        source: str | None = None,
        pixels: Pixels = CLIP_PIXELS,
    ) -> None:
        super().__init__()
        if clip.config.vision_config.attention_dropout or clip.config.text_config.attention_dropout:
            where = f"{source}: " if source else ""
            raise ValueError(f"{where}attention_dropout of its config.json is not 0; this model has none: set it to 0")
        self.config = clip.config
        self.settings = settings
        self.source = source
        self.siglip = clip.config.model_type == "siglip"  # no projections, a bias that a softmax does not see
        projection = nn.Identity() if self.siglip else clip.visual_projection
        self.video = VideoEncoder(clip.vision_model, projection, settings, generator, pixels)
        self.text_model = clip.text_model
        self.text_projection = nn.Identity() if self.siglip else clip.text_projection
        self.logit_scale = nn.Parameter(clip.logit_scale.detach().reshape(())) if self.siglip else clip.logit_scale
        if self.siglip:
            self.logit_bias = nn.Parameter(clip.logit_bias.detach(), requires_grad=False)

    @property
    def dim(self) -> int:
        """Size of the shared embedding [channels]."""
        text = self.config.text_config
        return int(text.projection_size if self.siglip else self.config.projection_dim)

    @classmethod
    def from_clip(cls, clip: Any, settings: ModelSettings, generator: torch.Generator | None = None) -> "ClipVip":
        """Around the modules of a transformers `CLIPModel` (shared, not copied); `generator` draws what is new."""
        return cls(clip, settings, generator)

    @classmethod
    def from_pretrained(
        cls,
        source: str | Path,
        settings: ModelSettings | None = None,
        *,
        num_proxies: int | None = None,
        num_frames: int | None = None,
        pooling: Literal["mean", "proxies", "full"] | None = None,
        temporal: bool | None = None,
        proxy_std: float | None = None,
        temporal_std: float | None = None,
        patch_dropping: float | None = None,
        seed: int | None = None,
        override: bool = False,
    ) -> "ClipVip":
        """From any transformers CLIP or SigLIP (folder or hub id), or what `save_pretrained` of ours wrote; in fp32.

        What is not given (as `settings`, or one by one) is taken from our folder's own settings, else from the
        defaults of `ModelSettings` (4 proxies, 12 frames). For a folder of ours another `num_frames` stretches its
        temporal embedding; another pooling, number of proxies or use of time is refused unless `override` is given:
        then what both have is kept and what is new is drawn by `seed`. ValueError for weights that are not complete.
        """
        named: dict[str, Any] = {
            "num_proxies": num_proxies,
            "num_frames": num_frames,
            "pooling": pooling,
            "temporal": temporal,
            "proxy_std": proxy_std,
            "temporal_std": temporal_std,
            "patch_dropping": patch_dropping,
        }
        given = settings.model_dump() if settings else {}
        given |= {key: value for key, value in named.items() if value is not None}
        found = own_settings(source)
        settings = build(ModelSettings, {**(found.model_dump() if found else {}), **given}, str(source))
        if found and not override:
            _refuse_changes(found, settings, source)
        clip, own = read_model(source, found)
        generator = None if seed is None else torch.Generator().manual_seed(seed)
        model = cls(clip, settings, generator, str(source), read_pixels(source, clip.config.model_type))
        model._take_own(own)
        return model

    @torch.no_grad()
    def _take_own(self, tensors: Mapping[str, Tensor]) -> None:
        """Proxies (as many as both have) and the temporal embedding (stretched) of a folder of ours."""
        if self.video.proxies is not None and "proxies" in tensors:
            rows = min(len(self.video.proxies), len(tensors["proxies"]))
            self.video.proxies[:rows] = tensors["proxies"][:rows]
        if self.video.temporal_embedding is not None and "temporal_embedding" in tensors:
            stretched = resample(tensors["temporal_embedding"].float(), len(self.video.temporal_embedding))
            self.video.temporal_embedding.copy_(stretched)

    def save_pretrained(self, folder: str | Path) -> None:
        """config.json, model.safetensors and, where it came from a source that has them, the tokenizer files."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        write_config(self.config, self.settings, folder)
        save_file(self.named_tensors(), folder / WEIGHTS, metadata={"format": "pt"})
        if self.source is not None:
            copy_tokenizer(self.source, folder, self.video.pixels, self.config.model_type)

    def named_tensors(self) -> dict[str, Tensor]:
        """All weights by the names transformers gives them, ours beside them."""
        found = {name.removeprefix("video."): value.contiguous() for name, value in self.state_dict().items()}
        if self.siglip:
            found["logit_scale"] = found["logit_scale"].reshape(1)
        return found

    def encode_video(
        self, pixels: Float[Tensor, "batch frames 3 height width"] | UInt8[Tensor, "batch frames height width 3"]
    ) -> Float[Tensor, "batch dim"]:
        """Videos, normalised or as decoded (uint8, channels last), as vectors of length one."""
        embedding: Tensor = self.video(pixels)
        return embedding

    def encode_text(
        self, input_ids: Int[Tensor, "batch tokens"], attention_mask: Int[Tensor, "batch tokens"] | None = None
    ) -> Float[Tensor, "batch dim"]:
        """Texts, padded on the right, as vectors of length one."""
        if self.siglip:
            return unit(padded_text_features(self.text_model, input_ids, attention_mask))
        return unit(self.text_projection(text_features(self.text_model, input_ids, attention_mask)))

    def forward(
        self, pixels: Mapping[str, Tensor], input_ids: Mapping[str, Tensor] | None = None
    ) -> dict[str, Float[Tensor, "batch dim"]]:
        """Embeddings by role. Texts of all roles share one pass; they are as long as they are up to end-of-text."""
        embeddings = {role: self.encode_video(values) for role, values in pixels.items()}
        if input_ids:
            longest = max(ids.shape[1] for ids in input_ids.values())
            pad = self.config.text_config.pad_token_id if self.siglip else 0
            padded = [nn.functional.pad(ids, (0, longest - ids.shape[1]), value=pad) for ids in input_ids.values()]
            parts = torch.split(self.encode_text(torch.cat(padded)), [len(ids) for ids in padded])
            embeddings |= dict(zip(input_ids, parts, strict=True))
        return embeddings

    @torch.no_grad()
    def clamp_logit_scale(self) -> None:
        """Keeps the temperature's factor within 1 and 200, as after every step of training."""
        self.logit_scale.clamp_(0.0, MAX_LOGIT_SCALE)


def _refuse_changes(found: ModelSettings, asked: ModelSettings, source: str | Path) -> None:
    changes: dict[str, tuple[Any, Any]] = {
        "pooling": (found.pooling, asked.pooling),
        "temporal": (has_temporal(found), has_temporal(asked)),
    }
    if found.pooling == "proxies":
        changes["num_proxies"] = (found.num_proxies, asked.num_proxies)
    if told := [f"{key} is {old!r}, asked is {new!r}" for key, (old, new) in changes.items() if old != new]:
        raise ValueError(f"{source}: {'; '.join(told)}; leave it out, or give override=True to change the model")
