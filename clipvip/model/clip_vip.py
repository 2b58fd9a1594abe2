"""CLIP-ViP: the video encoder and CLIP's text tower, and how their weights are read, written and decayed.

A folder of ours is a transformers CLIP folder with a section `clip_vip` in its config.json and up to two tensors more
(`proxies`, `temporal_embedding`): transformers' own CLIPModel opens it as the plain CLIP inside.
"""

import json
import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float, Int, UInt8
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import AutoTokenizer, CLIPConfig, CLIPModel
from transformers.utils import CONFIG_NAME
from transformers.utils.logging import disable_progress_bar

from clipvip.config.base import build
from clipvip.config.learning import ModelSettings
from clipvip.model.text_encoder import text_features
from clipvip.model.video_encoder import VideoEncoder, has_temporal, resample, unit
from clipvip.runtime.files import write_whole

disable_progress_bar()  # a bar for each file of weights says nothing
MAX_LOGIT_SCALE = math.log(200)
OWN = ("proxies", "temporal_embedding")
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
    "merges.txt",
    "special_tokens_map.json",
    "added_tokens.json",
    "preprocessor_config.json",
)


class _PlainClip(CLIPModel):  # type: ignore[misc]
    """CLIPModel that does not report our own tensors as left over."""

    _keys_to_ignore_on_load_unexpected = [r"^proxies$", r"^temporal_embedding$"]  # noqa: RUF012


class ClipVip(nn.Module):
    """Two towers and a temperature. `source` is where the tokenizer files are, if known."""

    def __init__(
        self, clip: Any, settings: ModelSettings, generator: torch.Generator | None = None, source: str | None = None
    ) -> None:
        super().__init__()
        if clip.config.vision_config.attention_dropout or clip.config.text_config.attention_dropout:
            raise ValueError("attention_dropout of the CLIP configuration is not 0; this model has no dropout")
        self.config = clip.config
        self.settings = settings
        self.source = source
        self.video = VideoEncoder(clip.vision_model, clip.visual_projection, settings, generator)
        self.text_model = clip.text_model
        self.text_projection = clip.text_projection
        self.logit_scale = clip.logit_scale

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
        """From any transformers CLIP (folder or hub id), or from what `save_pretrained` of ours wrote; in fp32.

        What is not given (as `settings`, or one by one) is taken from our folder's own settings, else from the
        defaults of `ModelSettings` (4 proxies, 12 frames). For a folder of ours another `num_frames` stretches its
        temporal embedding; another pooling, number of proxies or use of time is refused unless `override` is given:
        then what both have is kept and what is new is drawn by `seed`.
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
        generator = None if seed is None else torch.Generator().manual_seed(seed)
        model = cls(_read_clip(source), settings, generator, str(source))
        if found:
            model._take_own(load_file(Path(source) / "model.safetensors"))
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
        save_file(self.named_tensors(), folder / "model.safetensors", metadata={"format": "pt"})
        if self.source is not None:
            copy_tokenizer(self.source, folder)

    def named_tensors(self) -> dict[str, Tensor]:
        """All weights by the names transformers gives them, ours beside them."""
        return {name.removeprefix("video."): value.contiguous() for name, value in self.state_dict().items()}

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
        return unit(self.text_projection(text_features(self.text_model, input_ids, attention_mask)))

    def forward(
        self, pixels: Mapping[str, Tensor], input_ids: Mapping[str, Tensor] | None = None
    ) -> dict[str, Float[Tensor, "batch dim"]]:
        """Embeddings by role. Texts of all roles share one pass; they are as long as they are up to end-of-text."""
        embeddings = {role: self.encode_video(values) for role, values in pixels.items()}
        if input_ids:
            longest = max(ids.shape[1] for ids in input_ids.values())
            padded = [nn.functional.pad(ids, (0, longest - ids.shape[1])) for ids in input_ids.values()]
            parts = torch.split(self.encode_text(torch.cat(padded)), [len(ids) for ids in padded])
            embeddings |= dict(zip(input_ids, parts, strict=True))
        return embeddings

    @torch.no_grad()
    def clamp_logit_scale(self) -> None:
        """Keeps the temperature's factor within 1 and 200, as after every step of training."""
        self.logit_scale.clamp_(0.0, MAX_LOGIT_SCALE)


