"""`clipvip check` on leaks inside a set, and on the public variants of DiDeMo: exit code and what is said."""

import json
from pathlib import Path

import pytest
import yaml
from raw_corpora import VIDEO, put
from test_check import SMOKE, write_msrvtt_test_whole

from clipvip.__main__ import main

HEAD = "path,text,split,start,end,source_video\n"
LINE = "clips for training show what test clips of the same set show, and are left out"


def check(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, **settings: object) -> tuple[int, str]:
    """Exit code and what is said of the smallest experiment with the set at tmp_path/raw in place of `name`."""
    own = {"format": name, "root": str(tmp_path / "raw"), "world": None, "holdout": 0, **settings}
    data = {"results": str(tmp_path / "results"), "corpora": {name if name != "folder" else "msrvtt": own}}
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(data))
    return main(["check", str(SMOKE), str(tmp_path / "own.yaml")]), capsys.readouterr().out


@pytest.mark.parametrize(
    ("train", "said"),
    [
        ("a.mp4,x,train,5,10,", "a.mp4@5-10 = a.mp4@5-10, by id"),
        ("a.mp4,x,train,,,", "a.mp4 = a.mp4@5-10, by file"),
        ("a.mp4,x,train,9,12,", "a.mp4@9-12 = a.mp4@5-10, by file"),
        ("copy.mp4,x,train,,,", "copy.mp4 = a.mp4@5-10, by content"),
        ("other.mp4,x,train,,,film", "other.mp4 = a.mp4@5-10, by source video"),
    ],
)
def test_a_leak_inside_a_set_is_a_problem(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], train: str, said: str
) -> None:
    root = tmp_path / "raw"
    for name in ("a.mp4", "b.mp4", "other.mp4"):
        put(root, name, VIDEO)
    (root / "copy.mp4").write_bytes((root / "a.mp4").read_bytes())
    put(root, "annotations.csv", f"{HEAD}b.mp4,y,train,,,\na.mp4,z,test,5,10,film\n")
    assert check(tmp_path, capsys, "folder")[0] == 0
    put(root, "annotations.csv", f"{HEAD}{train}\nb.mp4,y,train,,,\na.mp4,z,test,5,10,film\n")
    code, out = check(tmp_path, capsys, "folder")
    assert code == 1
    problems = out.partition("\nproblems:\n")[2]
    assert f"corpora.msrvtt: 1 {LINE}: {said};" in problems


def test_the_sources_that_msrvtt_shares_are_a_note(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "raw"
    write_msrvtt_test_whole(root)
    data = json.loads((root / "MSRVTT_data.json").read_text())
    times = {"video3": (0, 10), "video9000": (10, 20)}
    for video in data["videos"]:
        if video["video_id"] in times:
            start, end = times[video["video_id"]]
            video |= {"url": "https://www.youtube.com/watch?v=AAAAAAAAAAA", "start time": start, "end time": end}
    put(root, "MSRVTT_data.json", data)
    code, out = check(tmp_path, capsys, "msrvtt")
    assert code == 0
    assert "1 clips for training come from the source video of a test clip, and are kept (`same_source`)" in out
    assert "video3 = video9000, by source video" in out
    code, out = check(tmp_path, capsys, "msrvtt", same_source="leave_out")
    assert code == 1
    assert f"1 {LINE}: video3 = video9000, by source video" in out


@pytest.mark.parametrize(
    ("count", "which"),
    [
        (1002, "the authors' jsonl"),
        (1003, "as papers report it"),
        (1004, "the test_list.txt of the public lists"),
        (1001, None),
    ],
)
def test_the_variants_of_didemo_are_told_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], count: int, which: str | None
) -> None:
    root = tmp_path / "raw"
    videos = {"train": ["t.mov"], "val": ["v.mov"], "test": [f"{number}.mov" for number in range(count)]}
    jsonl = {}
    for split, names in videos.items():
        for name in names:
            put(root, f"videos/{name}", VIDEO)
        if count == 1002:
            jsonl[split] = f"{split}.jsonl"
            lines = [json.dumps({"clip_id": name.removesuffix(".mov"), "text": ["said"]}) for name in names]
            put(root, jsonl[split], "\n".join(lines))
        else:
            put(root, f"{split}_data.json", [{"video": n, "description": "said", "times": [[0, 0]]} for n in names])
    if count == 1004:
        put(root, "test_list.txt", "\n".join(videos["test"]))
    code, out = check(tmp_path, capsys, "didemo", **({"annotations": jsonl} if jsonl else {}))
    if which is None:
        assert code == 1
        assert "test has 1,001 videos and 1,001 texts, expected 1,003 videos and 1,003 texts" in out
    else:
        assert code == 0
        assert f"corpora.didemo: test is the variant of {count:,} videos ({which})" in out
