"""An image-to-text model of transformers (GIT, BLIP, ...) with its processor."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8

from clipvip.config.learning import CaptionsSettings
from clipvip.model.model_folder import save_tokenizer
from clipvip.model.source import refuse_code
from clipvip.runtime.content import refuse_absent


@dataclass(frozen=True)
class Captioner:
    """A processor and an image-to-text model."""

    processor: Any
    model: Any

    @classmethod
    def load(cls, source: str | Path, device: str = "cpu") -> "Captioner":
        """From a transformers folder or hub id, in fp32. ValueError if it is none."""
        from transformers import AutoModelForImageTextToText, AutoProcessor

        try:
            refuse_absent(str(source))
            processor = AutoProcessor.from_pretrained(source, trust_remote_code=False)
            model = AutoModelForImageTextToText.from_pretrained(source, dtype=torch.float32, trust_remote_code=False)
        except (OSError, ValueError) as error:
            refuse_code(f"captioner.source: {str(source)!r}", error)
            said = str(error).strip().splitlines()[0]
            raise ValueError(f"captioner.source: {str(source)!r} is no image-to-text model: {said}") from None
        return cls(processor, model.eval().to(device))

    def save(self, folder: Path) -> None:
        """Write the folder that `load` reads."""
        save_tokenizer(self.processor, folder)
        self.model.save_pretrained(folder)

    @torch.inference_mode()
    def write(self, images: Sequence[UInt8[np.ndarray, "height width 3"]], settings: CaptionsSettings) -> list[str]:
        """A caption for each image, white space made single; "" where the model says nothing."""
        pixels = self.processor.image_processor(list(images), return_tensors="pt")["pixel_values"]
        tokens = self.model.generate(
            pixel_values=pixels.to(self.model.device),
            max_new_tokens=settings.max_tokens,
            num_beams=settings.num_beams,
            do_sample=False,
        )
        texts = self.processor.batch_decode(tokens, skip_special_tokens=True)
        return [" ".join(text.split()) for text in texts]
