"""Shards of captions put together in ranges, against one table of them all."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from clipvip.corpora.captions import captions_stage, merging
from clipvip.corpora.captions.captions_stage import EMPTY, SOUND
from clipvip.corpora.captions.merging import merge


def write_parts(folder: Path, clips: int, shards: int, rng: np.random.Generator) -> list[Path]:
    """Clips of one to three frames in a drawn order; some without caption, some in two shards."""
    ids = [f"clip {n:05d} é" if n % 7 else f"z{n}" for n in rng.permutation(clips)]
    rows = []
    for clip_id in ids:
        for frame in range(int(rng.integers(1, 4))):
            kind = rng.integers(6)
            text = None if kind == 0 else f"a caption {rng.integers(3)}"
            reason = rng.choice([EMPTY, "cut short", "no such file"]) if text is None else None
            rows.append((clip_id, frame, text, reason, 0.25))
    table = pd.DataFrame(rows, columns=["clip_id", "frame", "caption", "reason", "seconds"])
    table = table.astype({"clip_id": "str", "caption": "str", "reason": "str"})
    paths = []
    for number, own in enumerate(np.array_split(np.arange(len(table)), shards)):
        part = table.iloc[np.concatenate([own, rng.integers(len(table), size=5)])].reset_index(drop=True)
        paths.append(folder / f"shard-{number}-of-{shards}.parquet")
        part.assign(model=f"git/{number}").to_parquet(paths[-1], index=False)
    return paths


def whole(parts: list[Path], out: Path) -> tuple[dict[str, object], list[str]]:
    """The same with all rows in one table."""
    rows = pd.concat([pd.read_parquet(part) for part in parts], ignore_index=True)
    rows = rows.drop_duplicates(["clip_id", "frame"]).sort_values(["clip_id", "frame"])
    kept = rows[rows["caption"].notna()].drop_duplicates(["clip_id", "caption"])
    kept[["clip_id", "caption", "model"]].to_parquet(out, index=False)
    bare = rows[~rows["clip_id"].isin(kept["clip_id"])].drop_duplicates("clip_id")
    clips, captioned = rows["clip_id"].nunique(), kept["clip_id"].nunique()
    facts = {
        "clips": clips,
        "captioned": captioned,
        "captions": len(kept),
        "missing": clips - captioned,
        "reasons": {str(reason): int(count) for reason, count in bare["reason"].value_counts().items()},
        "clips_per_s": round(clips / float(rows["seconds"].sum()), 1),
    }
    unread = rows.loc[rows["reason"].notna() & ~rows["reason"].isin(SOUND), "clip_id"].unique()
    return facts, list(unread)


@pytest.mark.parametrize("in_range", [1 << 18, 97])
def test_the_file_and_the_facts_are_those_of_one_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_range: int
) -> None:
    monkeypatch.setattr(merging, "RANGE", in_range)
    monkeypatch.setattr(merging, "READ", 64)
    parts = write_parts(tmp_path, 900, 5, np.random.default_rng(0))
    found = merge(parts, tmp_path / "ours.parquet", SOUND)
    facts, unread = whole(parts, tmp_path / "theirs.parquet")
    assert (tmp_path / "ours.parquet").read_bytes() == (tmp_path / "theirs.parquet").read_bytes()
    assert found.facts() == facts
    assert found.unreadable == unread
    assert not list(tmp_path.glob(".ranges-*"))


def test_groups_of_rows_are_those_that_pandas_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More rows than a group holds, in ranges that do not end where groups do."""
    monkeypatch.setattr(merging, "RANGE", 400_000)
    ids = [f"c{n:07d}" for n in range(1_100_000)]
    table = pd.DataFrame({"clip_id": ids, "frame": 0, "caption": "a word", "reason": None, "seconds": 0.1})
    table = table.astype({"clip_id": "str", "caption": "str", "reason": "str"}).assign(model="git/x")
    table.to_parquet(tmp_path / "shard-0-of-1.parquet", index=False)
    merge([tmp_path / "shard-0-of-1.parquet"], tmp_path / "ours.parquet", SOUND)
    whole([tmp_path / "shard-0-of-1.parquet"], tmp_path / "theirs.parquet")
    assert (tmp_path / "ours.parquet").read_bytes() == (tmp_path / "theirs.parquet").read_bytes()


def test_all_slices_of_one_cut_need_no_list_of_the_corpus(tmp_path: Path) -> None:
    of_three = [tmp_path / f"shard-{n}-of-3.parquet" for n in range(3)]
    assert captions_stage._whole(of_three)
    assert not captions_stage._whole(of_three[:2])
    assert not captions_stage._whole([])
    assert not captions_stage._whole([*of_three[:2], tmp_path / "shard-0-of-2.parquet"])


def test_no_caption_at_all_says_why(tmp_path: Path) -> None:
    rows = pd.DataFrame({"clip_id": ["a", "b"], "frame": 0, "caption": None, "reason": EMPTY, "seconds": 0.1})
    rows.astype({"clip_id": "str", "caption": "str"}).assign(model="m").to_parquet(tmp_path / "x.parquet")
    with pytest.raises(ValueError, match=f"not one clip of 2 has a caption: .*{EMPTY}.: 2"):
        merge([tmp_path / "x.parquet"], tmp_path / "out.parquet", SOUND)
    assert not (tmp_path / "out.parquet").exists()
    with pytest.raises(ValueError, match="no captions to put together"):
        merge([], tmp_path / "out.parquet", SOUND)
