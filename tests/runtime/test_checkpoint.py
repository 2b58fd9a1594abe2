"""Checkpoints: the newest whole one is used, a torn one is noticed."""

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
