"""`clipvip check` on files in the public formats, and test clips left out of what is trained on."""

import io
import json
import re
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from raw_corpora import VIDEO, put, write_msrvtt

from clipvip.__main__ import main
from clipvip.config.data import CorpusSettings
from clipvip.corpora.corpus_stage import make
from clipvip.data import manifest
from clipvip.data.media import checksums
from clipvip.pipeline.grid import load
from clipvip.runtime.context import Run

ROOT = Path(__file__).parents[2]
SMOKE = ROOT / "experiments/smoke.yaml"


def write_msrvtt_test_whole(root: Path) -> None:
    """As many test videos as the real one has, and a part of train; every file has bytes of its own."""
    train, test = [f"video{n}" for n in range(300)], [f"video{n}" for n in range(9000, 10_000)]
    names, url = train + test, "https://www.youtube.com/watch?v=yt"
    videos = [{"video_id": name, "split": "", "url": url + name} for name in names]
    sentences = [{"video_id": name, "caption": f"caption {n} of {name}"} for name in train for n in range(20)]
    put(root, "MSRVTT_data.json", {"videos": videos, "sentences": sentences})
    put(root, "MSRVTT_train.9k.csv", "\n".join(["video_id", *train]))
    put(root, "MSRVTT_JSFUSION_test.csv", "\n".join(["video_id,sentence", *(f"{name},of {name}" for name in test)]))
    for name in names:
        put(root, f"MSRVTT_Videos/{name}.mp4", VIDEO + name.encode())


def write_hdvila(root: Path, clips: dict[str, bytes]) -> None:
    """Clips `<video id>.<n>.mp4` with their bytes."""
    for clip_id, content in clips.items():
        put(root, f"video_clips/{clip_id.split('.')[0]}/{clip_id}", content)
    lists = [{"video_id": clip_id.split(".")[0], "clip": [{"clip_id": clip_id}]} for clip_id in clips]
    put(root, "metafiles/meta_part0.jsonl", "\n".join(map(json.dumps, lists)))
    put(root, "subtitles.jsonl", "\n".join(json.dumps({"clip_id": clip_id, "text": "so"}) for clip_id in clips))


@pytest.fixture
def experiment(tmp_path: Path) -> list[str]:
    """The smallest experiment, with a real MSR-VTT and a real HD-VILA in place of its generated ones."""
    write_msrvtt_test_whole(tmp_path / "msrvtt")
    clips = {"ytvideo9001.3.mp4": VIDEO, "other.1.mp4": VIDEO + b"video9002", "clean.1.mp4": VIDEO + b"clean0000"}
    write_hdvila(tmp_path / "hdvila", clips)
    corpora = {
        "msrvtt": {"format": "msrvtt", "root": str(tmp_path / "msrvtt"), "world": None, "holdout": 0},
        "narrated": {"format": "hdvila", "root": str(tmp_path / "hdvila"), "world": None},
    }
    (tmp_path / "own.yaml").write_text(yaml.safe_dump({"results": str(tmp_path / "results"), "corpora": corpora}))
    return [str(SMOKE), str(tmp_path / "own.yaml")]


def checked(experiment: list[str], capsys: pytest.CaptureFixture[str], *flags: str) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    code = main(["check", *experiment, "--json", *flags])
    return code, json.loads(capsys.readouterr().out)


