"""What `make rehearse` builds: tokenizers of the true size, and corpora that the readers of the public formats take."""

from pathlib import Path

import numpy as np
import pytest
from rehearsal import corpora, models

from clipvip.config.base import read_yaml
from clipvip.config.data import CorpusSettings
from clipvip.corpora.corpus_stage import make
from clipvip.corpora.synthetic.media import write_video
from clipvip.data import manifest
from clipvip.runtime.context import Run

ROOT = Path(__file__).parents[2]


def test_clips_tokenizer_has_its_entries_and_ends_texts_as_clips_does() -> None:
    tokenizer = models.clip_tokenizer()
    assert len(tokenizer) == 49_408
    config = models.clip_config(32).text_config
    ids = tokenizer("A red circle grows, twice")["input_ids"]
    assert (ids[0], ids[-1]) == (49_406, 49_407) == (config.bos_token_id, config.eos_token_id)
    assert len(ids) < 15  # words of several letters, not of bytes
    assert tokenizer.decode(ids, skip_special_tokens=True).strip() == "a red circle grows , twice"


def test_gits_tokenizer_has_its_entries_and_berts_special_ones() -> None:
    tokenizer = models.git_tokenizer()
    assert len(tokenizer) == 30_522
    assert [tokenizer.pad_token_id, tokenizer.unk_token_id, tokenizer.cls_token_id] == [0, 100, 101]
    assert [tokenizer.sep_token_id, tokenizer.mask_token_id] == [102, 103]


@pytest.mark.parametrize("film", [False, True], ids=["generated", "of a film"])
def test_the_corpora_are_read_as_the_papers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, film: bool) -> None:
    monkeypatch.setattr(corpora, "PIXELS", 64)
    source = None
    if film:
        source = tmp_path / "film.mp4"
        shown = np.random.default_rng(0).integers(0, 255, (240, 72, 128, 3), dtype=np.uint8)
        write_video(source, shown, 24.0)
    corpora.write(tmp_path / "corpora", source)
    small = read_yaml(ROOT / "experiments/rehearsal.yaml")["corpora"]
    for name, settings in read_yaml(ROOT / "experiments/base_32.yaml")["corpora"].items():
        folder = small[name]["root"].removeprefix("data/rehearsal/")
        whole = CorpusSettings.model_validate({**settings, **small[name], "root": str(tmp_path / folder)})
        out = tmp_path / "cells" / name
        out.mkdir(parents=True)
        facts = make(whole, {}, out, Run(work=tmp_path))
        own = corpora.CORPORA[Path(folder).name].clips
        found = {split: manifest.read(out, split=split)["clip_id"].nunique() for split in ("train", "val", "test")}
        held = whole.holdout
        assert found["train"] == own["train"] - held, (name, facts)
        assert found["val"] == own.get("val", 0) + held
        assert found["test"] == own.get("test", 0)
        assert found["train"] >= 4  # what the language gap needs
