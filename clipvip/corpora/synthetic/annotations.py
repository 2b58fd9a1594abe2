"""Writers of the public annotation files, with the oddities of the real ones that any reader must bear.

One function a part: (clips of all splits, folder, side of a frame, seconds of a clip) -> files.
"""

import csv
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clipvip.config.data import Part
from clipvip.corpora import annotation_files
from clipvip.corpora.synthetic.addresses import Address
from clipvip.corpora.synthetic.clips import Split, Take
from clipvip.corpora.synthetic.language import Utterance


@dataclass(frozen=True)
class Clip:
    """A take at its address, with the texts it goes by (a narrated one may go by another clip's)."""

    take: Take
    address: Address
    split: Split
    texts: tuple[Utterance, ...]
    aligned: bool = True

    def spans(self, seconds: float) -> list[tuple[float, float]]:
        """Begin and end of each sentence of the first text: sentences that tell events come last."""
        events = [self.take.scene.events[position] for position in self.take.plans[0].events]
        told = [(event.begin * seconds, event.end * seconds) for event in events]
        return [(0.0, seconds)] * (len(self.texts[0].sentences) - len(told)) + told


Clips = Sequence[Clip]


def _of(clips: Clips, split: Split) -> list[Clip]:
    return [clip for clip in clips if clip.split == split]


def _json(path: Path, data: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data), encoding="utf-8")


