"""The tokenizer of the small world: merges by hand, the same in every process, nothing that it cannot write."""

import subprocess
import sys
from pathlib import Path

import pytest

from clipvip.model.model_folder import save_tokenizer
from clipvip.model.tokenizer import learn_merges, train_tokenizer

TEXTS = ["a red ring turns blue", "The ring grows, then it shrinks!", "in 2 rings"]


def test_merges_by_hand() -> None:
    # "ab" twice, "abc" once: a-b</w> counts 2, a-b 1, b-c</w> 1; then a-b before b-c</w> by its letters.
    assert learn_merges(["ab ab abc"], 9) == [("a", "b</w>"), ("a", "b"), ("ab", "c</w>")]
    assert learn_merges(["ab ab abc"], 1) == [("a", "b</w>")]


def test_known_words_are_one_piece_and_every_text_can_be_written() -> None:
    tokenizer = train_tokenizer(TEXTS * 3, 1000, 77)
    assert len(tokenizer("ring turns blue").input_ids) == 5
    for text in ("ring", "a crimson zebra", "naïve café 4 – 日本"):
        ids = tokenizer(text).input_ids
        assert ids[0] == tokenizer.bos_token_id
        assert ids.index(tokenizer.eos_token_id) == len(ids) - 1  # nothing unknown stands for an end of text
        assert tokenizer.decode(ids, skip_special_tokens=True).strip() == text.lower()


def test_its_files_do_not_tell_what_it_was_last_asked(tmp_path: Path) -> None:
    tokenizer = train_tokenizer(TEXTS * 3, 1000, 77)
    ways = ({}, {"truncation": True, "max_length": 5}, {"truncation": True, "max_length": 9, "padding": True})
    for number, how in enumerate(ways):
        tokenizer(TEXTS, **how)
        save_tokenizer(tokenizer, tmp_path / str(number))
    names = sorted(path.name for path in (tmp_path / "0").iterdir())
    assert "tokenizer.json" in names
    for name in names:
        assert len({(tmp_path / str(number) / name).read_bytes() for number in range(len(ways))}) == 1


def test_every_process_learns_the_same() -> None:
    code = f"from clipvip.model.tokenizer import learn_merges; print(learn_merges({TEXTS!r}, 60))"
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(2)]
    assert runs[0].stdout == runs[1].stdout == f"{learn_merges(TEXTS, 60)}\n"


def test_too_small_a_vocabulary_is_refused() -> None:
    with pytest.raises(ValueError, match=r"vocab_size: 100 pieces; the bytes alone need 514"):
        train_tokenizer(TEXTS, 100, 77)