def param_groups(model: ClipVip, weight_decay: float, decay_all: bool = False) -> list[dict[str, Any]]:
    """AdamW groups: decayed, then undecayed.

    Undecayed are biases, layer norms, all proxies (CLIP's class embedding is the first), the temporal embedding and
    the temperature; decayed are the matrices, the patch kernel, and token and position embeddings. `decay_all` is
    the authors' code: biases and the temperature alone escape.
    """
    norms = {id(p) for part in model.modules() if isinstance(part, nn.LayerNorm) for p in part.parameters()}
    groups: tuple[list[nn.Parameter], list[nn.Parameter]] = ([], [])
    for name, parameter in model.named_parameters():
        free = name.endswith(".bias") or name == "logit_scale"
        if not decay_all:
            free |= id(parameter) in norms or name.rpartition(".")[2] in (*OWN, "class_embedding")
        groups[free].append(parameter)
    return [{"params": groups[0], "weight_decay": weight_decay}, {"params": groups[1], "weight_decay": 0.0}]


def own_settings(source: str | Path) -> ModelSettings | None:
    """The settings in a folder that `save_pretrained` of ours wrote; None for any other source."""
    path = Path(source) / CONFIG_NAME
    section = json.loads(path.read_text()).get("clip_vip") if path.is_file() else None
    return None if section is None else build(ModelSettings, section, f"{path}: clip_vip")


def write_config(config: CLIPConfig, settings: ModelSettings, folder: Path) -> None:
    """transformers' config.json with our section, without the place that the model was read from."""
    content = {**config.to_dict(), "architectures": ["CLIPModel"], "clip_vip": settings.model_dump()}
    content.pop("_name_or_path", None)
    write_whole(folder / CONFIG_NAME, json.dumps(content, indent=2, sort_keys=True) + "\n")


def copy_tokenizer(source: str, folder: Path) -> None:
    """The tokenizer of a folder (its files, where it has any) or of a hub id."""
    if not Path(source).is_dir():
        AutoTokenizer.from_pretrained(source).save_pretrained(folder)
        return
    for path in (Path(source) / name for name in TOKENIZER_FILES):
        if path.is_file() and path.parent.resolve() != folder.resolve():
            shutil.copyfile(path, folder / path.name)


def _refuse_changes(found: ModelSettings, asked: ModelSettings, source: str | Path) -> None:
    changes: dict[str, tuple[Any, Any]] = {
        "pooling": (found.pooling, asked.pooling),
        "temporal": (has_temporal(found), has_temporal(asked)),
    }
    if found.pooling == "proxies":
        changes["num_proxies"] = (found.num_proxies, asked.num_proxies)
    if told := [f"{key} is {old!r}, asked is {new!r}" for key, (old, new) in changes.items() if old != new]:
        raise ValueError(f"{source}: {'; '.join(told)}; leave it out, or give override=True to change the model")


def read_config(source: str | Path) -> CLIPConfig:
    """The configuration of the CLIP at `source`; ValueError where there is none or another model's."""
    try:
        content, _ = CLIPConfig.get_config_dict(str(source))
    except OSError as error:
        raise ValueError(f"{source}: not a CLIP folder or hub id: {error}") from None
    if (kind := content.get("model_type")) != "clip":
        raise ValueError(f"{source}: its config.json describes a {kind!r}, not a CLIP")
    return CLIPConfig.from_dict(content)


def _read_clip(source: str | Path) -> Any:
    """The CLIPModel at `source` in fp32; ValueError where it is none, or where a weight is missing."""
    read_config(source)
    try:
        clip, report = _PlainClip.from_pretrained(str(source), dtype=torch.float32, output_loading_info=True)
    except (OSError, RuntimeError) as error:
        raise ValueError(f"{source}: its weights cannot be read: {error}") from None
    if wrong := sorted(map(str, [*report["missing_keys"], *report["mismatched_keys"]])):
        raise ValueError(f"{source}: no CLIP with all its weights; missing or of another shape: {', '.join(wrong)}")
    return clip
