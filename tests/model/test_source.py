"""A model's folder that holds something else than it should, and a hub that is not reached: one line each."""

import json
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_clip_parts import write_tiny_clip
from torch import Tensor

from clipvip.__main__ import main
from clipvip.config.learning import ClipSettings
from clipvip.corpora.captions.captioner import Captioner
from clipvip.model.clip_vip import ClipVip
from clipvip.model.model_folder import read_model
from clipvip.model.source import read_config
from clipvip.runtime.content import content_of
from clipvip.runtime.context import Run
from clipvip.training.clip_stage import make

NORM = "vision_model.post_layernorm.weight"
PIXELS = "preprocessor_config.json"
Damage = Callable[[Path], object]


def tensors(change: Callable[[dict[str, Tensor]], dict[str, Tensor]]) -> Damage:
    def do(folder: Path) -> None:
        changed = change(load_file(folder / "model.safetensors"))
        save_file({k: t.contiguous() for k, t in changed.items()}, folder / "model.safetensors", {"format": "pt"})

    return do


def of_type(kind: torch.dtype) -> Damage:
    return tensors(lambda found: found | {NORM: found[NORM].to(kind)})


def raw(change: Callable[[bytes], bytes]) -> Damage:
    def do(folder: Path) -> None:
        path = folder / "model.safetensors"
        path.write_bytes(change(path.read_bytes()))

    return do


def config(**vision: Any) -> Damage:
    def do(folder: Path) -> None:
        content = json.loads((folder / "config.json").read_text())
        content["vision_config"] |= vision
        (folder / "config.json").write_text(json.dumps(content))

    return do


