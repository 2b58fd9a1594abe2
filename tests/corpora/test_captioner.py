"""Real GIT and BLIP folders of random weights, as they are taken for captioners."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from caption_files import COLOURS, SIDE, write_git
from transformers import BlipConfig, BlipForConditionalGeneration, BlipImageProcessorPil, BlipProcessor

from clipvip.config.learning import CaptionerSettings, CaptionsSettings
from clipvip.corpora.captions.captioner import Captioner
from clipvip.runtime.context import Run
from clipvip.training import tiny_captioner
from clipvip.training.captioner_stage import make


def noise(count: int) -> list[np.ndarray]:
    return list(np.random.default_rng(0).integers(0, 256, (count, SIDE, SIDE, 3), dtype=np.uint8))


def words_tokenizer() -> Any:
    return tiny_captioner.make_tokenizer([f"a {colour} picture" for colour in COLOURS], 60)


@pytest.fixture(scope="module")
def git_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_git(tmp_path_factory.mktemp("git"))


@pytest.fixture(scope="module")
def blip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("blip")
    tokenizer = words_tokenizer()
    layer = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    ids = {"bos_token_id": tokenizer.cls_token_id, "eos_token_id": tokenizer.sep_token_id, "pad_token_id": 0}
    text = {**layer, **ids, "sep_token_id": tokenizer.sep_token_id, "encoder_hidden_size": 16}
    torch.manual_seed(1)
    model = BlipForConditionalGeneration(
        BlipConfig(
            text_config={**text, "vocab_size": len(tokenizer), "initializer_range": 0.5},
            vision_config={**layer, "image_size": SIDE, "patch_size": 8, "initializer_range": 0.5},
        )
    )
    images = BlipImageProcessorPil(size={"height": SIDE, "width": SIDE})
    Captioner(BlipProcessor(images, tokenizer), model).save(folder)
    return folder


@pytest.mark.parametrize("kind", ["git", "blip"])
@pytest.mark.parametrize("num_beams", [1, 2])
def test_source_is_kept_and_writes_what_plain_generation_writes(
    kind: str, num_beams: int, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    source = request.getfixturevalue(f"{kind}_folder")
    facts = make(CaptionerSettings(source=str(source)), {}, tmp_path, Run(work=tmp_path))
    assert facts["source"] == str(source)
    images, ours = noise(5), Captioner.load(tmp_path / "model")
    found = ours.write(images, CaptionsSettings(max_tokens=6, num_beams=num_beams))
    slow = Captioner.load(source)
    for image, text in zip(images, found, strict=True):  # one image at a time, without a key-value cache
        pixels = slow.processor(images=[image], return_tensors="pt")["pixel_values"]
        ids = slow.model.generate(
            pixel_values=pixels, max_new_tokens=6, num_beams=num_beams, do_sample=False, use_cache=False
        )
        assert text == slow.processor.tokenizer.decode(ids[0], skip_special_tokens=True)
    assert any(found)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"captioner.source: .*/nothing' is no image-to-text model"):
        make(CaptionerSettings(source=str(tmp_path / "nothing")), {}, tmp_path, Run(work=tmp_path))