def test_a_whole_set_passes_and_one_that_lost_a_test_video_does_not(
    experiment: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, found = checked(experiment, capsys)
    assert (code, found["problems"]) == (0, [])
    splits = found["corpora"]["msrvtt"]["splits"]
    assert (splits["train"]["videos"], splits["train"]["texts"]) == (300, 6000)
    assert (
        "corpora.msrvtt: train has 300 videos and 6,000 texts, expected 9,000 videos and 180,000 texts"
        in found["notes"]
    )
    assert (splits["test"]["videos"], splits["test"]["texts"]) == (1000, 1000) == tuple(splits["test"]["expected"])
    leaked = {entry["clip_id"]: entry["test"] for entry in found["corpora"]["narrated"]["leaked"]["first"]}
    assert leaked == {"ytvideo9001.3.mp4": "msrvtt/video9001, by id", "other.1.mp4": "msrvtt/video9002, by content"}
    assert any("narrated: 2 are test clips, and are left out" in note for note in found["notes"])

    videos = tmp_path / "msrvtt/MSRVTT_Videos"
    (videos / "video9500.mp4").unlink()
    (videos / "video17.mp4").write_bytes(b"<html>")
    (videos / "video18.mp4").write_bytes((videos / "video19.mp4").read_bytes())
    test = (tmp_path / "msrvtt/MSRVTT_JSFUSION_test.csv").read_text()
    put(tmp_path / "msrvtt", "MSRVTT_JSFUSION_test.csv", test.replace(",of video9003\n", ",of video9004\n"))
    code, found = checked(experiment, capsys)
    assert code == 1
    assert found["problems"] == [
        "corpora.msrvtt: test has 999 videos and 999 texts, expected 1,000 videos and 1,000 texts: "
        "its R@k are not those of the literature"
    ]
    own = found["corpora"]["msrvtt"]
    assert (own["missing"], own["unreadable"]["count"]) == ({"count": 1, "first": ["video9500"]}, 1)
    assert own["duplicates"]["first"] == [["MSRVTT_Videos/video18.mp4", "MSRVTT_Videos/video19.mp4"]]
    assert own["splits"]["test"]["shared"] == 1
    assert main(["check", *experiment]) == 1
    said = capsys.readouterr().out
    assert "msrvtt    train     299     9,000  5,980   180,000" in said
    assert "corpora.msrvtt: 1 have no file: video9500" in said
    assert re.search(r"msrvtt +1,300 +1 +1 +0 +0 +1\n", said)
    assert re.search(r"narrated +3 +0 +0 +0 +2 +not known\n", said)


def test_every_problem_is_said_at_once(
    experiment: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "msrvtt/MSRVTT_train.9k.csv").unlink()
    put(tmp_path / "hdvila", "metafiles/meta_part0.jsonl", "{")
    code, found = checked(experiment, capsys)
    assert code == 1
    assert len(found["problems"]) == 2
    assert re.match("corpora.msrvtt: .* no MSRVTT_train.9k.csv", found["problems"][0])
    assert "meta_part0.jsonl: line 1: not JSON" in found["problems"][1]
    assert found["corpora"]["didemo"]["absent"] is not None


def test_files_that_changed_are_found_by_their_sums(
    experiment: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "hdvila"
    paths = ["video_clips/clean/clean.1.mp4", "video_clips/other/other.1.mp4"]
    checksums.write({path: checksums.of(root / path) for path in paths}, root)
    code, found = checked(experiment, capsys, "--verify")
    assert code == 1  # of MSR-VTT nothing was recorded
    assert ["corpora.msrvtt: no checksums.csv" in problem for problem in found["problems"]] == [True]
    put(root, paths[0], VIDEO + b"clean0001")
    _, found = checked(experiment, capsys, "--verify")
    assert found["problems"][1].endswith(f"clean.1.mp4: {checksums.CHANGED}")


def test_the_corpus_stage_leaves_test_clips_out(tmp_path: Path) -> None:
    write_msrvtt(tmp_path / "msrvtt")
    put(tmp_path / "msrvtt", "MSRVTT_Videos/video7021.mp4", VIDEO + b"its own")
    cells = {name: tmp_path / "results/cells/corpus" / name for name in ("msrvtt", "narrated", "shards")}
    for folder in cells.values():
        folder.mkdir(parents=True)
    run = Run(work=tmp_path)
    make(CorpusSettings(format="msrvtt", root=str(tmp_path / "msrvtt")), {}, cells["msrvtt"], run)
    contents = {"video7020.1.mp4": VIDEO + b"a", "b.1.mp4": VIDEO + b"its own", "c.1.mp4": VIDEO + b"not its"}
    write_hdvila(tmp_path / "hdvila", contents)
    settings = CorpusSettings(format="hdvila", root=str(tmp_path / "hdvila"), max_bad=0)
    receipt = make(settings, {"test:msrvtt": cells["msrvtt"]}, cells["narrated"], run)
    assert list(manifest.clip_ids(cells["narrated"])) == ["c.1.mp4"]
    assert (receipt["clips"], receipt["found"], receipt["num_leaked"]) == (1, 1, 2)
    assert receipt["leaked"] == [
        {"clip_id": "video7020.1.mp4", "test": "msrvtt/video7020, by id"},
        {"clip_id": "b.1.mp4", "test": "msrvtt/video7021, by content"},
    ]

    (tmp_path / "tars").mkdir()
    with tarfile.open(tmp_path / "tars/0.tar", "w") as tar:
        for name, content in (("video7021", VIDEO + b"a"), ("x", VIDEO + b"its own"), ("y", VIDEO + b"b")):
            for ending, data in ((".mp4", content), (".txt", b"said")):
                info = tarfile.TarInfo(name + ending)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    settings = CorpusSettings(format="webdataset", root=str(tmp_path / "tars"))
    receipt = make(settings, {"test:msrvtt": cells["msrvtt"]}, cells["shards"], run)
    assert list(manifest.clip_ids(cells["shards"])) == ["y"]
    assert [entry["test"] for entry in receipt["leaked"]] == ["msrvtt/video7021, by id", "msrvtt/video7021, by content"]


def test_real_corpora_for_training_are_made_from_the_test_sets_too() -> None:
    grid = load([ROOT / "experiments/base_32.yaml"])
    assert set(grid.corpus("narrated_100m").inputs) == {f"test:{name}" for name in grid.experiment.downstream}
    assert grid.corpus("msrvtt").inputs == {}
    assert set(load([SMOKE]).corpus("narrated").inputs) == {"world"}
