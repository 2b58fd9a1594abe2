"""Annotation files of the miniature world, read as anyone would read the public formats, against the truth."""

import csv
import json
from pathlib import Path

import pandas as pd
import pytest
from mini_parts import SIZES, build_all, settings, truth

from clipvip.config.data import CorpusSettings
from clipvip.corpora import leakage, reference_counts
from clipvip.corpora.corpus_stage import make as make_corpus
from clipvip.corpora.synthetic.world import make as make_world
from clipvip.data import manifest
from clipvip.runtime.context import Run


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_all(tmp_path_factory.mktemp("world"))


def test_images_are_lines_of_url_and_caption(world: Path):
    lines = (world / "images" / "cc12m.tsv").read_text().splitlines()
    lines += (world / "images" / "cc12m_val.tsv").read_text().splitlines()
    table = truth(world, "images")
    assert [line.split("\t", 1)[1] for line in lines] == list(table["text"])
    assert all((world / "images" / "images" / f"{row:08d}.jpg").is_file() for row in range(15))
    assert list(table["clip_id"]) == [str(row) for row in range(15)]


def test_coco_has_five_captions_an_image(world: Path):
    for split in ("train", "val"):
        data = json.loads((world / "coco" / "annotations" / f"captions_{split}2017.json").read_text())
        by_image: dict[int, list[str]] = {}
        for row in data["annotations"]:
            by_image.setdefault(row["image_id"], []).append(row["caption"])
        assert all((world / "coco" / f"{split}2017" / image["file_name"]).is_file() for image in data["images"])
        assert set(by_image) == {image["id"] for image in data["images"]}
        assert all(len(captions) == 5 for captions in by_image.values())
        first = {str(image): captions[0] for image, captions in by_image.items()}
        assert first == dict(truth(world, "coco", split)[["clip_id", "text"]].to_numpy())


def test_narrated_is_meta_files_and_subtitles(world: Path):
    root = world / "narrated"
    videos = [json.loads(line) for line in (root / "metafiles" / "meta_part0.jsonl").read_text().splitlines()]
    said = [json.loads(line) for line in (root / "subtitles.jsonl").read_text().splitlines()]
    clips = [(video["video_id"], clip) for video in videos for clip in video["clip"]]
    assert {row["clip_id"]: row["text"] for row in said} == dict(
        truth(world, "narrated")[["clip_id", "text"]].to_numpy()
    )
    for name, clip in clips:
        assert (root / "video_clips" / name / clip["clip_id"]).is_file()
        assert all(len(time.split(":")) == 3 and len(time.split(".")[1]) == 3 for time in clip["span"])
    assert len(clips) == 10


def test_alt_text_is_csv_with_pages(world: Path):
    for split in ("train", "val"):
        with (world / "alt_text" / f"results_2M_{split}.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert [row["name"] for row in rows] == list(truth(world, "alt_text", split)["text"])
        for row in rows:
            assert (world / "alt_text" / "videos" / row["page_dir"] / f"{row['videoid']}.mp4").is_file()


def test_msrvtt_test_csv_is_the_truth_and_json_holds_all(world: Path):
    root = world / "msrvtt"
    with (root / "MSRVTT_JSFUSION_test.csv").open(newline="") as file:
        test = {row["video_id"]: row["sentence"] for row in csv.DictReader(file)}
    train = (root / "MSRVTT_train.9k.csv").read_text().splitlines()
    data = json.loads((root / "MSRVTT_data.json").read_text())
    assert train[0] == "video_id"
    assert not set(train) & set(test)
    assert test == dict(truth(world, "msrvtt", "test")[["clip_id", "text"]].to_numpy())
    captions = pd.DataFrame(data["sentences"]).groupby("video_id")["caption"].size()
    assert set(captions.index) == {*train[1:], *test}
    assert (captions == 5).all()


def test_didemo_paragraphs_by_either_convention(world: Path):
    root = world / "didemo"
    for split in ("train", "val", "test"):
        listed = (root / f"{split}_list.txt").read_text().splitlines()
        rows = json.loads((root / f"{split}_data.json").read_text())
        want = dict(truth(world, "didemo", split)[["clip_id", "text"]].to_numpy())
        for order in (rows, sorted(rows, key=lambda row: row["times"][0])):
            joined: dict[str, list[str]] = {}
            for row in order:
                joined.setdefault(row["video"].rsplit(".", 1)[0], []).append(row["description"])
            assert {name: " ".join(parts) for name, parts in joined.items()} == want
        assert all((root / "videos" / name).is_file() for name in listed)
        assert {name.rsplit(".", 1)[0] for name in listed} == set(want)


def test_lsmdc_is_six_columns_and_a_folder_a_film(world: Path):
    files = {"train": "LSMDC16_annos_training.csv", "val": "LSMDC16_annos_val.csv"}
    files["test"] = "LSMDC16_challenge_1000_publictect.csv"
    films: dict[str, set[str]] = {}
    for split, name in files.items():
        rows = [line.split("\t") for line in (world / "lsmdc" / name).read_text().splitlines()]
        assert all(len(row) == 6 for row in rows)
        assert {row[0]: row[5] for row in rows} == dict(truth(world, "lsmdc", split)[["clip_id", "text"]].to_numpy())
        films[split] = {row[0].rsplit("_", 1)[0] for row in rows}
        assert all((world / "lsmdc" / "videos" / r[0].rsplit("_", 1)[0] / f"{r[0]}.avi").is_file() for r in rows)
    assert not films["train"] & films["test"]
    assert not films["val"] & (films["train"] | films["test"])


def test_activitynet_sentences_join_to_the_truth(world: Path):
    for split, name, ids in (("train", "train.json", "train_ids.json"), ("test", "val_1.json", "val_ids.json")):
        data = json.loads((world / "activitynet" / name).read_text())
        joined = {key: " ".join(s.strip() for s in video["sentences"]) for key, video in data.items()}
        assert joined == dict(truth(world, "activitynet", split)[["clip_id", "text"]].to_numpy())
        assert json.loads((world / "activitynet" / ids).read_text()) == list(data)
        for key, video in data.items():
            assert (world / "activitynet" / "videos" / f"{key}.mp4").is_file()
            assert len(video["timestamps"]) == len(video["sentences"])
            assert all(0 <= a < b <= video["duration"] for a, b in video["timestamps"])


@pytest.mark.parametrize("part", ["msrvtt", "didemo", "lsmdc", "activitynet"])
def test_a_later_gallery_reads_as_test_clips_alone(tmp_path: Path, part: str) -> None:
    world = settings(part).model_copy(update={"galleries": 2})
    corpus = CorpusSettings.model_validate({"format": part, "world": world, "holdout": 1}).of_gallery(2)
    (tmp_path / "world").mkdir()
    assert corpus.world is not None
    make_world(corpus.world, {}, tmp_path / "world", Run(work=tmp_path))
    (tmp_path / "corpus").mkdir()
    facts = make_corpus(corpus, {"world": tmp_path / "world"}, tmp_path / "corpus", Run(work=tmp_path))
    assert facts["splits"] == {"test": {"clips": SIZES[part]["test"], "texts": SIZES[part]["test"]}}
    rows = manifest.read(tmp_path / "corpus")
    assert set(rows["clip_id"]) == set(pd.read_parquet(tmp_path / "world" / "truth.parquet")["clip_id"])
    assert {clip.clip_id for clip in leakage.read(tmp_path / "corpus")} == set(rows["clip_id"])
    assert reference_counts.of(corpus) == {"test": reference_counts.Counts(SIZES[part]["test"])}
