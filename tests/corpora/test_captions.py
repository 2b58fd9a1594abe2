"""A captioner trained on real files; shards and kills against one run without any."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from caption_files import CAPTIONS, COLOURS, SIDE, TRAINED, state, write_corpus, write_git
from video_files import write_video

from clipvip.config.data import FramesSettings
from clipvip.corpora.captions import captions_stage
from clipvip.corpora.captions.captioner import Captioner
from clipvip.corpora.captions.captions_stage import caption, caption_shard, merge
from clipvip.data import frame_cache, manifest
from clipvip.runtime.context import Run
from clipvip.training.captioner_stage import make


@pytest.fixture(scope="module")
def git_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_git(tmp_path_factory.mktemp("git"))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("coco"), {"train": 60, "val": 12})


@pytest.fixture(scope="module")
def cell(tmp_path_factory: pytest.TempPathFactory, corpus: Path) -> tuple[Path, dict[str, Any]]:
    """A captioner trained on the colours, and its receipt's facts."""
    cache, out = tmp_path_factory.mktemp("frames"), tmp_path_factory.mktemp("captioner")
    frame_cache.make(FramesSettings(size=SIDE), {"corpus": corpus}, cache, Run(work=out))
    return out, make(TRAINED, {"corpus": corpus, "frames": cache}, out, Run(work=out))


def test_training_learns_the_colours_and_saves_what_it_learnt(cell: tuple[Path, dict[str, Any]], corpus: Path) -> None:
    out, facts = cell
    history = pd.read_csv(out / "history.csv")
    assert list(history.columns) == ["step", "loss", "lr"]
    assert history["step"].iloc[-1] == facts["steps"] == 60
    assert history["loss"].iloc[-1] < 0.5 * history["loss"].iloc[0]
    assert facts["quality"]["clips"] == 12
    assert facts["quality"]["words"] > 0.9
    images = [np.full((SIDE, SIDE, 3), colour, dtype=np.uint8) for colour in COLOURS.values()]
    texts = Captioner.load(out / "model").write(images, CAPTIONS)
    assert [colour in text for colour, text in zip(COLOURS, texts, strict=True)] == [True] * 3


@pytest.fixture
def inputs(cell: tuple[Path, dict[str, Any]], corpus: Path) -> dict[str, Path]:
    return {"captioner": cell[0], "corpus": corpus}


def fresh(tmp_path: Path, name: str) -> tuple[Path, Run]:
    out, work = tmp_path / name / "out", tmp_path / name / "work"
    out.mkdir(parents=True)
    work.mkdir()
    return out, Run(work=work)


def captions(folder: Path) -> pd.DataFrame:
    return pd.read_parquet(folder / "captions.parquet")