def whole(**changes: Any) -> Damage:
    def do(folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return do


def index(text: str) -> Damage:
    def do(folder: Path) -> None:
        (folder / "model.safetensors").rename(folder / "model-00001-of-00001.safetensors")
        (folder / "model.safetensors.index.json").write_text(text)

    return do


def no_tokenizer(folder: Path) -> None:
    for path in folder.glob("tok*"):
        path.unlink()


def one_piece_more(folder: Path) -> None:
    path = folder / "tokenizer.json"
    content = json.loads(path.read_text())
    content["model"]["vocab"]["beyond</w>"] = 5000
    path.write_text(json.dumps(content))


def pickled(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    torch.save([1, 2], folder / "pytorch_model.bin")


DAMAGED: dict[str, tuple[Damage, str]] = {
    "int8": (of_type(torch.int8), f"of another type: {NORM} (i8)"),
    "bool": (of_type(torch.bool), f"of another type: {NORM} (bool)"),
    "fp8": (of_type(torch.float8_e4m3fn), f"of another type: {NORM} (f8_e4m3)"),
    "complex": (of_type(torch.complex64), f"of another type: {NORM} (c64)"),
    "header too long": (raw(lambda b: struct.pack("<Q", 1 << 60) + b[8:]), "cannot be read: Error while deserializing"),
    "a page of a website": (raw(lambda b: b"<!DOCTYPE html><html>404</html>"), "cannot be read: Error while deserial"),
    "an index of nothing": (index("{}"), "its weights cannot be read: 'weight_map'"),
    "an index that is a list": (index("[]"), "its weights cannot be read"),
    "a pickled list": (pickled, "its weights cannot be read"),
    "a part that is a list": (whole(vision_config=[1]), "its config.json builds no model"),
    "a negative width": (config(hidden_size=-3), "its config.json builds no model"),
    "no heads": (config(num_attention_heads=0), "its config.json builds no model"),
    "a word for a width": (config(hidden_size="wide"), "its config.json builds no model"),
    "patches of nothing": (config(patch_size=0), "its config.json builds no model"),
    "an unknown activation": (config(hidden_act="nope"), "its config.json builds no model"),
    "no configuration": (lambda f: (f / "config.json").unlink(), "no config.json there"),
    "quantised": (whole(quantization_config={"quant_method": "bitsandbytes"}), "its weights are quantised"),
    "no tokenizer": (no_tokenizer, "no tokenizer there"),
    "a list for a tokenizer": (lambda f: (f / "tokenizer.json").write_text("[]"), "its tokenizer cannot be read"),
    "a larger tokenizer": (one_piece_more, "tokens, its tokenizer"),
    "pixels that are no JSON": (lambda f: (f / PIXELS).write_text("{"), "not JSON"),
    "pixels that are a list": (lambda f: (f / PIXELS).write_text("[]"), "not a mapping"),
    "pixels in words": (
        lambda f: (f / PIXELS).write_text('{"image_mean": ["a", 1, 2], "image_std": [1, 1, 1]}'),
        "no three colours each",
    ),
    "pixels of NaN": (
        lambda f: (f / PIXELS).write_text('{"image_mean": [NaN, 0, 0], "image_std": [1, 1, 1]}'),
        "no three colours each",
    ),
}


def embed(folder: str, tmp_path: Path) -> int:
    (tmp_path / "texts.txt").write_text("a red ring\n")
    return main(["embed", folder, "--texts", str(tmp_path / "texts.txt"), "--out", str(tmp_path / "out")])


@pytest.mark.parametrize(("damage", "told"), DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_folder_is_refused_by_commands_and_stages(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: Damage, told: str
) -> None:
    folder = tmp_path / "clip"
    write_tiny_clip(folder)
    damage(folder)
    capsys.readouterr()
    assert embed(str(folder), tmp_path) == 2
    said = capsys.readouterr().err.strip()
    assert "\n" not in said
    assert str(folder) in said
    assert told in said
    with pytest.raises(ValueError, match=r"clip") as caught:
        make(ClipSettings(source=str(folder)), {}, tmp_path / "cell", Run(work=tmp_path))
    assert told in str(caught.value)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_other_float_types_are_read_as_fp32(tmp_path: Path, kind: torch.dtype) -> None:
    write_tiny_clip(tmp_path)
    before = load_file(tmp_path / "model.safetensors")
    tensors(lambda found: {name: tensor.to(kind) for name, tensor in found.items()})(tmp_path)
    after = read_model(tmp_path, None)[0].state_dict()
    assert all(torch.equal(after[name], before[name].to(kind).float()) for name in before)


def test_a_type_that_is_no_float_does_not_pass_into_the_official_layout(tmp_path: Path) -> None:
    write_tiny_clip(tmp_path / "clip")
    ClipVip.from_pretrained(tmp_path / "clip", seed=1, num_frames=3).save_pretrained(tmp_path / "ours")
    tensors(lambda found: found | {"proxies": found["proxies"].to(torch.float8_e4m3fn)})(tmp_path / "ours")
    words = ["convert", str(tmp_path / "ours"), "--to-official", str(tmp_path / "out.pt")]
    assert main(words) == 2
    with pytest.raises(ValueError, match=r"of another type: proxies \(f8_e4m3\)"):
        ClipVip.from_pretrained(tmp_path / "ours")


def test_a_hub_that_is_not_reached_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A port of this machine where nobody listens, in place of the hub."""
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.hf_api.constants.ENDPOINT", "http://127.0.0.1:9")
    asked: list[Callable[[], object]] = [
        lambda: read_config("nobody/has-this"),
        lambda: content_of("nobody/has-that"),
        lambda: Captioner.load("nobody/has-these"),
    ]
    for ask in asked:
        begun = time.monotonic()
        with pytest.raises(ValueError, match="no model of the hub that is reached") as caught:
            ask()
        assert "\n" not in str(caught.value)
        assert time.monotonic() - begun < 20  # transformers' own way tries five times in 25 s


@pytest.mark.parametrize(
    ("source", "told"), [("./nowhere", "no such folder"), ("a/b/c", "no such folder"), ("x.pt", "no such folder")]
)
def test_what_is_no_hub_id_is_a_folder_that_is_not_there(source: str, told: str) -> None:
    with pytest.raises(ValueError, match=f"^{source}: {told}$"):
        read_config(source)


def test_a_file_in_place_of_a_folder_is_sent_to_convert(tmp_path: Path) -> None:
    (tmp_path / "official.pt").write_bytes(b"x")
    with pytest.raises(ValueError, match="a file, where a model folder is read; `clipvip convert`"):
        read_config(tmp_path / "official.pt")
