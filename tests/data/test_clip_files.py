"""Places against the first row that pandas finds of each clip."""

from pathlib import Path

import pandas as pd
import pytest

from clipvip.data import manifest
from clipvip.data.clip_files import Place, Places


@pytest.mark.parametrize("stretches", [False, True])
def test_a_clip_lies_where_its_rows_say(tmp_path: Path, stretches: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest, "PART", 3)
    owners = [0, 1, 0, 2, 2, 1, 3, 0, 4]
    rows = pd.DataFrame({"clip_id": [f"clip{n}" for n in owners], "path": [f"v/{n}.mp4" for n in owners]})
    rows["start"] = [float(n) if stretches and n != 2 else None for n in owners]
    rows["end"] = [n + 0.5 if stretches and n not in (2, 3) else None for n in owners]
    rows = rows.assign(text=[f"said {n}" for n in range(9)], source="caption", split="train")
    manifest.write(rows, tmp_path, root=tmp_path, format="msrvtt")
    places = Places(tmp_path)
    assert list(places.ids) == [f"clip{n}" for n in range(5)]
    for row in manifest.clips(rows).itertuples():
        start, end = (None if pd.isna(value) else value for value in (row.start, row.end))
        assert places[row.clip_id] == Place(row.path, start, end)
    with pytest.raises(KeyError):
        places["clip5"]
