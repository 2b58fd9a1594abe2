"""A model with its tokenizer: video files and texts in, embeddings out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from clipvip.data.media.sampled_frames import read_frames
from clipvip.data.media.video import resize
from clipvip.evaluation.embedding import embed_texts
from clipvip.model.clip_vip import ClipVip
from clipvip.model.model_folder import own_settings
from clipvip.model.source import read_tokenizer

Frames = UInt8[np.ndarray, "frames height width 3"]


@dataclass(frozen=True)
class Encoder:
    """What `load` gives. Embeddings have length one, so that a dot product is the cosine similarity."""

    model: ClipVip
    tokenizer: Any

    @torch.inference_mode()
    def encode_video(
        self,
        videos: Sequence[str | Path | Frames],
        *,
        num_frames: int | None = None,
        resize_to: Literal["squash", "crop"] = "squash",
    ) -> Float[Tensor, "videos dim"]:
        """Videos, each a file or its frames as `read_frames` gives them, as fp32 rows on the CPU.

        Of files `num_frames` are taken (the model's own number where not given). Raises VideoError for a file that
        cannot be read, ValueError for no videos.
        """
        if not len(videos):
            raise ValueError("no videos to encode")
        side, wanted = self.model.config.vision_config.image_size, num_frames or self.model.settings.num_frames
        rows = []
        for video in videos:
            frames = video if isinstance(video, np.ndarray) else read_frames(video, wanted)
            pixels = torch.from_numpy(resize(frames, side, resize_to))[None].to(self.model.logit_scale.device)
            rows.append(self.model.encode_video(pixels).float().cpu())
        return torch.cat(rows)

    def encode_text(self, texts: Sequence[str]) -> Float[Tensor, "texts dim"]:
        """Texts as fp32 rows on the CPU; what is longer than the model's text tower reads is cut there.

        Raises ValueError for no texts.
        """
        if not texts:
            raise ValueError("no texts to encode")
        return embed_texts(self.model, self.tokenizer, texts, self.model.config.text_config.max_position_embeddings)


def load(source: str | Path, *, device: str = "cpu") -> Encoder:
    """The model in a folder that this project wrote, or any CLIP (folder or hub id), whose frames are then averaged.

    Raises ValueError where there is no such model.

    Example:
        >>> encoder = clipvip.load("results/cells/finetune/0123456789ab/model")  # doctest: +SKIP
        >>> videos = encoder.encode_video(["a.mp4", "b.mp4"])  # doctest: +SKIP
        >>> texts = encoder.encode_text(["a red ring grows"])  # doctest: +SKIP
        >>> (texts @ videos.T).argmax(dim=1)  # the video that fits each text best  # doctest: +SKIP
    """
    pooling: Literal["mean"] | None = None if own_settings(source) else "mean"  # new proxies would be noise
    model = ClipVip.from_pretrained(source, pooling=pooling).to(device).eval()
    return Encoder(model, read_tokenizer(source, model.config.text_config.vocab_size))
