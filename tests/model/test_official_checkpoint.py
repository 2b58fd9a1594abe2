"""Official checkpoints to our folder and back; what is not one is refused."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from official_file import VISION, official
from safetensors.torch import load_file
from torch import Tensor
from transformers import CLIPConfig, CLIPModel

from clipvip.__main__ import main
from clipvip.model.clip_vip import ClipVip
from clipvip.model.official_checkpoint import from_official, to_official


def round_trip(state: dict[str, Tensor], clip_folder: Path, tmp_path: Path) -> None:
    torch.save(state, tmp_path / "official.pt")
    from_official(tmp_path / "official.pt", clip_folder, tmp_path / "ours")
    to_official(tmp_path / "ours", tmp_path / "again.pt")
    again = torch.load(tmp_path / "again.pt", weights_only=True)
    assert again.keys() == state.keys()
    for name, tensor in state.items():
        assert again[name].dtype == tensor.dtype
        assert torch.equal(again[name], tensor), name


@pytest.mark.parametrize("half", [False, True])
def test_round_trip_is_bit_exact(tiny_clip_folder: Path, tmp_path: Path, half: bool) -> None:
    state = official(CLIPConfig.from_pretrained(tiny_clip_folder))
    if half:
        state = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in state.items()}
    round_trip(state, tiny_clip_folder, tmp_path)
    model = ClipVip.from_pretrained(tmp_path / "ours")
    assert (model.settings.num_proxies, model.settings.num_frames) == (4, 12)
    assert torch.equal(model.video.proxies, state[f"{VISION}added_cls"].float())
    assert torch.equal(model.video.temporal_embedding, state[f"{VISION}temporal_embedding"][0].float())
    assert (tmp_path / "ours" / "tokenizer.json").is_file()


@pytest.mark.slow
def test_round_trip_of_the_published_shape(tmp_path: Path) -> None:
    config = CLIPConfig()
    config.save_pretrained(tmp_path / "clip")
    state = official(config)
    assert len(state) == 402
    round_trip(state, tmp_path / "clip", tmp_path)


def test_wrapped_keys_are_unwrapped(tiny_clip_folder: Path, tmp_path: Path) -> None:
    state = official(CLIPConfig.from_pretrained(tiny_clip_folder))
    torch.save({f"module.{name}": tensor for name, tensor in state.items()}, tmp_path / "tuned.pt")
    torch.save(state, tmp_path / "plain.pt")
    for name in ("tuned", "plain"):
        from_official(tmp_path / f"{name}.pt", tiny_clip_folder, tmp_path / name)
    tuned, plain = (load_file(tmp_path / name / "model.safetensors") for name in ("tuned", "plain"))
    assert tuned.keys() == plain.keys()
    assert all(torch.equal(tensor, tuned[name]) for name, tensor in plain.items())


def test_missing_surplus_and_misshapen_keys_are_listed_together(tiny_clip_folder: Path, tmp_path: Path) -> None:
    state = official(CLIPConfig.from_pretrained(tiny_clip_folder))
    for name in ("logit_scale", "text_model.final_layer_norm.bias"):
        del state[f"clipmodel.{name}"]
    state |= {"clipmodel.momentum": torch.zeros(2), f"{VISION}added_cls": torch.zeros(3, 7)}
    torch.save(state, tmp_path / "odd.pt")
    with pytest.raises(ValueError, match="not a CLIP-ViP of this shape") as caught:
        from_official(tmp_path / "odd.pt", tiny_clip_folder, tmp_path / "ours")
    told = str(caught.value)
    assert "missing: logit_scale, text_model.final_layer_norm.bias; surplus: momentum; of another shape: " in told
    assert "vision_model.embeddings.added_cls ([3, 7], not [3, 32])" in told
    assert not (tmp_path / "ours").exists()


class Surprise:
    """An object that a checkpoint has no business holding."""


def _write_object(path: Path) -> None:
    torch.save({"clipmodel.logit_scale": Surprise()}, path)


def _write_list(path: Path) -> None:
    torch.save([torch.zeros(1)], path)


def _write_number(path: Path) -> None:
    torch.save({"epoch": 3, "clipmodel.logit_scale": torch.zeros(())}, path)


def _write_words(path: Path) -> None:
    path.write_text("no checkpoint")


def _write_nothing(path: Path) -> None:
    path.touch()


@pytest.mark.parametrize(
    ("write", "told"),
    [
        (
            _write_object,
            r"odd\.pt: refused: contains objects other than tensors \(test_official_checkpoint\.Surprise\)$",
        ),
        (_write_list, r"odd\.pt: refused, it holds a list"),
        (_write_number, r"odd\.pt: refused, not tensors: epoch"),
        (_write_words, r"odd\.pt: refused"),
        (_write_nothing, r"odd\.pt: refused"),
        (lambda path: None, r"odd\.pt: no such file"),
    ],
)
def test_anything_but_tensors_is_refused(
    tiny_clip_folder: Path, tmp_path: Path, write: Callable[[Path], None], told: str
) -> None:
    write(tmp_path / "odd.pt")
    with pytest.raises(ValueError, match=f"(?s){told}"):
        from_official(tmp_path / "odd.pt", tiny_clip_folder, tmp_path / "ours")


def test_a_plain_clip_checkpoint_is_no_clip_vip(tiny_clip_folder: Path, tmp_path: Path) -> None:
    torch.save(CLIPModel.from_pretrained(tiny_clip_folder).state_dict(), tmp_path / "clip.pt")
    with pytest.raises(ValueError, match=r"missing: .*added_cls, .*temporal_embedding; take the original file"):
        from_official(tmp_path / "clip.pt", tiny_clip_folder, tmp_path / "ours")


def test_only_proxies_with_time_have_an_official_layout(tiny_clip_folder: Path, tmp_path: Path) -> None:
    ClipVip.from_pretrained(tiny_clip_folder, pooling="mean").save_pretrained(tmp_path / "mean")
    for folder in (tmp_path / "mean", tiny_clip_folder):
        with pytest.raises(ValueError, match="the official layout holds proxies with a temporal embedding"):
            to_official(folder, tmp_path / "out.pt")
    ClipVip.from_pretrained(tiny_clip_folder, num_proxies=1).save_pretrained(tmp_path / "one")
    to_official(tmp_path / "one", tmp_path / "one.pt")
    assert torch.load(tmp_path / "one.pt", weights_only=True)[f"{VISION}added_cls"].shape == (0, 32)
    from_official(tmp_path / "one.pt", tiny_clip_folder, tmp_path / "back")
    assert ClipVip.from_pretrained(tmp_path / "back").settings.num_proxies == 1


def test_the_command_goes_both_ways(tiny_clip_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = official(CLIPConfig.from_pretrained(tiny_clip_folder))
    torch.save(state, tmp_path / "official.pt")
    ours, back = str(tmp_path / "ours"), str(tmp_path / "new" / "again.pt")
    words = ["convert", str(tmp_path / "official.pt"), "--clip", str(tiny_clip_folder)]
    assert main([*words, "--out", ours]) == 0
    assert main(["convert", ours, "--to-official", back]) == 0
    again = torch.load(back, weights_only=True)
    assert again.keys() == state.keys()
    assert all(torch.equal(tensor, again[name]) for name, tensor in state.items())
    for wrong, told in (
        (words, "a checkpoint file needs --clip and --out"),
        ([*words, "--to-official", back], "leave out --clip and --out"),
        (["convert", str(tmp_path / "gone"), "--to-official", back], "gone: no such file or folder"),
        (["convert", back, "--clip", str(tmp_path), "--out", ours], "no config.json there"),
    ):
        assert main(wrong) == 2
        assert told in capsys.readouterr().err
