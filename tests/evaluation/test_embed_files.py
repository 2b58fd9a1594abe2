"""`clipvip embed`: files in, embeddings and their index out, equal to the model called by hand."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from tiny_clip_parts import tiny_tokenizer
from transformers import AutoTokenizer, CLIPConfig, CLIPModel
from video_files import write_video

from clipvip.__main__ import main
from clipvip.config.learning import ModelSettings
from clipvip.data.media.video import read_all, resize
from clipvip.model.clip_vip import ClipVip

TEXTS = ["a red circle grows", "", 'water, "and" grass', "the ring " * 60]


def noise(frames: int, height: int, width: int, seed: int) -> np.ndarray:
    """Slowly changing random pictures."""
    coarse = np.random.default_rng(seed).integers(0, 256, (frames, height // 16, width // 16, 3), dtype=np.uint8)
    return coarse.repeat(16, axis=1).repeat(16, axis=2)


@pytest.fixture
def media(tmp_path: Path) -> Path:
    """Three videos (one shorter than 12 frames, one in a folder below), a file that is none, a hidden one."""
    folder = tmp_path / "media"
    write_video(folder / "b.mp4", noise(30, 64, 96, seed=0))
    write_video(folder / "a, b.mp4", noise(5, 96, 64, seed=1))
    write_video(folder / "below" / "c.mp4", noise(16, 64, 64, seed=2))
    (folder / ".hidden").write_text("no video")
    return folder


@pytest.fixture
def text_file(tmp_path: Path) -> Path:
    path = tmp_path / "texts.txt"
    path.write_text("\n".join(TEXTS) + "\n")
    return path


def by_hand(model: ClipVip, path: Path, num_frames: int) -> torch.Tensor:
    """All frames decoded, some chosen by their index, one video at a time."""
    frames = read_all(path)
    last = len(frames) - 1
    chosen = [i * last // (num_frames - 1) for i in range(num_frames)]
    side = model.config.vision_config.image_size
    with torch.inference_mode():
        return model.encode_video(torch.from_numpy(resize(frames[chosen], side, "squash"))[None])[0]


def check(model: Path, media: Path, text_file: Path, out: Path, tokenizer_folder: Path) -> None:
    words = ["embed", str(model), "--videos", str(media), "--texts", str(text_file), "--out", str(out)]
    assert main([*words, "--batch-size", "2"]) == 0
    loaded = ClipVip.from_pretrained(model).eval()
    videos = pd.read_csv(out / "videos.csv")
    assert videos.to_dict("list") == {
        "row": [0, 1, 2],
        "path": ["a, b.mp4", "b.mp4", "below/c.mp4"],
        "frames": [5, 30, 16],
    }
    found = load_file(out / "videos.safetensors")["embeddings"]
    wanted = torch.stack([by_hand(loaded, media / path, 12) for path in videos["path"]])
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-5)
    assert not torch.allclose(found[0], found[1], atol=1e-3)
    texts = pd.read_csv(out / "texts.csv", keep_default_na=False)
    assert (list(texts["row"]), list(texts["text"])) == ([0, 1, 2, 3], TEXTS)
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_folder)
    found = load_file(out / "texts.safetensors")["embeddings"]
    for row, text in enumerate(TEXTS):
        ids = tokenizer([text], truncation=True, max_length=77, return_tensors="pt")["input_ids"]
        with torch.inference_mode():
            torch.testing.assert_close(found[row], loaded.encode_text(ids)[0], rtol=0, atol=1e-5)
    assert pd.read_csv(out / "unreadable.csv").empty


def test_equals_the_model_called_by_hand(
    tiny_clip_folder: Path, media: Path, text_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ClipVip.from_pretrained(tiny_clip_folder, seed=0).save_pretrained(tmp_path / "model")
    check(tmp_path / "model", media, text_file, tmp_path / "out", tiny_clip_folder)
    assert "1 of 4 are longer than 77 tokens" in capsys.readouterr().err
    with safe_open(tmp_path / "out" / "videos.safetensors", "pt") as file:
        assert file.metadata() == {"model": str(tmp_path / "model")}


@pytest.mark.slow
def test_the_published_shape(media: Path, text_file: Path, tmp_path: Path) -> None:
    tokenizer = tiny_tokenizer()
    special = {f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("bos", "eos", "pad")}
    torch.manual_seed(0)
    model = ClipVip.from_clip(CLIPModel(CLIPConfig(text_config=special)), ModelSettings())
    assert sum(parameter.numel() for parameter in model.parameters()) == 151_288_833
    model.save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    check(tmp_path / "model", media, text_file, tmp_path / "out", tmp_path / "model")


def test_unreadable_files_are_named_and_the_exit_code_says_so(
    tiny_clip_folder: Path, media: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = (media / "b.mp4").read_bytes()
    (media / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    (media / "words.txt").write_text("no video at all")
    words = ["embed", str(tiny_clip_folder), "--videos", str(media), "--out", str(tmp_path / "out")]
    assert main(words) == 3
    told = pd.read_csv(tmp_path / "out" / "unreadable.csv")
    assert list(told["path"]) == ["cut.mp4", "words.txt"]
    assert told["reason"].str.len().min() > 0
    assert list(pd.read_csv(tmp_path / "out" / "videos.csv")["row"]) == [0, 1, 2]
    assert "2 files could not be read" in capsys.readouterr().err
    for name in ("a, b.mp4", "b.mp4", "below"):
        target = media / name
        shutil.rmtree(target) if target.is_dir() else target.unlink()
    assert main(words) == 2
    assert "not one video could be read" in capsys.readouterr().err


def test_a_plain_clip_averages_its_frames(tiny_clip_folder: Path, media: Path, tmp_path: Path) -> None:
    words = ["embed", str(tiny_clip_folder), "--videos", str(media), "--num-frames", "4", "--out", str(tmp_path)]
    assert main(words) == 0
    model = ClipVip.from_pretrained(tiny_clip_folder, pooling="mean").eval()
    wanted = torch.stack([by_hand(model, media / path, 4) for path in ("a, b.mp4", "b.mp4", "below/c.mp4")])
    torch.testing.assert_close(load_file(tmp_path / "videos.safetensors")["embeddings"], wanted, rtol=0, atol=1e-5)
    assert not (tmp_path / "texts.csv").exists()


def test_missing_inputs_are_one_line(
    tiny_clip_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begin = ["embed", str(tiny_clip_folder), "--out", str(tmp_path / "out")]
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty.txt").touch()
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
    for words, told in (
        ([], "nothing to embed; give --videos, --texts or both"),
        (["--videos", str(tmp_path / "nowhere")], "nowhere: no such folder; give a folder of videos"),
        (["--videos", str(tmp_path / "empty")], "empty: holds no files"),
        (["--texts", str(tmp_path / "nowhere.txt")], "nowhere.txt: no such file; give a UTF-8 text file"),
        (["--texts", str(tmp_path / "empty.txt")], "empty.txt: is empty; give a UTF-8 text file"),
        (["--texts", str(tmp_path / "latin.txt")], "latin.txt: not UTF-8 at byte 3"),
    ):
        assert main([*begin, *words]) == 2
        assert told in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    with pytest.raises(SystemExit):
        main([*begin, "--batch-size", "0"])
