"""Checkpoints: the newest whole one is used, a torn one is noticed."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from clipvip.runtime import checkpoint


def test_nothing_saved_is_none(tmp_path: Path) -> None:
    assert checkpoint.load(tmp_path / "work") is None


def test_the_newest_of_two_is_loaded(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        checkpoint.save(tmp_path, step, {"weight": torch.full((2,), float(step)), "step": step})
    assert len(list(tmp_path.glob("step-*.pt"))) == 2
    state = checkpoint.load(tmp_path)
    assert state is not None
    assert state["step"] == 3
    assert torch.equal(state["weight"], torch.tensor([3.0, 3.0]))


@pytest.mark.parametrize("damage", ["cut", "flip", "no checksum"])
def test_a_torn_checkpoint_is_passed_over(tmp_path: Path, damage: str, capsys: pytest.CaptureFixture[str]) -> None:
    for step in (1, 2):
        checkpoint.save(tmp_path, step, {"step": step})
    path = tmp_path / "step-000000002.pt"
    content = bytearray(path.read_bytes())
    if damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "flip":
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    else:
        path.with_suffix(".sha256").unlink()
    state = checkpoint.load(tmp_path)
    assert state is not None
    assert state["step"] == 1
    assert "torn" in capsys.readouterr().out


def test_only_tensors_and_plain_values_are_loaded(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, 1, {"path": Path("x")})
    with pytest.raises(Exception, match=r"[Ww]eights.?only"):
        checkpoint.load(tmp_path)


def test_what_a_killed_run_left_half_written_is_removed(tmp_path: Path) -> None:
    left = tmp_path / ".123-456-step-000000002.pt"
    left.write_bytes(b"half a checkpoint")
    checkpoint.save(tmp_path, 2, {"step": 2})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-000000002.pt", "step-000000002.sha256"]


def weights(value: float) -> dict[str, torch.Tensor]:
    return {"weight": torch.full((3,), value)}


def test_kept_weights_are_had_again_and_older_ones_go_unless_a_checkpoint_needs_them(tmp_path: Path) -> None:
    (tmp_path / ".123-456-weights-000000000.pt").write_bytes(b"half of them, of a killed run")
    found = {step: checkpoint.keep(tmp_path, step, weights(step)) for step in (0, 2)}
    assert [path.name for path in tmp_path.iterdir()] == ["weights-000000002.pt"]
    checkpoint.save(tmp_path, 3, {"step": 3, "kept": found[2]})
    later = checkpoint.keep(tmp_path, 5, weights(5.0))
    assert torch.equal(checkpoint.kept(tmp_path, found[2])["weight"], torch.full((3,), 2.0))
    assert torch.equal(checkpoint.kept(tmp_path, later)["weight"], torch.full((3,), 5.0))
    checkpoint.save(tmp_path, 6, {"step": 6, "kept": later})
    checkpoint.save(tmp_path, 7, {"step": 7, "kept": later})
    checkpoint.keep(tmp_path, 8, weights(8.0))
    assert sorted(path.name for path in tmp_path.glob("weights-*")) == ["weights-000000005.pt", "weights-000000008.pt"]


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_bytes(path.read_bytes()[:-9])])
def test_a_checkpoint_whose_weights_are_lost_is_passed_over(
    tmp_path: Path, damage: Callable[[Path], object], capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint.save(tmp_path, 1, {"step": 1, "kept": checkpoint.keep(tmp_path, 1, weights(1.0))})
    checkpoint.save(tmp_path, 2, {"step": 2, "kept": (found := checkpoint.keep(tmp_path, 2, weights(2.0)))})
    damage(tmp_path / "weights-000000002.pt")
    state = checkpoint.load(tmp_path)
    assert state is not None
    assert state["step"] == 1
    assert "weights-000000002.pt" in capsys.readouterr().out
    with pytest.raises(ValueError, match=r"weights-000000002\.pt: gone or damaged; remove "):
        checkpoint.kept(tmp_path, found)
