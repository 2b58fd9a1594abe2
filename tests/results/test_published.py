"""Figures of papers: read with their source, shown at their scale only."""

from pathlib import Path

import pytest
import yaml

from clipvip.pipeline.grid import load
from clipvip.pipeline.jobs import Jobs
from clipvip.results import published

FILE = Path(__file__).parents[2] / "experiments" / "published.yaml"


def rows(study: str = "main", sets: tuple[str, ...] = ("msrvtt", "lsmdc")) -> dict[tuple[str, str], float]:
    found = published.recalls(FILE, "base_32", study, list(sets))
    return {(row["model"], row["metric"]): row["published"] for _, row in found.iterrows()}


def test_each_figure_has_its_set_its_direction_and_its_source() -> None:
    found = published.recalls(FILE, "base_32", "main", ["msrvtt"])
    assert rows()["CLIP-ViP", "msrvtt/t2v/R@1"] == 50.1
    assert rows()["CLIP-ViP", "msrvtt/t2v_dsl/R@5"] == 77.0
    assert rows()["X-Pool", "lsmdc/t2v/R@10"] == 53.5
    assert set(found["standing"]) == {"second hand"}
    assert found["source"].str.len().min() > 3
    assert set(found.loc[found["transductive"], "metric"].str.split("/").str[1]) == {"t2v_dsl"}


def test_what_was_not_given_has_no_row() -> None:
    assert ("CLIP4Clip", "activitynet/t2v/R@5") in rows(sets=("activitynet",))
    assert ("CLIP4Clip", "activitynet/t2v/R@10") not in rows(sets=("activitynet",))


def test_a_model_stands_in_its_own_study_only() -> None:
    models = {model for model, _ in rows("video_proxy")}
    assert models == {"CLIP4Clip", "DRL", "X-Pool"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"source": "nobody"}, "source 'nobody' is none of"),
        ({"recalls": {"msrvtt": [50.0, 40.0, 60.0]}}, "must rise"),
        ({"sorce": "vidla"}, "did you mean 'source'"),
    ],
)
def test_an_unsound_file_is_refused(tmp_path: Path, change: dict[str, object], message: str) -> None:
    data = yaml.safe_load(FILE.read_text())
    data["results"][0] |= change
    path = tmp_path / "published.yaml"
    path.write_text(yaml.safe_dump(data))
    with pytest.raises(ValueError, match=message):
        published.recalls(path, "base_32", "main", ["msrvtt"])
    with pytest.raises(ValueError, match="nothing is published at 'mini'"):
        published.recalls(FILE, "mini", "main", ["msrvtt"])


def test_only_the_papers_scale_asks_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FILE.parents[1])
    for name, scale in {"mini": None, "smoke": None, "base_32": "base_32", "base_16": "base_16"}.items():
        jobs = Jobs(load([f"experiments/{name}.yaml"]))
        asked = jobs.plan(jobs.grid.studies["main"])["published"]
        assert asked == (["experiments/published.yaml", scale] if scale else None)
