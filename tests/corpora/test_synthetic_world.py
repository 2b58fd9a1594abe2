"""Parts of the world: the same bytes again, twins, the truth about every clip, what is refused."""

import hashlib
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pytest
from mini_parts import DOWNSTREAM, SIZES, build, build_all, settings, truth
from PIL import Image

from clipvip.config.data import WorldSettings
from clipvip.corpora.synthetic.language import describe
from clipvip.corpora.synthetic.world import frames, gather, make
from clipvip.runtime.context import Run

MEDIA = (".mp4", ".avi", ".jpg")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_all(tmp_path_factory.mktemp("world"))


def hashes(folder: Path, endings: tuple[str, ...] = ()) -> dict[str, str]:
    files = sorted(p for p in folder.rglob("*") if p.is_file() and (not endings or p.suffix in endings))
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize("part", SIZES)
def test_same_seed_same_bytes_other_seed_other_media(world: Path, tmp_path: Path, part: str):
    build(part, tmp_path / "again")
    assert hashes(tmp_path / "again") == hashes(world / part)
    build(part, tmp_path / "other", seed=1)
    assert not set(hashes(tmp_path / "other", MEDIA).values()) & set(hashes(world / part, MEDIA).values())


def test_every_clip_is_a_real_file(world: Path):
    for part, sizes in SIZES.items():
        media = [p for p in (world / part).rglob("*") if p.suffix in MEDIA]
        assert len(media) == sum(sizes.values())
        for path in media:
            if path.suffix == ".jpg":
                with Image.open(path) as image:
                    assert image.size == (32, 32)
                continue
            with av.open(str(path)) as container:
                assert container.streams.video[0].codec_context.name == "h264"
                assert sum(1 for _ in container.decode(video=0)) == 8


def test_ids_are_distinct_and_splits_share_no_scene(world: Path):
    tables = [truth(world, part) for part in SIZES]
    ids = [clip for table in tables[1:] for clip in table["clip_id"]]  # an image's id is its row number
    assert len(ids) == len(set(ids))
    for table in tables:
        assert table["clip_id"].is_unique
        assert len(table[["cluster", "split"]].drop_duplicates()) == len(set(table["cluster"]))


@pytest.mark.parametrize("part", DOWNSTREAM)
def test_twins_are_the_same_run_backwards(world: Path, part: str):
    table = truth(world, part).set_index("clip_id")
    clips = {clip.address.clip_id: clip for clip in gather(settings(part))}
    pairs = table[table["twin"].notna()]
    assert len(pairs) >= 4
    assert set(pairs["split"]) <= {"val", "test"}
    for name, row in pairs.iterrows():
        own, twin = clips[str(name)], clips[row["twin"]]
        assert table.loc[row["twin"], "twin"] == name
        assert table.loc[row["twin"], "cluster"] == row["cluster"]
        assert own.take.flipped != twin.take.flipped
        turned = own.take.backwards
        assert turned is not None
        assert turned.text == row["backwards"]
        assert turned.meaning == twin.texts[0].meaning
        assert (frames(settings(part), own) == frames(settings(part), twin)[::-1]).all()


@pytest.mark.parametrize("part", DOWNSTREAM)
def test_counts_of_the_perfect_reader_are_filled_for_judged_splits_only(world: Path, part: str):
    table = truth(world, part)
    judged = table["split"] != "train"
    for column, least in (("consistent", 1), ("consistent_texts", 1), ("sharper_texts", 0), ("equal_texts", 1)):
        assert (table.loc[judged, column] >= least).all()
        assert table.loc[~judged, column].isna().all()
    assert (table["sharper_texts"] + table["equal_texts"] <= table["consistent_texts"])[judged].all()
    assert table["consistent"].sum() == table["consistent_texts"].sum()


def test_other_parts_have_no_order_and_no_reader(world: Path):
    for part in set(SIZES) - set(DOWNSTREAM):
        assert truth(world, part)[["backwards", "consistent", "consistent_texts", "twin"]].isna().all(axis=None)


