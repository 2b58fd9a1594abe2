"""Listings of the real corpora at their real sizes: annotation files in the public formats, no videos.

Downstream counts are those of the field's protocols; WebVid-2.5M, CC12M and COCO have as many rows as published;
HD-VILA takes a count, since its hundred million clips are 20 GB of listing.
"""

import json
from collections.abc import Iterator
from pathlib import Path

COUNTS = {
    "msrvtt": {"train": 9_000, "test": 1_000},
    "didemo": {"train": 8_394, "val": 1_065, "test": 1_003},
    "lsmdc": {"train": 101_079, "val": 7_408, "test": 1_000},
    "activitynet": {"train": 10_009, "test": 4_917},
    "coco": {"train": 118_287, "val": 5_000},
    "webvid": {"train": 2_500_000, "val": 5_000},
    "cc12m": {"train": 12_423_374},
    "hdvila": {"train": 1_000_000},
}
FOLDERS = dict.fromkeys(COUNTS, "") | {"coco": "annotations/", "hdvila": "metafiles/"}
LSMDC = {"train": "LSMDC16_annos_training.csv", "val": "LSMDC16_annos_val.csv"}
TEXT = "someone walks across the room and opens a door"
CAPTIONS = {"msrvtt": 20, "coco": 5, "didemo": 4, "activitynet": 4}
CLIPS_OF_A_VIDEO = 30


def counts(share: float) -> dict[str, dict[str, int]]:
    """All counts made smaller, none below two."""
    return {name: {split: max(2, int(n * share)) for split, n in each.items()} for name, each in COUNTS.items()}


def write(root: Path, sizes: dict[str, dict[str, int]]) -> None:
    """A folder a corpus below `root`."""
    for name, own in sizes.items():
        folder = root / name / FOLDERS[name]
        folder.mkdir(parents=True)
        WRITERS[name](folder, own)


def _msrvtt(folder: Path, sizes: dict[str, int]) -> None:
    train, every = sizes["train"], sizes["train"] + sizes["test"]
    videos = [{"video_id": f"video{n}", "split": "train" if n < train else "test"} for n in range(every)]
    said = [{"video_id": f"video{n % every}", "caption": TEXT} for n in range(CAPTIONS["msrvtt"] * every)]
    (folder / "MSRVTT_data.json").write_text(json.dumps({"info": {}, "videos": videos, "sentences": said}))
    _lines(folder / "MSRVTT_train.9k.csv", ["video_id", *(f"video{n}" for n in range(train))])
    test = (f"ret{n},msr{n},video{n},{TEXT}" for n in range(train, every))
    _lines(folder / "MSRVTT_JSFUSION_test.csv", ["key,vid_key,video_id,sentence", *test])


def _didemo(folder: Path, sizes: dict[str, int]) -> None:
    for split, size in sizes.items():
        names = [f"1{n:07d}@N00_{n}_{split}.mov" for n in range(size)]
        notes = [
            {"video": name, "description": f"{TEXT} {m}", "times": [[m, m]] * 4}
            for m in range(CAPTIONS["didemo"])
            for name in names
        ]
        (folder / f"{split}_data.json").write_text(json.dumps(notes))
        _lines(folder / f"{split}_list.txt", names)


def _lsmdc(folder: Path, sizes: dict[str, int]) -> None:
    for split, size in sizes.items():
        time = "00.01.02.500\t00.01.05.000"
        rows = (f"1{n // 500:03d}_{split}_00.{n:06d}-00.{n:06d}\t{time}\t{time}\t{TEXT}" for n in range(size))
        _lines(folder / LSMDC.get(split, "LSMDC16_challenge_1000_publictect.csv"), rows)


def _activitynet(folder: Path, sizes: dict[str, int]) -> None:
    for name, split in (("train.json", "train"), ("val_1.json", "test")):
        note = {"duration": 61.4, "timestamps": [[0, 20.5]] * 4, "sentences": [f" {TEXT}"] * CAPTIONS["activitynet"]}
        (folder / name).write_text(json.dumps({f"v_{split}{n:08d}": note for n in range(sizes[split])}))


def _coco(folder: Path, sizes: dict[str, int]) -> None:
    for split, size in sizes.items():
        images = [{"id": n, "file_name": f"{n:012d}.jpg"} for n in range(size)]
        notes = [{"id": n, "image_id": n % size, "caption": TEXT} for n in range(CAPTIONS["coco"] * size)]
        (folder / f"captions_{split}2017.json").write_text(json.dumps({"images": images, "annotations": notes}))


def _webvid(folder: Path, sizes: dict[str, int]) -> None:
    for split, size in sizes.items():
        first = 10_000_000 if split == "val" else 0
        rows = (f"{first + n},,PT00H00M12S,{n // 1000:06d}_000050,{TEXT}" for n in range(size))
        _lines(folder / f"results_2M_{split}.csv", _after("videoid,contentUrl,duration,page_dir,name", rows))


def _cc12m(folder: Path, sizes: dict[str, int]) -> None:
    _lines(folder / "cc12m.tsv", (f"https://example.invalid/{n}\t{TEXT}" for n in range(sizes["train"])))


def _hdvila(folder: Path, sizes: dict[str, int]) -> None:
    ids = [(f"v{n // CLIPS_OF_A_VIDEO:010d}", n % CLIPS_OF_A_VIDEO) for n in range(sizes["train"])]
    span = '["00:00:02.500","00:00:09.120"]'

    def videos() -> Iterator[str]:
        for start in range(0, len(ids), CLIPS_OF_A_VIDEO):
            own = ids[start : start + CLIPS_OF_A_VIDEO]
            clips = ",".join(f'{{"clip_id":"{video}.{number}.mp4","span":{span}}}' for video, number in own)
            yield f'{{"video_id":"{own[0][0]}","clip":[{clips}]}}'

    _lines(folder / "meta_part0.jsonl", videos())
    said = (f'{{"clip_id":"{video}.{number}.mp4","text":"{TEXT}"}}' for video, number in ids)
    _lines(folder.parent / "subtitles.jsonl", said)


def _after(header: str, rows: Iterator[str]) -> Iterator[str]:
    yield header
    yield from rows


def _lines(path: Path, rows: "Iterator[str] | list[str]") -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(f"{row}\n" for row in rows)


WRITERS = {
    "msrvtt": _msrvtt,
    "didemo": _didemo,
    "lsmdc": _lsmdc,
    "activitynet": _activitynet,
    "coco": _coco,
    "webvid": _webvid,
    "cc12m": _cc12m,
    "hdvila": _hdvila,
}