def test_shards_kills_and_the_cache_change_nothing(
    inputs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(captions_stage, "BATCH", 8)
    monkeypatch.setattr(captions_stage, "PART", 16)
    whole, run = fresh(tmp_path, "whole")
    facts = caption(CAPTIONS, inputs, whole, run)
    assert {key: facts[key] for key in ("clips", "captioned", "missing")} == {
        "clips": 72,
        "captioned": 72,
        "missing": 0,
    }
    rows = captions(whole)
    assert list(rows.columns) == ["clip_id", "caption", "model"]
    assert list(rows["clip_id"]) == sorted(manifest.read(inputs["corpus"])["clip_id"].unique())
    assert set(rows["model"]) == {f"git/{inputs['captioner'].name}"}

    (tmp_path / "frames").mkdir()
    frame_cache.make(CAPTIONS.frames, {"corpus": inputs["corpus"]}, tmp_path / "frames", run)
    cached = {**inputs, "frames": tmp_path / "frames"}
    out, run = fresh(tmp_path, "shards")
    files = [run.work / f"shard-{shard}-of-3.parquet" for shard in range(3)]
    for shard in (0, 2):  # the second shard was never made: caption() makes up for it
        caption_shard(CAPTIONS, cached, files[shard], shard, 3, run)
    assert list(pd.read_parquet(files[0])["clip_id"]) == [f"train{n:03d}" for n in range(24)]
    facts = caption(CAPTIONS, cached, out, run)
    assert facts["clips"] == 72
    pd.testing.assert_frame_equal(captions(out), rows)
    (tmp_path / "merged").mkdir()
    caption_shard(CAPTIONS, cached, files[1], 1, 3, run)
    assert merge(files, tmp_path / "merged")["captioned"] == 72
    pd.testing.assert_frame_equal(captions(tmp_path / "merged"), rows)


def test_a_kill_loses_at_most_one_part(
    inputs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(captions_stage, "BATCH", 8)
    monkeypatch.setattr(captions_stage, "PART", 16)
    whole, run = fresh(tmp_path, "whole")
    caption(CAPTIONS, inputs, whole, run)
    seen: list[str] = []
    read = captions_stage.Clips.centres

    def centres(self: Any, clip_id: str, parts: int) -> Any:
        seen.append(clip_id)
        if len(seen) == 45:  # inside the third part
            raise KeyboardInterrupt
        return read(self, clip_id, parts)

    monkeypatch.setattr(captions_stage.Clips, "centres", centres)
    out, run = fresh(tmp_path, "killed")
    with pytest.raises(KeyboardInterrupt):
        caption(CAPTIONS, inputs, out, run)
    before = len(seen)
    caption(CAPTIONS, inputs, out, run)
    assert len(seen) - before == 72 - 32
    pd.testing.assert_frame_equal(captions(out), captions(whole))


def test_unreadable_clips_and_empty_captions_have_no_row(
    git_folder: Path, inputs: dict[str, Path], tmp_path: Path
) -> None:
    corpus = write_corpus(tmp_path / "broken", {"train": 30})
    (tmp_path / "broken/media/train007.png").write_bytes(b"no image")
    out, run = fresh(tmp_path, "broken_run")
    facts = caption(CAPTIONS, {**inputs, "corpus": corpus}, out, run)
    assert (facts["captioned"], facts["missing"], sum(facts["reasons"].values())) == (29, 1, 1)
    assert "train007" not in set(captions(out)["clip_id"])

    silent = Captioner.load(git_folder)
    silent.model.output.bias.data[silent.processor.tokenizer.sep_token_id] += 1e4  # ends before the first word
    silent.save(tmp_path / "silent/model")
    out, run = fresh(tmp_path, "silent_run")
    with pytest.raises(ValueError, match="not one clip of 30 has a caption"):
        caption(CAPTIONS, {"captioner": tmp_path / "silent", "corpus": corpus}, out, run)


def test_a_corpus_that_lost_too_many_clips_is_refused(inputs: dict[str, Path], tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "lost", {"train": 10})
    for number in range(3):
        (tmp_path / f"lost/media/train{number:03d}.png").write_bytes(b"no image")
    out, run = fresh(tmp_path, "lost_run")
    with pytest.raises(ValueError, match="3 of 10 clips"):
        caption(CAPTIONS, {**inputs, "corpus": corpus}, out, run)


def test_quality_is_judged_where_the_scenes_are_known(inputs: dict[str, Path], tmp_path: Path) -> None:
    world = tmp_path / "world"
    world.mkdir()
    ids = sorted(manifest.read(inputs["corpus"])["clip_id"].unique())
    middles = [state(colour=list(COLOURS)[int(clip_id[-3:]) % 3]) for clip_id in ids]
    pd.DataFrame({"clip_id": ids, "middle": middles}).to_parquet(world / "truth.parquet")
    out, run = fresh(tmp_path, "judged")
    facts = caption(CAPTIONS, {**inputs, "world": world}, out, run)
    assert json.loads((out / "quality.json").read_text()) == facts["quality"]
    assert facts["quality"]["attributes"]["colour"]["right_share"] > 0.95


def test_several_frames_give_a_caption_each(inputs: dict[str, Path], tmp_path: Path) -> None:
    """Clips of three stretches of colour; the captions of each stretch's own middle, the same one once."""
    rng, orders = np.random.default_rng(0), {"rgb": "red green blue", "bbr": "blue blue red", "gone": ""}
    rows = []
    for clip_id, order in orders.items():
        stretches = [np.tile(np.uint8(COLOURS[colour]), (6, SIDE, SIDE, 1)) for colour in order.split()]
        if stretches:
            pixels = np.concatenate(stretches) + rng.integers(0, 12, (18, SIDE, SIDE, 3), dtype=np.uint8)
            write_video(tmp_path / f"{clip_id}.mkv", pixels, codec="ffv1")
        else:
            (tmp_path / f"{clip_id}.mkv").write_bytes(b"")
        place = {"path": f"{clip_id}.mkv", "start": None, "end": None, "split": "train"}
        rows.append({"clip_id": clip_id, **place, "text": "said", "source": "subtitle"})
    (tmp_path / "corpus").mkdir()
    manifest.write(pd.DataFrame(rows), tmp_path / "corpus", root=tmp_path, format="folder", max_bad=0.5)
    found = {}
    for count in (1, 3):
        out, run = fresh(tmp_path, f"frames{count}")
        settings = CAPTIONS.model_copy(update={"num_frames": count})
        facts = caption(settings, {**inputs, "corpus": tmp_path / "corpus"}, out, run)
        assert (facts["clips"], facts["captioned"], facts["missing"]) == (3, 2, 1)
        found[count] = captions(out).groupby("clip_id")["caption"].apply(list).to_dict()
    of = {text.split()[1] if text.startswith("a ") else text.split()[0]: text for text in found[3]["rgb"]}
    assert list(of) == ["red", "green", "blue"]
    assert found[3] == {"rgb": list(of.values()), "bbr": [of["blue"], of["red"]]}
    assert found[1] == {"rgb": [of["green"]], "bbr": [of["blue"]]}