def test_half_of_the_scenes_come_with_twins():
    large = WorldSettings(part="lsmdc", clips={"test": 300})
    takes = [clip.take for clip in gather(large)]
    scenes = {take.cluster for take in takes}
    assert len(takes) == 300
    assert sum(take.flipped for take in takes) / len(scenes) == pytest.approx(0.5, abs=0.01)
    assert not any(take.flipped for take in (c.take for c in gather(large.model_copy(update={"twins": 0.0}))))


def test_misaligned_share_of_subtitles_belongs_to_other_clips():
    clips = gather(WorldSettings(part="narrated", clips={"train": 200}))
    assert sum(not clip.aligned for clip in clips) == 80
    for clip in clips:
        own = describe(clip.take.scene, clip.take.plans[0], "spoken", clip.take.wordings[0])
        assert clip.texts[0] == own or not clip.aligned
    assert sorted(c.texts[0].text for c in clips) == sorted(c.take.utterances[0].text for c in clips)


def test_a_larger_train_split_begins_with_the_smaller():
    few, many = (gather(WorldSettings(part="lsmdc", clips={"train": count})) for count in (5, 20))
    assert [clip.take for clip in few] == [clip.take for clip in many[:5]]


@pytest.mark.parametrize("part", DOWNSTREAM)
def test_galleries_are_drawn_apart_and_leave_the_first_as_it_is(part: str):
    """No id, scene or wording of one is in another or in the other splits, and more of them change none."""
    whole = WorldSettings(part=part, clips={"train": 40, "test": 120}, seed=3)
    first = gather(whole)
    assert gather(whole.model_copy(update={"galleries": 3})) == first
    later = [gather(whole.model_copy(update={"galleries": 3, "gallery": number})) for number in (2, 3)]
    assert gather(whole.model_copy(update={"galleries": 9, "gallery": 2})) == later[0]
    assert [{clip.split for clip in gallery} for gallery in later] == [{"test"}] * 2
    parts = [[clip for clip in first if clip.split == split] for split in ("train", "test")] + later
    assert [len(clips) for clips in parts] == [40, 120, 120, 120]
    everyone = [clip for clips in parts for clip in clips]
    for name in ("clip_id", "path"):
        assert len({getattr(clip.address, name) for clip in everyone}) == len(everyone)
    assert len({clip.take.wordings for clip in everyone}) == len(everyone)  # of the generator's stream
    scenes = [{str(clip.take.scene) for clip in clips} for clips in parts]
    assert not any(one & other for i, one in enumerate(scenes) for other in scenes[:i])


def test_galleries_have_clusters_of_their_own_and_a_reader_each(tmp_path: Path):
    (tmp_path / "second").mkdir()
    make(settings("lsmdc").model_copy(update={"gallery": 2}), {}, tmp_path / "second", Run(work=tmp_path))
    build("lsmdc", tmp_path / "first")
    one, other = (pd.read_parquet(tmp_path / name / "truth.parquet") for name in ("first", "second"))
    assert not set(one["cluster"]) & set(other["cluster"])
    assert len(other) == 6
    assert other["consistent"].between(1, 6).all()


def test_galleries_need_a_test_split():
    with pytest.raises(ValueError, match="no test split to have several of"):
        WorldSettings(part="narrated", clips={"train": 5}, galleries=2)


def test_chatty_share_of_images():
    takes = [clip.take for clip in gather(WorldSettings(part="images", clips={"train": 290}))]
    assert sum(take.style == "chatty" for take in takes) == 50


def test_split_that_the_format_lacks_is_refused():
    with pytest.raises(ValueError, match=r"'msrvtt': clips.val: its format has no such split; give train, test"):
        gather(WorldSettings(part="msrvtt", clips={"train": 1, "val": 1}))


def test_receipt_counts(tmp_path: Path):
    facts = build("didemo", tmp_path / "part")
    assert facts["clips"] == 12
    assert facts["splits"] == {"train": 2, "val": 4, "test": 6}
    ceiling = facts["ceiling"]
    assert isinstance(ceiling, dict)
    share = 100 * np.mean(
        1 / pd.read_parquet(tmp_path / "part" / "truth.parquet").query("split == 'test'")["consistent"]
    )
    assert ceiling["test"]["t2v/R@1"] == pytest.approx(share, abs=0.01)
