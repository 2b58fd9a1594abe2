"""The page of results in a browser: at three widths, light and dark, with and without script, by keyboard."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from browser_parts import SIZES, Visits
from results_tree import Tree, data_scale, domain_gap, main, write_tables

from clipvip.results.report import figures
from clipvip.results.report.page import make

pytestmark = pytest.mark.browser
LARGEST = 5_000_000  # bytes


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    tree = Tree(tmp_path_factory.mktemp("report"))
    folders = {"data_scale": data_scale(tree), "domain_gap": domain_gap(tree), "main": main(tree)}
    for folder in folders.values():
        write_tables(folder)
    figures.save(figures.bars(folders["main"]), folders["main"])
    gaze = figures.gaze(folders["main"])
    assert gaze is not None
    figures.save(gaze, folders["main"], "gaze")
    figures.save(figures.curves(folders["data_scale"]), folders["data_scale"])
    figures.save(figures.gap(folders["domain_gap"]), folders["domain_gap"])
    return folders


@pytest.fixture(scope="module")
def report(studies: dict[str, Path]) -> Path:
    out = studies["main"].parents[1] / "report.html"
    make(list(studies.values()), out)
    assert out.stat().st_size < LARGEST
    return out


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dark", [False, True])
def test_every_width_reads_light_and_dark(
    report: Path,
    visits: Visits,
    axe: Callable[[Any], list[str]],
    shoot: Callable[..., Path],
    sideways: Callable[[Any], int],
    size: str,
    dark: bool,
) -> None:
    page = visits.open(report, size, dark=dark)
    page.wait_for_selector("#compare form", state="visible")
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    name = f"report_{size}{'_dark' if dark else ''}"
    shoot(page, name)
    shoot(page, f"{name}_whole", full=True)
    assert sideways(page) == 0
    assert axe(page) == []
    small = "[...document.querySelectorAll('main *')].filter(each => each.childNodes.length && each.offsetParent"
    small += " && !each.closest('svg') && parseFloat(getComputedStyle(each).fontSize) < 11.5).length"
    assert page.evaluate(small) == 0, "no text is smaller than a reader can read"


def test_figures_follow_the_page(report: Path, visits: Visits) -> None:
    page = visits.open(report, "wide", dark=True)
    drawn = page.locator("figure.drawn svg")
    assert drawn.count() == 4
    assert page.locator("figure.drawn img").count() == 0, "a figure that is no plain drawing stays white"
    ink = drawn.first.evaluate("each => getComputedStyle(each.querySelector('use')).stroke")
    assert ink == page.evaluate("getComputedStyle(document.body).color")


def test_every_claim_stands_on_the_first_screen(report: Path, studies: dict[str, Path], visits: Visits) -> None:
    page = visits.open(report)
    shown = page.locator("#answers tr.claim").all_inner_texts()
    order = ["main", "data_scale", "domain_gap"]
    rows = [row for name in order for _, row in pd.read_csv(studies[name] / "verdicts.csv").iterrows()]
    assert len(shown) == len(rows) == 6
    for text, row in zip(shown, rows, strict=True):
        digits = 3 if row["metric"].startswith("nmi/") else 1
        assert row["expect"].split(" on ")[0] in text
        assert row["verdict"] in text
        assert f"{row['difference']:+.{digits}f} ({row['low']:+.{digits}f} to {row['high']:+.{digits}f})" in " ".join(
            text.split()
        )
    for place, row in enumerate(rows):  # the dot is on the side of 0 that the number says
        dot = page.locator("#answers tr.claim").nth(place).locator("circle").get_attribute("cx")
        assert (float(dot.removesuffix("%")) - 50) * row["difference"] >= 0


def test_scores_are_switched_and_sorted(report: Path, studies: dict[str, Path], visits: Visits) -> None:
    page = visits.open(report)
    table, form = page.locator("#scores-data_scale"), page.locator("form[data-for=scores-data_scale]")

    def heads() -> list[str]:
        return [" ".join(each.split()) for each in table.locator("thead th:visible").all_inner_texts()[1:]]

    assert heads() == [f"{name} {score}" for name in ("msrvtt", "didemo") for score in ("R@1", "R@5", "order")]
    form.get_by_label("didemo").uncheck()
    form.get_by_label("order").uncheck()
    form.get_by_label("R@1", exact=True).uncheck()
    form.get_by_label("median rank").check()
    form.get_by_label("zero-shot").check()
    assert heads() == [
        "msrvtt R@5",
        "msrvtt median rank",
        "msrvtt zero-shot R@5",
        "msrvtt zero-shot median rank",
    ]
    summary = pd.read_csv(studies["data_scale"] / "summary.csv")
    button = table.get_by_role("button", name="msrvtt R@5", exact=True)
    for want in (False, True):
        button.press("Enter")
        shown = [float(row.split()[0]) for row in table.locator("tbody td:nth-child(3)").all_inner_texts()]
        names = table.locator("tbody th").all_inner_texts()
        by_hand = [round(summary.set_index("variant").loc[name, "msrvtt/t2v/R@5"], 9) for name in names]
        assert by_hand == sorted(by_hand, reverse=not want)
        assert shown == sorted(shown, reverse=not want)
    button.press("Enter")
    assert table.locator("tbody th").all_inner_texts() == list(summary["variant"])


def test_the_variant_stays_in_sight(report: Path, visits: Visits) -> None:
    page = visits.open(report, "narrow")
    box = page.locator(".scroll:has(#scores-data_scale)")
    box.evaluate("each => each.scrollLeft = 400")
    assert box.evaluate("each => each.scrollLeft") > 50
    head = box.locator("tbody th").first
    assert head.bounding_box()["x"] == pytest.approx(box.bounding_box()["x"], abs=1)


def test_two_variants_query_by_query(report: Path, studies: dict[str, Path], visits: Visits) -> None:
    page = visits.open(report)
    form = page.locator("#compare form")
    form.get_by_label("Study").select_option("data_scale")
    form.get_by_label("Left").select_option("small")
    form.get_by_label("Right").select_option("captions_large")
    left, right = (_ranks(studies["data_scale"], name) for name in ("small", "captions_large"))
    gained, lost = left[right < left], left[right > left]
    said = page.locator("#compared").inner_text()
    same = len(left) - len(gained) - len(lost)
    wanted = f"captions_large ranks {len(gained)} queries higher than small, {len(lost)} lower, {same} the same."
    assert said == f"data_scale on msrvtt: {wanted}"
    order = (left / right)[gained.index].sort_values(ascending=False, kind="stable")
    first = page.locator("#gains tbody tr").first
    texts = first.locator("td").all_inner_texts()
    assert [float(each) for each in texts] == [round(left[order.index[0]], 1), round(right[order.index[0]], 1)]
    form.get_by_label("Text contains").fill("clip3")  # texts of a corpus that is not there are ids
    rows = page.locator("#gains tbody th, #loses tbody th").all_inner_texts()
    assert rows
    assert all("clip3" in text for text in rows)


def _ranks(folder: Path, variant: str) -> "pd.Series[float]":
    """Geometric mean over seeds of the fine-tuned text-to-video ranks on msrvtt, by query, by hand."""
    plan = json.loads((folder / "plan.json").read_text())
    keys = [row["cells"]["fine_tuned/msrvtt"] for row in plan["rows"] if row["variant"] == variant]
    assert len(keys) == 2
    product = 1.0
    for key in keys:
        ranks = pd.read_parquet(folder.parents[2] / "cells" / "evaluate" / key / "ranks.parquet")
        product = product * ranks[ranks["direction"] == "t2v"].set_index("query")["rank"]
    return product**0.5


def test_without_script_it_reads(report: Path, visits: Visits, shoot: Callable[..., Path]) -> None:
    page = visits.open(report, script=False)
    shoot(page, "report_without_script", full=True)
    heads = " ".join(page.locator("#scores-data_scale thead th:visible").all_inner_texts()).split()
    assert {"R@1", "R@5", "R@10", "median", "order"} <= set(heads)
    assert page.locator("#gains tbody tr").count() > 0
    assert not page.locator("#compare form").is_visible()
    assert page.locator("form.switch:visible").count() == 0


def test_links_lead_somewhere(report: Path, visits: Visits) -> None:
    page = visits.open(report)
    links = page.eval_on_selector_all("a[href]", "all => all.map(each => each.getAttribute('href'))")
    assert len(links) > 15
    for link in links:
        if link.startswith("#"):
            assert page.locator(f'[id="{link[1:]}"]').count() == 1
        else:
            assert (report.parent / link).is_file()


def test_the_keyboard_reaches_everything(report: Path, visits: Visits) -> None:
    page = visits.open(report)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    count = "[...document.querySelectorAll('a, button, input, select, summary, .scroll')]"
    count += ".filter(each => each.checkVisibility()).length"
    wanted, seen = page.evaluate(count), 0
    while page.evaluate("document.activeElement !== document.body") and seen < 1000:
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
        seen += 1
        page.keyboard.press("Tab")
    assert seen >= wanted
