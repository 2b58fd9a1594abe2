"""A searchable folder against the model called by hand, a loop over all videos, and a folder that changes."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from own_videos import write_videos
from safetensors.torch import load_file
from video_files import indices_of, ramp, write_video

import clipvip
from clipvip.config.learning import ModelSettings
from clipvip.evaluation.encoder import Encoder
from clipvip.evaluation.search import store
from clipvip.evaluation.search.index import Index, of_text, of_video, open_index, same_file
from clipvip.evaluation.search.store import Contents, Damaged, File
from clipvip.evaluation.search.stretches import Looks, embed, stretches
from clipvip.model.clip_vip import ClipVip


@pytest.fixture(scope="module")
def encoder(tiny_clip_folder: Path) -> Encoder:
    return clipvip.load(tiny_clip_folder)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_videos(tmp_path / "videos", 6)
    return tmp_path / "videos"


def test_a_short_video_is_one_stretch_and_a_long_one_several(tmp_path: Path) -> None:
    """20 frames at 2 a second: 10 s. One frame a second, four a stretch; the last stretch ends with the video."""
    path = write_video(tmp_path / "a.mp4", ramp(20), fps=2.0)
    found = list(stretches(path, 64, Looks(num_frames=4, seconds=4.0)))
    assert [indices_of(each.frames) for each in found] == [[0, 2, 4, 6], [8, 10, 12, 14], [12, 14, 16, 18]]
    assert [each.times.tolist() for each in found] == [[0, 1, 2, 3], [4, 5, 6, 7], [6, 7, 8, 9]]
    (whole,) = stretches(path, 64, Looks(num_frames=4, seconds=10.0))
    assert indices_of(whole.frames) == [0, 6, 12, 19]
    assert whole.times.tolist() == [0, 3, 6, 9.5]


def test_chunks_of_decoding_do_not_show(tmp_path: Path) -> None:
    """150 frames, all taken, in stretches of 7: more than one chunk of 64."""
    film = np.broadcast_to((np.arange(150) + 50).astype(np.uint8)[:, None, None, None], (150, 64, 64, 3)).copy()
    path = write_video(tmp_path / "a.mp4", film, fps=1.0)
    found = list(stretches(path, 64, Looks(num_frames=7, seconds=7.0)))
    shown = [np.rint(each.frames.mean(axis=(1, 2, 3))).astype(int) - 50 for each in found]
    wanted = [range(start, start + 7) for start in range(0, 147, 7)] + [range(143, 150)]
    assert all(np.abs(one - np.array(other)).max() <= 1 for one, other in zip(shown, wanted, strict=True))
    assert [each.times.tolist() for each in found] == [list(map(float, each)) for each in wanted]


@pytest.mark.parametrize("pooling", ["mean", "proxies"])
def test_embeddings_equal_the_model_called_by_hand(tiny_clip_folder: Path, folder: Path, pooling: str) -> None:
    settings = ModelSettings(pooling=pooling, num_frames=5, temporal_std=0.5)  # type: ignore[arg-type]
    model = ClipVip.from_pretrained(tiny_clip_folder, settings, seed=0).eval()
    by_hand = Encoder(model, clipvip.load(tiny_clip_folder).tokenizer)
    path = folder / "first/00.mp4"
    whole, frames, times = embed(model, path, Looks(num_frames=5))
    torch.testing.assert_close(whole, by_hand.encode_video([path]), rtol=0, atol=1e-5)
    each = torch.cat([by_hand.encode_video([frame[None]]) for frame in clipvip.read_frames(path, 5)])
    torch.testing.assert_close(frames[0].float(), each, rtol=0, atol=1e-3)
    torch.testing.assert_close(times, torch.tensor([[0, 2, 4, 6, 9]]) / 8)


def by_loop(encoder: Encoder, folder: Path, query: torch.Tensor) -> list[tuple[str, float]]:
    scores = [
        (path.relative_to(folder).as_posix(), float((encoder.encode_video([path]) @ query.T).max()))
        for path in sorted(folder.rglob("*.mp4"))
    ]
    return sorted(scores, key=lambda pair: -pair[1])


def test_ranks_equal_a_loop_and_moments_are_the_best_frames(encoder: Encoder, folder: Path) -> None:
    index = open_index(encoder, folder)
    query = of_text(encoder, "a red circle grows")
    hits = index.rank(query, 4)
    wanted = by_loop(encoder, folder, query)[:4]
    assert [hit.path for hit in hits] == [path for path, _ in wanted]
    np.testing.assert_allclose([hit.score for hit in hits], [score for _, score in wanted], atol=1e-5)
    for hit in hits:
        assert hit.moment.score == max(frame.score for frame in hit.frames)
    own = folder / "first/02.mp4"
    assert index.rank(of_video(encoder, own, index.looks), 1)[0].path == "first/02.mp4"
    others = index.rank(of_video(encoder, own, index.looks), 9, leave_out=same_file(index, own))
    assert len(others) == 5
    assert "first/02.mp4" not in [hit.path for hit in others]
    with pytest.raises(ValueError, match="is empty"):
        of_text(encoder, "  ")


def test_a_video_counts_with_its_best_stretch() -> None:
    """By hand: b's second stretch is the nearest, and the second frame of it; ties go by path; d has no stretch."""
    rows = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.8, 0.6], [0.8, 0.6]])
    frames = torch.stack([rows, rows.flip(1)], dim=1).half()
    files = (File("a", 1, 1, 1), File("b", 1, 1, 2), File("c", 1, 1, 1), File("d", 1, 1, 0, "cut"))
    times = torch.arange(8.0).reshape(4, 2)
    index = Index(Path("x"), Contents(files, rows, frames, times), Looks(num_frames=2))
    hits = index.rank(torch.tensor([[0.8, 0.6]]), 9)
    assert [(hit.path, round(hit.score, 6), hit.stretch) for hit in hits] == [("b", 1, 2), ("c", 1, 3), ("a", 0.8, 0)]
    first = index.rank(torch.tensor([[0.0, 1.0]]), 1)[0]
    assert (first.path, first.stretch, first.moment.seconds, first.moment.score) == ("b", 1, 2.0, 1.0)
    both = index.rank(torch.tensor([[0.0, 1.0], [1.0, 0.0]]), 9)
    assert [(hit.path, hit.score) for hit in both][:2] == [("a", 1.0), ("b", 1.0)]