def _lines(path: Path, lines: Iterable[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")


def _csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def _rounds(clips: Clips) -> list[tuple[Clip, Utterance]]:
    """Texts as the public files order them: not grouped by clip. First the first of each, then the second ..."""
    most = max((len(clip.texts) for clip in clips), default=0)
    return [(clip, clip.texts[k]) for k in range(most) for clip in clips if k < len(clip.texts)]


def _images(clips: Clips, out: Path, pixels: int, seconds: float) -> None:
    for split, name in (("train", "cc12m.tsv"), ("val", "cc12m_val.tsv")):
        chosen = [clip for clip in clips if clip.split == split]
        if chosen:
            _lines(out / name, (f"{clip.address.detail['url']}\t{clip.texts[0].text}" for clip in chosen))


def _coco(clips: Clips, out: Path, pixels: int, seconds: float) -> None:
    licence = {"id": 1, "name": "none", "url": "https://example.invalid/licence"}
    same = {"license": 1, "height": pixels, "width": pixels, "date_captured": "2013-11-14 00:00:00"}
    same |= {"flickr_url": "", "coco_url": ""}
    for split in ("train", "val"):
        chosen = [clip for clip in clips if clip.split == split]
        images = [{"id": int(c.address.clip_id), "file_name": c.address.detail["file_name"]} | same for c in chosen]
        texts = [
            {"id": number, "image_id": int(clip.address.clip_id), "caption": said.text}
            for number, (clip, said) in enumerate(_rounds(chosen), start=1)
        ]
        data = {"info": {}, "licenses": [licence], "images": images, "annotations": texts}
        if chosen:
            _json(out / "annotations" / f"captions_{split}2017.json", data)


def _narrated(clips: Clips, out: Path, pixels: int, seconds: float) -> None:
    videos: dict[str, list[dict[str, Any]]] = {}
    for clip in clips:
        at = clip.address.detail
        cut = {"clip_id": clip.address.clip_id, "span": [at["start"], at["end"]]}
        videos.setdefault(at["video"], []).append(cut)
    meta = (
        json.dumps({"video_id": name, "url": f"https://www.youtube.com/watch?v={name}", "clip": cuts})
        for name, cuts in videos.items()
    )
    _lines(out / "metafiles" / "meta_part0.jsonl", meta)
    said = (json.dumps({"clip_id": clip.address.clip_id, "text": clip.texts[0].text}) for clip in clips)
    _lines(out / annotation_files.HDVILA_SUBTITLES, said)


def _alt_text(clips: Clips, out: Path, pixels: int, seconds: float) -> None:
    header = ("videoid", "contentUrl", "duration", "page_dir", "name")
    duration = f"PT00H00M{round(seconds):02d}S"
    for split in ("train", "val"):
        rows = [
            (
                name,
                f"https://example.invalid/v/{name}.mp4",
                duration,
                clip.address.detail["page_dir"],
                clip.texts[0].text,
            )
            for clip in clips
            if clip.split == split
            for name in (clip.address.clip_id,)
        ]
        if rows:
            _csv(out / f"results_2M_{split}.csv", header, rows)


def _msrvtt(clips: Clips, out: Path, pixels: int, seconds: float) -> None:
    train, test = _of(clips, "train"), _of(clips, "test")
    videos = [
        {
            "id": int(clip.address.clip_id.removeprefix("video")),
            "video_id": clip.address.clip_id,
            "category": 0,
            "url": f"https://example.invalid/{clip.address.clip_id}",
            "start time": 0.0,
            "end time": seconds,
            "split": clip.split,
        }
        for clip in clips
    ]
    sentences = [
        {"sen_id": number, "video_id": clip.address.clip_id, "caption": said.text}
        for number, (clip, said) in enumerate(_rounds(clips))
    ]
    _json(out / annotation_files.MSRVTT_DATA, {"info": {}, "videos": videos, "sentences": sentences})
    _csv(out / "MSRVTT_train.9k.csv", ("video_id",), ((clip.address.clip_id,) for clip in train))
    rows = (
        (f"ret{number}", clip.address.clip_id.replace("video", "msr"), clip.address.clip_id, clip.texts[0].text)
        for number, clip in enumerate(test)
    )
    _csv(out / annotation_files.MSRVTT_TEST, ("key", "vid_key", "video_id", "sentence"), rows)


def _didemo(clips: Clips, out: Path, pixels: int, seconds: float) -> None:
    chunk = 5.0  # seconds, as in the public files
    segments = max(1, int(-(-seconds // chunk)))
    number = 0
    for split in ("train", "val", "test"):
        chosen = [clip for clip in clips if clip.split == split]
        parts: list[tuple[int, dict[str, Any]]] = []
        for clip in chosen:
            at, spans = clip.address.detail, clip.spans(seconds)
            for place, (said, (begin, end)) in enumerate(zip(clip.texts[0].sentences, spans, strict=True)):
                # What is seen throughout counts as the first chunk, so that sorting by time keeps the order told.
                times = [int(begin // chunk), int(end // chunk) if begin else 0]
                part = {"description": said, "num_segments": segments, "times": [times] * 4, "video": at["video"]}
                link = f"https://www.flickr.com/video_download.gne?id={at['photo']}"
                parts.append((place, {"annotation_id": number, "dl_link": link} | part))
                number += 1
        parts.sort(key=lambda part: part[0])  # not grouped by video, as in the public files
        _json(out / annotation_files.DIDEMO_DATA.format(split), [part for _, part in parts])
        _lines(out / annotation_files.DIDEMO_LIST.format(split), (clip.address.detail["video"] for clip in chosen))


def _lsmdc(clips: Clips, out: Path, pixels: int, seconds: float) -> None:
    names: Mapping[Split, str] = {
        "train": annotation_files.LSMDC_TRAIN,
        "val": annotation_files.LSMDC_VAL,
        "test": annotation_files.LSMDC_TEST,
    }
    for split, name in names.items():
        rows = []
        for clip in _of(clips, split):
            times = (clip.address.detail["start"], clip.address.detail["end"])
            rows.append("\t".join([clip.address.clip_id, *times, *times, clip.texts[0].text]))
        _lines(out / name, rows)


def _activitynet(clips: Clips, out: Path, pixels: int, seconds: float) -> None:
    train = ("train", annotation_files.ACTIVITYNET_TRAIN, "train_ids.json")
    test = ("test", annotation_files.ACTIVITYNET_TEST, "val_ids.json")
    for split, name, ids in (train, test):
        chosen = {clip.address.clip_id: clip for clip in clips if clip.split == split}
        videos = {}
        for clip_id, clip in chosen.items():
            first, *later = clip.texts[0].sentences
            spans = [[round(begin, 2), round(end, 2)] for begin, end in clip.spans(seconds)]
            sentences = [first, *(f" {sentence}" for sentence in later)]  # the public files put this space
            videos[clip_id] = {"duration": seconds, "timestamps": spans, "sentences": sentences}
        _json(out / name, videos)
        _json(out / ids, list(chosen))


WRITERS: Mapping[Part, Callable[[Clips, Path, int, float], None]] = {
    "images": _images,
    "coco": _coco,
    "narrated": _narrated,
    "alt_text": _alt_text,
    "msrvtt": _msrvtt,
    "didemo": _didemo,
    "lsmdc": _lsmdc,
    "activitynet": _activitynet,
}
