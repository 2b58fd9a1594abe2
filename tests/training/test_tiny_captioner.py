"""Training repeats exactly and minimises what it says; settings that make no captioner are refused."""

from pathlib import Path

import pytest
import torch
from caption_files import COLOURS, OPTIM, SHAPE, SIDE, TRAINED, write_corpus

from clipvip.config.data import FramesSettings
from clipvip.config.learning import CaptionerSettings
from clipvip.corpora.captions.captioner import Captioner
from clipvip.data import frame_cache
from clipvip.runtime.context import Run
from clipvip.training import tiny_captioner
from clipvip.training.captioner_stage import make


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("coco"), {"train": 24})


def test_tokenizer_spells_what_it_does_not_know_and_keeps_to_its_size() -> None:
    texts = ["a red ring", "a red cross", "a ring"]
    tokenizer = tiny_captioner.make_tokenizer(texts, 60)
    assert tokenizer.tokenize("A red ring") == ["a", "red", "ring"]
    assert tokenizer.tokenize("nose") == ["n", "##o", "##s", "##e"]
    assert tokenizer.decode(tokenizer("a red nose")["input_ids"], skip_special_tokens=True) == "a red nose"
    signs = len(set("".join(texts)) - {" "})
    small = tiny_captioner.make_tokenizer(texts, 5 + 2 * signs + 1)
    assert small.tokenize("red cross ring") == ["red", "c", "##r", "##o", "##s", "##s", "r", "##i", "##n", "##g"]


def test_training_repeats_exactly_and_the_frame_cache_changes_nothing(corpus: Path, tmp_path: Path) -> None:
    frame_cache.make(FramesSettings(size=SIDE), {"corpus": corpus}, tmp_path, Run(work=tmp_path))
    settings = TRAINED.model_copy(update={"optim": OPTIM.model_copy(update={"steps": 5})})
    runs = [
        tiny_captioner.train(settings, inputs, Run(work=tmp_path))
        for inputs in ({"corpus": corpus}, {"corpus": corpus, "frames": tmp_path})
    ]
    (one, model, history), (two, other, again) = runs
    assert history == again
    assert one.tokenizer.get_vocab() == two.tokenizer.get_vocab()
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))


def test_loss_is_the_cross_entropy_of_the_next_piece_by_hand(corpus: Path) -> None:
    processor = tiny_captioner.make_processor([f"a {colour} picture" for colour in COLOURS], SHAPE)
    torch.manual_seed(1)
    loaded = Captioner(processor, tiny_captioner.make_model(SHAPE, processor.tokenizer).eval())
    clips = tiny_captioner.open_clips({"corpus": corpus}, FramesSettings(size=SIDE))
    texts = {"train000": ["a red picture"], "train001": ["green"]}
    batch = tiny_captioner.Batches(
        clips=clips, clip_ids=list(texts), texts={"caption": texts}, tokenizer=loaded.processor.tokenizer,
        num_frames=1, max_tokens=9, batch_size=2, seed=0,
    )[0]  # fmt: skip
    with torch.no_grad():
        found = tiny_captioner.loss_of(loaded.model, loaded.processor, batch)
        total, count = 0.0, 0
        for image, ids in zip(batch.video[:, 0], batch.input_ids, strict=True):
            pieces = [int(piece) for piece in ids if piece != loaded.processor.tokenizer.pad_token_id]
            pixels = loaded.processor.image_processor([image.numpy()], return_tensors="pt")["pixel_values"]
            for end in range(1, len(pieces)):  # one prefix at a time
                logits = loaded.model(pixel_values=pixels, input_ids=torch.tensor([pieces[:end]])).logits[0, -1]
                total -= float(torch.log_softmax(logits, dim=0)[pieces[end]])
                count += 1
    assert float(found) == pytest.approx(total / count, rel=1e-4)


def test_neither_source_nor_training_is_refused() -> None:
    with pytest.raises(ValueError, match="give either `source`"):
        CaptionerSettings()


def test_another_precision_is_refused(corpus: Path, tmp_path: Path) -> None:
    settings = TRAINED.model_copy(update={"optim": OPTIM.model_copy(update={"precision": "bf16"})})
    with pytest.raises(ValueError, match="trains in fp32"):
        make(settings, {"corpus": corpus}, tmp_path, Run(work=tmp_path))


def test_frames_of_another_size_are_refused(corpus: Path, tmp_path: Path) -> None:
    frame_cache.make(FramesSettings(size=8), {"corpus": corpus}, tmp_path, Run(work=tmp_path))
    with pytest.raises(ValueError, match="image_size is 16, the frame cache holds 8 px"):
        tiny_captioner.train(TRAINED, {"corpus": corpus, "frames": tmp_path}, Run(work=tmp_path))