def kept(folder: Path) -> Path:
    (path,) = (folder / ".clipvip").glob("*.safetensors")
    return path


def test_only_new_and_changed_files_are_embedded(encoder: Encoder, folder: Path) -> None:
    first = open_index(encoder, folder)
    assert first.told[0].startswith("embedded 6 new and 0 changed files, dropped 0")
    written = kept(folder).stat().st_mtime_ns
    assert open_index(encoder, folder).told == ()
    assert kept(folder).stat().st_mtime_ns == written
    (folder / "first/01.mp4").unlink()
    shutil.copy(folder / "first/00.mp4", folder / "first/02.mp4")
    shutil.copy(folder / "first/05.mp4", folder / "a new one.mp4")
    (folder / "cut.mp4").write_bytes((folder / "first/05.mp4").read_bytes()[:300])
    index = open_index(encoder, folder)
    assert index.told[0].startswith("embedded 2 new and 1 changed files, dropped 1")
    assert [path for path, _ in index.unreadable] == ["cut.mp4"]
    shutil.rmtree(folder / ".clipvip")
    afresh = open_index(encoder, folder).contents  # the same, whatever way it came about
    assert index.contents.files == afresh.files
    for name in store.TENSORS:
        assert torch.equal(getattr(index.contents, name), getattr(afresh, name))


def test_saving_on_the_way_changes_nothing(encoder: Encoder, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = open_index(encoder, folder).contents
    shutil.rmtree(folder / ".clipvip")
    monkeypatch.setattr("clipvip.evaluation.search.index.SAVE_SECONDS", -1.0)  # after every video
    bit_by_bit = open_index(encoder, folder).contents
    assert at_once.files == bit_by_bit.files
    assert torch.equal(at_once.stretches, bit_by_bit.stretches)


def test_another_model_or_look_has_embeddings_of_its_own(
    encoder: Encoder, tiny_clip_folder: Path, folder: Path
) -> None:
    open_index(encoder, folder)
    open_index(encoder, folder, looks=Looks(num_frames=3))
    other = clipvip.load(tiny_clip_folder)
    with torch.no_grad():
        other.model.logit_scale += 1
    open_index(other, folder)
    assert len(list((folder / ".clipvip").glob("*.safetensors"))) == 3


@pytest.mark.parametrize("harm", ["flipped", "cut", "foreign", "empty"])
def test_damaged_embeddings_are_made_anew_and_it_is_said(
    encoder: Encoder, tiny_clip_folder: Path, folder: Path, harm: str
) -> None:
    good = open_index(encoder, folder).contents
    path = kept(folder)
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    harmed = {"flipped": bytes(content), "cut": bytes(content[:-9]), "empty": b""}
    harmed["foreign"] = (tiny_clip_folder / "model.safetensors").read_bytes()
    path.write_bytes(harmed[harm])
    with pytest.raises(Damaged):
        store.read(path)
    index = open_index(encoder, folder)
    assert index.told[0].startswith("damaged embeddings are made anew:")
    assert torch.equal(index.contents.stretches, good.stretches)
    assert open_index(encoder, folder).told == ()


def test_a_folder_that_cannot_be_written_to_is_kept_in_the_users_cache(
    encoder: Encoder, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / ".clipvip").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    open_index(encoder, folder)
    (path,) = (tmp_path / "caches/clipvip").rglob("*.safetensors")
    assert set(load_file(path)) == set(store.TENSORS)


def test_nothing_readable(encoder: Encoder, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    with pytest.raises(ValueError, match=r"not one of 1 videos could be read; a\.mp4: empty file"):
        open_index(encoder, tmp_path)
