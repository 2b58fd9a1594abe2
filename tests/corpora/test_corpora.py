"""What holds for every format: the account of clips, splits, paths, and what the user is told."""

import json
from pathlib import Path

import pandas as pd
import pytest
from raw_corpora import IMAGE, VIDEO, put, read, write_msrvtt

from clipvip.config.data import CorpusSettings, WorldSettings
from clipvip.corpora import reading
from clipvip.corpora.corpus_stage import make
from clipvip.corpora.synthetic import world
from clipvip.data import manifest
from clipvip.data.media import checksums
from clipvip.data.media.file_header import VideoError
from clipvip.runtime.context import Run


def test_missing_and_broken_files_are_left_out_named_and_counted(tmp_path: Path) -> None:
    root = tmp_path / "raw"
    write_msrvtt(root)
    (root / "MSRVTT_Videos/video0.mp4").unlink()
    put(root, "MSRVTT_Videos/video1.webm", b"")
    put(root, "MSRVTT_Videos/video2.mp4", b"<html>404</html>")
    put(root, "MSRVTT_Videos/video7020.mp4", b"")
    put(root, "videos/video7020.mp4", VIDEO)  # a sound copy under another name
    receipt, rows = read(tmp_path, "msrvtt", max_bad=0.6)
    assert sorted(rows["clip_id"]) == ["video7020", "video7021"]
    assert (receipt["found"], receipt["num_missing"], receipt["missing"]) == (2, 1, ["video0"])
    assert receipt["num_unreadable"] == 2
    assert receipt["unreadable"] == [
        {"clip_id": "video1", "reason": "empty file"},
        {"clip_id": "video2", "reason": "header of no known image or video format"},
    ]
    with pytest.raises(ValueError, match=r"raw: 3 of 5 clips \(60.0%\).*59.0% are allowed: video0, video1.*`max_bad`"):
        read(tmp_path, "msrvtt", max_bad=0.59)


def test_the_receipt_names_fifty_and_counts_all(tmp_path: Path) -> None:
    put(tmp_path / "raw", "cc12m.tsv", "u\tcaption\n" * 70)
    put(tmp_path / "raw", "images/00000000.png", b"\x89PNG\r\n\x1a\n")
    receipt, _ = read(tmp_path, "cc12m")
    assert (len(receipt["missing"]), receipt["num_missing"]) == (50, 69)


def test_annotations_read_in_parts_make_the_same_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "raw"
    lines = [f"{n % 9}.mp4,text {n if n % 4 else ''}" for n in range(9)] + ["10.mp4,gone", "0.mp4,again"]
    put(root, "annotations.csv", "path,text\n" + "\n".join(lines))
    for number in range(9):
        put(root, f"{number}.mp4", VIDEO if number != 5 else b"")
    whole, rows = read(tmp_path, "folder")
    monkeypatch.setattr(reading, "PART", 4)
    receipt, in_parts = read(tmp_path, "folder")
    order = ["clip_id", "text"]
    assert receipt == whole
    assert (receipt["found"], receipt["missing"], receipt["clips"], receipt["texts"]) == (8, ["10.mp4"], 8, 9)
    pd.testing.assert_frame_equal(
        in_parts.sort_values(order, ignore_index=True), rows.sort_values(order, ignore_index=True)
    )
    put(root, "annotations.csv", "path,text,clip_id\n0.mp4,a,same\n1.mp4,a,b\n2.mp4,a,c\n3.mp4,a,d\n4.mp4,a,same\n")
    with pytest.raises(ValueError, match="rows of clip 'same' differ in path, start, end or split"):
        read(tmp_path, "folder")


def test_holdout_moves_train_clips_to_val(tmp_path: Path) -> None:
    write_msrvtt(tmp_path / "raw")
    receipt, rows = read(tmp_path, "msrvtt", holdout=1, holdout_seed=3)
    held = manifest.subset(["video0", "video1", "video2"], 1, seed=3)
    assert set(rows.loc[rows["split"] == "val", "clip_id"]) == set(held)
    assert receipt["splits"]["train"]["clips"] == 2
    assert receipt["splits"]["test"] == {"clips": 2, "texts": 2}
    with pytest.raises(ValueError, match="`holdout` is 3, there are 3 clips in train"):
        read(tmp_path, "msrvtt", holdout=3)
    with pytest.raises(ValueError, match="has a val split, yet `holdout` is 1"):
        read(tmp_path, "msrvtt", holdout=1, protocol="full")


def test_a_test_clip_that_is_listed_for_training_too_is_tested_on_alone(tmp_path: Path) -> None:
    write_msrvtt(tmp_path / "raw")
    put(tmp_path / "raw", "MSRVTT_train.9k.csv", "video_id\nvideo7020\nvideo0\n")
    receipt, rows = read(tmp_path, "msrvtt")
    assert set(rows.loc[rows["split"] == "train", "clip_id"]) == {"video0"}
    assert receipt["own_tests"] == [{"clip_id": "video7020", "test": "video7020, by id"}]


