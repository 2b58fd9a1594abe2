"""Given weights in place of a post-pretraining: the model of the file, complete and of the asked shape, or a line."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from official_file import official
from safetensors.torch import load_file
from transformers import CLIPConfig
from weights_cells import cell, make

from clipvip.config.data import FramesSettings
from clipvip.config.learning import ClipSettings, OptimSettings
from clipvip.config.stages import EvaluateCell, FinetuneCell
from clipvip.model.clip_vip import ClipVip
from clipvip.model.official_checkpoint import from_official
from clipvip.pipeline.cell import Cell
from clipvip.runtime.content import content_of


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory, tiny_clip_folder: Path) -> Path:
    """A file as the authors release it, at the tiny shape."""
    path = tmp_path_factory.mktemp("released") / "official.pt"
    torch.save(official(CLIPConfig.from_pretrained(tiny_clip_folder), scale=0.2), path)
    return path


def test_the_cell_holds_the_converted_file(tmp_path: Path, tiny_clip_folder: Path, released: Path) -> None:
    made = make(tmp_path, cell(released, tiny_clip_folder))
    from_official(released, tiny_clip_folder, tmp_path / "by_hand")
    here, there = (load_file(folder / "model.safetensors") for folder in (made / "model", tmp_path / "by_hand"))
    assert here.keys() == there.keys()
    assert all(torch.equal(here[name], there[name]) for name in here)
    assert json.loads((made / "receipt.json").read_text())["source_content"] == content_of(str(released))


def test_a_folder_goes_the_same_way(tmp_path: Path, tiny_clip_folder: Path, released: Path) -> None:
    from_official(released, tiny_clip_folder, tmp_path / "ours")
    made = make(tmp_path, cell(tmp_path / "ours", tiny_clip_folder))
    pixels = torch.randn(1, 3, 3, 24, 24)
    model, again = ClipVip.from_pretrained(tmp_path / "ours"), ClipVip.from_pretrained(made / "model")
    assert torch.equal(model.encode_video(pixels), again.encode_video(pixels))


def test_where_it_lies_is_no_part_of_the_key(tmp_path: Path, tiny_clip_folder: Path, released: Path) -> None:
    moved = tmp_path / "elsewhere.pt"
    shutil.copyfile(released, moved)
    here, there = (cell(path, tiny_clip_folder) for path in (released, moved))
    assert here.key == there.key
    with moved.open("ab") as file:
        file.write(b" ")
    assert cell(moved, tiny_clip_folder).key != here.key
    with pytest.raises(ValueError, match="changed since the workflow began"):
        make(tmp_path, there)


def plain(tmp_path: Path, clip: Path, released: Path) -> Cell:
    return cell(clip, clip)


def truncated(tmp_path: Path, clip: Path, released: Path) -> Cell:
    (tmp_path / "half.pt").write_bytes(released.read_bytes()[:5000])
    return cell(tmp_path / "half.pt", clip)


def foreign_words(tmp_path: Path, clip: Path, released: Path) -> Cell:
    """A folder with a tokenizer that knows more than its text tower."""
    from_official(released, clip, tmp_path / "ours")
    tokenizer = json.loads((tmp_path / "ours" / "tokenizer.json").read_text())
    vocab = tokenizer["model"]["vocab"]
    vocab["beyond</w>"] = len(vocab) + 5
    (tmp_path / "ours" / "tokenizer.json").write_text(json.dumps(tokenizer))
    return cell(tmp_path / "ours", clip)


REFUSED: dict[str, tuple[Callable[[Path, Path, Path], Cell], str]] = {
    "proxies": (lambda t, c, r: cell(r, c, num_proxies=8), "model.num_proxies is 4 there, asked is 8"),
    "frames": (lambda t, c, r: cell(r, c, num_frames=4), "model.num_frames is 12 there, asked is 4; set what"),
    "pooling": (lambda t, c, r: cell(r, c, pooling="mean"), "model.pooling is 'proxies' there, asked is 'mean'"),
    "size": (lambda t, c, r: cell(r, c, size=32), "frames.size is 24 there, asked is 32"),
    "plain": (plain, r"a plain CLIP, no CLIP-ViP; give it as clip: \{source: \.\.\.\}"),
    "truncated": (truncated, r"half\.pt: refused"),
    "tokenizer": (foreign_words, "its text tower knows .* tokens, its tokenizer"),
}


@pytest.mark.parametrize(("build", "told"), REFUSED.values(), ids=REFUSED)
def test_what_does_not_fit_is_refused(
    tmp_path: Path, tiny_clip_folder: Path, released: Path, build: Callable[[Path, Path, Path], Cell], told: str
) -> None:
    with pytest.raises(ValueError, match=told) as caught:
        make(tmp_path, build(tmp_path, tiny_clip_folder, released))
    assert "\n" not in str(caught.value)


def test_a_starting_clip_is_no_clip_vip(tmp_path: Path, tiny_clip_folder: Path, released: Path) -> None:
    """The proxies would be dropped in silence, so the line says where such a folder belongs."""
    from_official(released, tiny_clip_folder, tmp_path / "ours")
    with pytest.raises(ValueError, match=r"is a CLIP-ViP, .*give it as pretrain: \{source: \.\.\.\}"):
        make(tmp_path, Cell("clip", ClipSettings(source=str(tmp_path / "ours"))))


def test_through_evaluation_and_fine_tuning(
    tmp_path: Path, tiny_clip_folder: Path, released: Path, corpus_inputs: dict[str, Path]
) -> None:
    """The evaluation embeds with the released tensors, and fine-tuning starts from them."""
    from clipvip.evaluation import evaluate_stage
    from clipvip.runtime.context import Run
    from clipvip.training import finetune_stage

    made = make(tmp_path, cell(released, tiny_clip_folder))
    frames, out = FramesSettings(size=24), tmp_path / "evaluated"
    out.mkdir()
    given = {**corpus_inputs, "model": made}
    evaluate_stage.make(EvaluateCell(frames=frames, num_frames=4, max_tokens=50), given, out, Run(work=tmp_path / "a"))
    assert set(json.loads((out / "metrics.json").read_text())) >= {"t2v/R@1", "v2t/R@1", "order"}
    settings = FinetuneCell(
        frames=frames,
        optim=OptimSettings(steps=2, batch_size=4, lr=0.0, weight_decay=0.0),
        num_frames=4,
        max_tokens=50,
        validations=1,
        keep="last",
    )
    for name in ("again", "tuned"):
        (tmp_path / name).mkdir()
    facts = finetune_stage.make(settings, given, tmp_path / "tuned", Run(work=tmp_path / "again"))
    assert facts["validated"] == {}
    before, after = (load_file(folder / "model" / "model.safetensors") for folder in (made, tmp_path / "tuned"))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed <= {"logit_scale"}  # clamped
