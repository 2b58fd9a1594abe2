"""Every way of loading names what is missing, surplus, misshapen or not a number, in one line."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import parity
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from clipvip.__main__ import main
from clipvip.evaluation.encoder import load
from clipvip.model.clip_vip import ClipVip
from clipvip.model.official_checkpoint import from_official, to_official

NORM = "vision_model.post_layernorm.weight"
Change = Callable[[dict[str, Tensor]], object]


def drop(tensors: dict[str, Tensor]) -> None:
    del tensors["proxies"], tensors["temporal_embedding"]


def spoil(tensors: dict[str, Tensor]) -> None:
    tensors[NORM] = tensors[NORM].index_fill(0, torch.tensor([3]), torch.nan)


FAULTS: dict[str, tuple[Change, str]] = {
    "missing": (drop, "missing: proxies, temporal_embedding"),
    "surplus": (lambda t: t.update(momentum=torch.zeros(2)), "surplus: momentum"),
    "misshapen": (
        lambda t: t.update(proxies=t["proxies"][:1]),
        r"of another shape: proxies \(\[1, 32\], not \[3, 32\]\)",
    ),
    "clip": (lambda t: t.pop(NORM), f"missing: {NORM}"),
    "shape": (lambda t: t.update({NORM: torch.ones(7)}), rf"of another shape: {NORM} \(\[7\], not \[32\]\)"),
    "nan": (spoil, f"not finite: {NORM}"),
    "infinite": (lambda t: t.update(proxies=t["proxies"] * torch.inf), "not finite: proxies"),
    "wrapped": (lambda t: t.update({f"module.{NORM}": t[NORM] + 1}), f"surplus: module.{NORM}"),
}


def damaged(source: Path, folder: Path, change: Change) -> Path:
    ClipVip.from_pretrained(source, seed=1, num_frames=3, temporal_std=0.3).save_pretrained(folder)
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file({name: t.contiguous() for name, t in tensors.items()}, folder / "model.safetensors", {"format": "pt"})
    return folder


@pytest.mark.parametrize(("change", "told"), FAULTS.values(), ids=FAULTS)
def test_a_damaged_folder_is_refused_by_every_reader(
    tiny_clip_folder: Path, tmp_path: Path, change: Change, told: str
) -> None:
    folder = damaged(tiny_clip_folder, tmp_path / "ours", change)
    readers: list[Callable[[], object]] = [
        lambda: ClipVip.from_pretrained(folder),
        lambda: ClipVip.from_pretrained(folder, pooling="mean", override=True),
        lambda: load(folder),
        lambda: to_official(folder, tmp_path / "out.pt"),
    ]
    for number, reader in enumerate(readers):
        official = told.replace("proxies", "(proxies|vision_model.embeddings.added_cls)")
        official = official.replace("temporal_embedding", "(vision_model.embeddings.)?temporal_embedding")
        with pytest.raises(ValueError, match=official if number == 3 else told) as caught:
            reader()
        assert "\n" not in str(caught.value)
        assert str(folder) in str(caught.value)
    assert not (tmp_path / "out.pt").exists()


def test_embed_says_it_in_one_line(tiny_clip_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = damaged(tiny_clip_folder, tmp_path / "ours", drop)
    (tmp_path / "texts.txt").write_text("a red ring\n")
    words = ["embed", str(folder), "--texts", str(tmp_path / "texts.txt"), "--out", str(tmp_path / "out")]
    assert main(words) == 2
    said = capsys.readouterr().err.strip()
    assert "missing: proxies, temporal_embedding; copy or convert it anew" in said
    assert "\n" not in said


@pytest.mark.parametrize("fault", ["no weights", "half of the weights", "no JSON", "a list"])
def test_a_folder_that_cannot_be_read_gives_one_line(
    tiny_clip_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], fault: str
) -> None:
    folder = damaged(tiny_clip_folder, tmp_path / "ours", lambda t: None)
    weights, config = folder / "model.safetensors", folder / "config.json"
    if fault == "no weights":
        weights.unlink()
    elif fault == "half of the weights":
        weights.write_bytes(weights.read_bytes()[:4000])
    else:
        config.write_text("{" if fault == "no JSON" else "[]")
    assert main(["convert", str(folder), "--to-official", str(tmp_path / "out.pt")]) == 2
    said = capsys.readouterr().err.strip()
    assert "\n" not in said
    assert str(folder) in said
    assert "anew" in said
    with pytest.raises(ValueError, match=r"ours.*(cannot be read|not JSON|not a mapping|no such file|damaged)"):
        ClipVip.from_pretrained(folder)


class Surprise:
    """An object that a folder of weights has no business holding."""


def test_a_pickle_in_a_folder_is_refused_without_advice(tiny_clip_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "clip"
    shutil.copytree(tiny_clip_folder, folder)
    (folder / "model.safetensors").unlink()
    torch.save({"logit_scale": Surprise()}, folder / "pytorch_model.bin")
    with pytest.raises(ValueError, match=r"clip: its weights cannot be read: .*contains objects other") as caught:
        ClipVip.from_pretrained(folder)
    assert "weights_only" not in str(caught.value)
    assert "trust" not in str(caught.value)


def official(tmp_path: Path, change: Change) -> tuple[Path, Path]:
    path, clip = parity.write_checkpoint(tmp_path)
    state = dict(parity.golden("weights"))
    change(state)
    torch.save(state, path)
    return path, clip


NAME = "clipmodel.vision_model.embeddings."
OFFICIAL: dict[str, tuple[Change, str]] = {
    "nan": (lambda t: t.update({f"{NAME}added_cls": torch.full((3, 64), torch.nan)}), "not finite: .*added_cls"),
    "rows": (
        lambda t: t.update({f"{NAME}temporal_embedding": torch.zeros(2, 12, 64)}),
        r"temporal_embedding is \[2, 12, 64\]; one row",
    ),
    "twice": (
        lambda t: t.update({f"module.{name}": tensor + 1 for name, tensor in list(t.items())}),
        "98 tensors stand there twice, with and without module",
    ),
}


@pytest.mark.parametrize(("change", "told"), OFFICIAL.values(), ids=OFFICIAL)
def test_a_damaged_official_file_is_refused(tmp_path: Path, change: Change, told: str) -> None:
    path, clip = official(tmp_path, change)
    with pytest.raises(ValueError, match=told) as caught:
        from_official(path, clip, tmp_path / "ours")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "ours").exists()


def test_a_long_list_is_cut(tiny_clip_folder: Path, tmp_path: Path) -> None:
    """Another tower altogether: the line stays a line."""
    folder = damaged(
        tiny_clip_folder, tmp_path / "ours", lambda t: t.update({f"extra.{i}": torch.zeros(1) for i in range(20)})
    )
    with pytest.raises(ValueError, match=r"surplus: extra\.0, .* and 12 more; copy or convert it anew"):
        ClipVip.from_pretrained(folder)


def test_the_kinds_that_are_read_are_named(tiny_clip_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    shutil.copytree(tiny_clip_folder, folder)
    (folder / "config.json").write_text(json.dumps({"model_type": "siglip2"}))
    with pytest.raises(ValueError, match=r"describes a 'siglip2', not a CLIP; .*\(NaFlex\) cuts each image"):
        ClipVip.from_pretrained(folder)
