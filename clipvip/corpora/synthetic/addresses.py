"""Ids and file names that look like the public ones, the same for the same seed, distinct across parts."""

import hashlib
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from clipvip.config.data import Part
from clipvip.corpora.synthetic.clips import Split

_URL_SAFE = string.ascii_letters + string.digits + "-_"
_HEX = string.digits + "abcdef"
_ADJECTIVES = ("Amber", "Broken", "Distant", "Hollow", "Quiet", "Second", "Silver", "Winter")
_NOUNS = ("Bridge", "Door", "Garden", "Harbour", "Letter", "River", "Station", "Summer")
CLIPS_PER_MOVIE = 20
VIDEOS_PER_PAGE = 50


@dataclass(frozen=True)
class Address:
    """Where a clip lies: `path` relative to the part's folder; `detail` is what the annotation file adds."""

    clip_id: str
    path: str
    detail: Mapping[str, str] = field(default_factory=dict)


def _token(key: str, length: int, alphabet: str) -> str:
    """`length` characters of the alphabet that depend on `key` alone."""
    number = int.from_bytes(hashlib.blake2b(key.encode()).digest())
    letters = []
    for _ in range(length):
        number, letter = divmod(number, len(alphabet))
        letters.append(alphabet[letter])
    return "".join(letters)


def _clock(seconds: float, marks: str) -> str:
    """hh mm ss mmm, with `marks` between: "::." for HD-VILA, "..." for LSMDC."""
    whole, milli = divmod(round(seconds * 1000), 1000)
    return f"{whole // 3600:02d}{marks[0]}{whole // 60 % 60:02d}{marks[1]}{whole % 60:02d}{marks[2]}{milli:03d}"


def _images(seed: int, split: Split, count: int, before: int, seconds: float) -> list[Address]:
    rows = range(before, before + count)
    return [
        Address(
            str(row),
            f"images/{row:08d}.jpg",
            {"url": f"https://example.invalid/{_token(f'{seed}/{row}', 12, _HEX)}.jpg"},
        )
        for row in rows
    ]


def _coco(seed: int, split: Split, count: int, before: int, seconds: float) -> list[Address]:
    ids = [100_003 + 7 * number for number in range(before, before + count)]
    return [Address(str(i), f"{split}2017/{i:012d}.jpg", {"file_name": f"{i:012d}.jpg"}) for i in ids]


def _narrated(seed: int, split: Split, count: int, before: int, seconds: float) -> list[Address]:
    found: list[Address] = []
    video = 0
    while len(found) < count:
        key = f"narrated/{seed}/{video}"
        video_id = _token(key, 11, _URL_SAFE)
        clips = 1 + len(_token(key, 16, "abcd").split("a")[0]) % 4  # 1 to 4, by the id
        for number in range(1, min(clips, count - len(found)) + 1):
            clip_id = f"{video_id}.{number}.mp4"
            start = 2.5 + (number - 1) * (seconds + 4.25)
            detail = {"video": video_id, "start": _clock(start, "::."), "end": _clock(start + seconds, "::.")}
            found.append(Address(clip_id, f"video_clips/{video_id}/{clip_id}", detail))
        video += 1
    return found


def _alt_text(seed: int, split: Split, count: int, before: int, seconds: float) -> list[Address]:
    found = []
    for number in range(before, before + count):
        video_id = str(1_000_003 + 13 * number)
        page = number // VIDEOS_PER_PAGE * VIDEOS_PER_PAGE
        page_dir = f"{page + 1:06d}_{page + VIDEOS_PER_PAGE:06d}"
        found.append(Address(video_id, f"videos/{page_dir}/{video_id}.mp4", {"page_dir": page_dir}))
    return found


def _msrvtt(seed: int, split: Split, count: int, before: int, seconds: float) -> list[Address]:
    first = 0 if split == "train" else max(7020, before)  # the official test range starts above the train range
    names = [f"video{number}" for number in range(first, first + count)]
    return [Address(name, f"MSRVTT_Videos/{name}.mp4") for name in names]


def _didemo(seed: int, split: Split, count: int, before: int, seconds: float) -> list[Address]:
    found = []
    for number in range(before, before + count):
        key = f"didemo/{seed}/{number}"
        user, photo = _token(key, 8, "123456789"), _token(key + "/photo", 10, "123456789")
        stem = f"{user}@N0{number % 10}_{photo}_{_token(key + '/hash', 10, _HEX)}"
        found.append(Address(stem, f"videos/{stem}.mp4", {"video": f"{stem}.mp4", "photo": photo}))
    return found


def _lsmdc(seed: int, split: Split, count: int, before: int, seconds: float) -> list[Address]:
    series = {"train": 1, "val": 4001, "test": 7001}[split]
    most = 3000 * CLIPS_PER_MOVIE
    if count > most:
        raise ValueError(f"world part 'lsmdc': clips.{split} is {count}; its film numbers allow {most} at most")
    found = []
    for number in range(count):
        film, scene = divmod(number, CLIPS_PER_MOVIE)
        words = _ADJECTIVES[film % 8], _NOUNS[film // 8 % 8]
        movie = f"{series + film:04d}_The_{words[0]}_{words[1]}"
        start = 60 + scene * (seconds + 7.5)
        begin, end = _clock(start, "..."), _clock(start + seconds, "...")
        clip_id = f"{movie}_{begin}-{end}"
        found.append(Address(clip_id, f"videos/{movie}/{clip_id}.avi", {"start": begin, "end": end}))
    return found


def _activitynet(seed: int, split: Split, count: int, before: int, seconds: float) -> list[Address]:
    numbers = range(before, before + count)
    names = ["v_" + _token(f"activitynet/{seed}/{number}", 11, _URL_SAFE) for number in numbers]
    return [Address(name, f"videos/{name}.mp4") for name in names]


_Rule = Callable[[int, Split, int, int, float], list[Address]]
_RULES: Mapping[Part, _Rule] = {
    "images": _images,
    "coco": _coco,
    "narrated": _narrated,
    "alt_text": _alt_text,
    "msrvtt": _msrvtt,
    "didemo": _didemo,
    "lsmdc": _lsmdc,
    "activitynet": _activitynet,
}


def addresses(part: Part, seed: int, split: Split, count: int, before: int, seconds: float) -> list[Address]:
    """The addresses of a split of `count` clips of `seconds`; `before` clips stand in the splits ahead of it."""
    return _RULES[part](seed, split, count, before, seconds)