def test_a_clip_in_two_splits_for_training_keeps_the_first(tmp_path: Path) -> None:
    put(tmp_path / "raw", "annotations.csv", "clip_id,path,text,split\na,x.mp4,one,val\na,x.mp4,two,train\n")
    put(tmp_path / "raw", "x.mp4", VIDEO)
    receipt, rows = read(tmp_path, "folder")
    assert rows[["split", "text"]].to_numpy().tolist() == [["val", "one"]]
    assert receipt["set_aside"][0]["reason"] == "is in both val and train; keep one"


@pytest.mark.parametrize("name", ["../../secret.jpg", "a/../../../secret.jpg"])
def test_names_that_leave_the_root_are_refused(tmp_path: Path, name: str) -> None:
    data = {"images": [{"id": 9, "file_name": name}], "annotations": [{"id": 1, "image_id": 9, "caption": "a"}]}
    put(tmp_path / "raw", "annotations/captions_train2017.json", data)
    put(tmp_path, "secret.jpg", IMAGE)
    with pytest.raises(ValueError, match=r"clip '9': names the file .*outside of `root`"):
        read(tmp_path, "coco")


def test_what_the_user_got_wrong_is_said(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"raw: no such folder; check `root`"):
        read(tmp_path, "coco")
    (tmp_path / "raw").mkdir()
    for form, name in (("coco", "captions_train2017.json or captions_train2014.json"), ("didemo", "train_data.json")):
        with pytest.raises(ValueError, match=f"no {name}"):
            read(tmp_path, form)
    with pytest.raises(ValueError, match=r"coco: has no `protocol`"):
        read(tmp_path, "coco", protocol="9k")
    put(tmp_path / "raw", "cc12m.tsv", "\n")
    with pytest.raises(ValueError, match="the annotations name no clip"):
        read(tmp_path, "cc12m")
    put(tmp_path / "raw", "cc12m.tsv", "u\ta\n")
    with pytest.raises(ValueError, match="no clip has both a file and a text"):
        read(tmp_path, "cc12m")
    for split in ("train", "val", "test"):
        put(tmp_path / "raw", f"{split}_data.json", [{"video": "a.mov", "times": [[0, 0]], "description": None}])
    with pytest.raises(ValueError, match=r"train_data.json: record\[0\]: 'description' is null, not a text"):
        read(tmp_path, "didemo")


def test_a_generated_world_is_read_from_its_cell(tmp_path: Path) -> None:
    world, out = tmp_path / "cells/world/w", tmp_path / "cells/corpus/k"
    write_msrvtt(world)
    out.mkdir(parents=True)
    settings = CorpusSettings.model_validate(
        {"format": "msrvtt", "world": {"part": "msrvtt", "clips": {"train": 3, "test": 2}}}
    )
    make(settings, {"world": world}, out, Run(work=tmp_path))
    assert json.loads((out / "corpus.json").read_text())["root"] == "../../world/w"
    assert all((manifest.media_root(out) / path).is_file() for path in manifest.read(out)["path"])


@pytest.mark.parametrize(
    ("part", "form", "splits"),
    [
        ("images", "cc12m", ("train", "val")),
        ("coco", "coco", ("train", "val")),
        ("narrated", "hdvila", ("train",)),
        ("alt_text", "webvid", ("train", "val")),
        ("msrvtt", "msrvtt", ("train", "test")),
        ("didemo", "didemo", ("train", "val", "test")),
        ("lsmdc", "lsmdc", ("train", "val", "test")),
        ("activitynet", "activitynet", ("train", "test")),
    ],
)
def test_every_part_of_the_miniature_world_is_read_in_full(
    tmp_path: Path, part: str, form: str, splits: tuple[str, ...]
) -> None:
    made, out = tmp_path / "cells/world/w", tmp_path / "cells/corpus/k"
    for folder in (made, out):
        folder.mkdir(parents=True)
    settings = WorldSettings.model_validate({"part": part, "clips": dict.fromkeys(splits, 4), "frames": 4})
    world.make(settings, {}, made, Run(work=tmp_path))
    receipt = make(
        CorpusSettings.model_validate({"format": form, "world": settings}), {"world": made}, out, Run(work=tmp_path)
    )
    assert receipt["found"] == receipt["clips"] == 4 * len(splits)
    truth = pd.read_parquet(made / "truth.parquet").set_index("clip_id")
    clips = manifest.clips(manifest.read(out)).set_index("clip_id")
    assert clips["split"].to_dict() == truth["split"].to_dict()
    if "test" in splits:  # what is evaluated
        assert clips["text"].to_dict() == truth["text"].to_dict()


def test_a_file_that_changed_since_its_sum_was_recorded_is_found(tmp_path: Path) -> None:
    write_msrvtt(tmp_path / "raw")
    out = tmp_path / "cells" / "corpus" / "sums"
    out.mkdir(parents=True)
    settings = CorpusSettings(format="msrvtt", root=str(tmp_path / "raw"), checksums=True, max_bad=1.0)
    make(settings, {}, out, Run(work=tmp_path))
    paths = list(dict.fromkeys(manifest.read(out)["path"]))
    verifier = checksums.Verifier(out, tmp_path / "raw")
    for path in paths:
        verifier.check(path)
    file = tmp_path / "raw" / paths[0]
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1  # one bit, which may well decode
    file.write_bytes(content)
    with pytest.raises(VideoError, match="changed since its sha256 was recorded"):
        checksums.Verifier(out, tmp_path / "raw").check(paths[0])
