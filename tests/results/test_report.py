"""The offline page and the findings of a small results tree."""

import base64
import io
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from results_tree import Tree, data_scale, domain_gap, main, write_tables

from clipvip.results import study_files
from clipvip.results.finished import results_root
from clipvip.results.report import figures, report_tables
from clipvip.results.report.findings import sentences
from clipvip.results.report.page import make
from clipvip.results.report.terminal import markdown
from clipvip.results.tracking import links


class Page(HTMLParser):
    """Collects tags with their attributes and the text; unclosed tags are an error."""

    VOID = frozenset({"meta", "img", "br", "link", "hr", "input"})

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.place = Path()
        self.feed(source)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    tree = Tree(tmp_path_factory.mktemp("report"))
    folders = [data_scale(tree), domain_gap(tree), main(tree)]
    for folder in folders:
        write_tables(folder)
    figures.save(figures.bars(folders[2]), folders[2])
    return folders


@pytest.fixture(scope="module")
def page(studies: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Page:
    out = tmp_path_factory.mktemp("page") / "deep" / "report.html"
    make(studies, out)
    found = Page(out.read_text())
    found.place = out.parent
    return found


def test_a_tracked_study_has_its_link_to_mlflow(studies: list[Path], tmp_path: Path) -> None:
    links.write(studies[0], "sqlite:///mlflow.db", [("data_scale: rows", "/#/experiments/1/runs?viewStateShareKey=a")])
    make(studies, tmp_path / "report.html")
    page = Page((tmp_path / "report.html").read_text())
    found = [each["href"] for each in page.all("a") if (each["href"] or "").startswith(links.HERE)]
    (studies[0] / study_files.LINKS).unlink()
    assert found == ["http://127.0.0.1:5000/#/experiments/1/runs?viewStateShareKey=a"]


def test_page_is_whole_and_offline(page: Page, studies: list[Path]) -> None:
    assert len(page.all("h1")) == 1
    assert [attrs["id"] for attrs in page.all("section")][:4] == ["answers", "main", "data_scale", "domain_gap"]
    links = [attrs["href"] or "" for attrs in page.all("a")]
    inside = {link[1:] for link in links if link.startswith("#")}
    assert inside <= {attrs.get("id") for _, attrs in page.tags}
    beside = [link for link in links if not link.startswith("#")]
    assert sum(link.endswith("/verdicts.csv") for link in beside) == len(studies)
    assert all((page.place / link).is_file() for link in beside)
    assert page.all("link") == []
    assert not any(attrs.get("src") for attrs in page.all("script"))
    for image in page.all("img"):
        assert (image["src"] or "").startswith("data:image/")
        assert image["alt"]
    assert all("scope" in attrs for attrs in page.all("th"))
    names = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(names) == len(set(names))


def test_page_warns_and_names_what_is_missing(page: Page) -> None:
    assert "never comparable with the paper's" in page.text
    assert page.text.count("Missing: figure.svg") == 2, "only main has its figure"


def test_page_holds_the_tables(page: Page, studies: list[Path]) -> None:
    summary = pd.read_csv(studies[2] / "summary.csv")
    assert f"{summary['msrvtt/t2v/R@1'][1]:.1f}" in page.text
    assert "subtitles against msrvtt" in page.text
    assert "names its scene" in page.text
    assert "words of didemo" in page.text
    for folder in studies:
        for line in sentences(folder):
            assert line.replace("`", "") in page.text
        for line in json.loads((folder / "plan.json").read_text())["expect"]:
            assert line in page.text


def test_gallery_shows_the_frames_of_the_cache(page: Page) -> None:
    strips = [image for image in page.all("img") if "Frames of clip" in (image["alt"] or "")]
    assert [("not the right" in (image["alt"] or "")) for image in strips] == [True, False, True]
    png = base64.b64decode((strips[1]["src"] or "").partition(",")[2])
    shown = np.asarray(Image.open(io.BytesIO(png)))
    first = np.arange(4 * 8 * 8 * 3, 8 * 8 * 8 * 3).reshape(4, 8, 8, 3) % 251  # clip1 as the tree wrote it
    np.testing.assert_array_equal(shown, np.concatenate(list(first), axis=1))
    assert "a <red> circle & more" in page.text, "texts are text, not markup"


def test_page_says_how_it_was_made(page: Page, studies: list[Path]) -> None:
    assert "torch" in page.text
    assert "2.13.0" in page.text
    assert "0123456789abcdef" in page.text
    receipts = (results_root(studies[0]) / "cells" / "pretrain").glob("*/receipt.json")
    seconds = sum(json.loads(path.read_text())["seconds"] for path in receipts)
    minutes = f"{seconds // 60:.0f} min {round(seconds % 60)} s"
    assert re.search(rf"pretrain\s*{round(seconds / 12.5)}\s*{minutes}\s*12.5 s", re.sub(r"\s+", " ", page.text))


def test_page_without_main_shows_its_first_study(studies: list[Path], tmp_path: Path) -> None:
    make(studies[:1], tmp_path / "report.html")
    text = Page((tmp_path / "report.html").read_text()).text
    assert "with the clips that none (seed" in text  # of its first study


def test_page_of_a_study_without_tables(tmp_path: Path) -> None:
    folder = main(Tree(tmp_path))
    make([folder], tmp_path / "report.html")
    text = Page((tmp_path / "report.html").read_text()).text
    assert "Missing: verdicts.csv" in text
    assert "Missing: summary.csv" in text


def test_page_of_a_language_gap_that_is_not_made_yet(tmp_path: Path) -> None:
    folder = domain_gap(Tree(tmp_path))
    plan = json.loads((folder / "plan.json").read_text())
    shutil.rmtree(results_root(folder) / "cells" / "gap" / plan["gap"])
    write_tables(folder)
    make([folder], tmp_path / "report.html")
    text = Page((tmp_path / "report.html").read_text()).text
    assert f"gap/{plan['gap']}" in text
    assert "How each reads" not in text


def test_page_lists_what_was_not_run(tmp_path: Path) -> None:
    tree = Tree(tmp_path)
    folder, other = main(tree), data_scale(tree)
    write_tables(folder)
    plan = json.loads((folder / "plan.json").read_text())
    row = plan["rows"][0]
    gone, failed = row["cells"]["fine_tuned/msrvtt"], row["cells"]["fine_tuned/didemo"]
    for key in (gone, failed):
        shutil.rmtree(results_root(folder) / "cells" / "evaluate" / key.split("/")[-1])
    (results_root(folder) / "failed").mkdir()
    reason = {"reason": "ValueError: no such frame"}
    (results_root(folder) / f"failed/evaluate-{failed.split('/')[-1]}.json").write_text(json.dumps(reason))
    make([folder], tmp_path / "report.html")
    text = re.sub(r"\s+", " ", Page((tmp_path / "report.html").read_text()).text)
    who = f"main, {row['variant']}, seed {row['seed']}"
    assert f"evaluate/{gone.split('/')[-1]}: {who} (fine_tuned/msrvtt)" in text
    assert "evaluate: ValueError: no such frame" in text
    assert f"the study {other.name}" in text
    make([folder, other], tmp_path / "both.html")
    assert f"the study {other.name}" not in Page((tmp_path / "both.html").read_text()).text


def test_page_needs_studies(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one"):
        make([], tmp_path / "report.html")
    with pytest.raises(ValueError, match=r"plan\.json: no such file"):
        make([tmp_path], tmp_path / "report.html")


def test_published_figures_stand_beside_ours_only_where_the_plan_asks(studies: list[Path], tmp_path: Path) -> None:
    folder = studies[2]
    make([folder], tmp_path / "plain.html")
    plan = json.loads((folder / "plan.json").read_text())
    scaled = tmp_path / "study"
    shutil.copytree(folder, scaled)
    published = Path(__file__).parents[2] / "experiments" / "published.yaml"
    plan |= {"published": [str(published), "base_32"], "results": str(results_root(folder))}
    (scaled / "plan.json").write_text(json.dumps(plan))
    write_tables(scaled)
    table = pd.read_csv(scaled / "published.csv")
    own = table[(table["variant"] == "clip_vip") & (table["metric"] == "msrvtt/t2v/R@1")]
    assert own["published"].tolist() == [50.1]
    page = report_tables.published(scaled)
    row = next(row for row in page["rows"] if row[0] == "CLIP-ViP" and row[2]["text"] == "msrvtt/t2v/R@1")
    ours = pd.read_csv(scaled / "summary.csv").set_index("variant").loc["clip_vip"]
    here, low, high = (ours[f"msrvtt/t2v/R@1{end}"] for end in ("", "/low", "/high"))
    source = "microsoft/XPretrain, issue 13 (second hand)"
    texts = [cell["text"] for cell in row[1:]]
    assert texts == ["clip_vip", "msrvtt/t2v/R@1", "", "50.1", f"{here:.1f}", f"{here - 50.1:+.1f}", source]
    interval = f"{low - 50.1:+.1f} to {high - 50.1:+.1f}"
    assert row[6]["interval"] == f"({interval})"
    assert f"| 50.1 | {here:.1f} | {here - 50.1:+.1f} ({interval}) | {source} |" in markdown(scaled)
    assert "never ours" not in (tmp_path / "plain.html").read_text()
