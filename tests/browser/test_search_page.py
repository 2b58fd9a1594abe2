"""`clipvip search --html` and `clipvip serve` in a browser, at three widths and by keyboard."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from browser_parts import SIZES, Visits
from own_videos import write_videos
from served import served

import clipvip
from clipvip.__main__ import main
from clipvip.evaluation.search.index import of_text, open_index

pytestmark = pytest.mark.browser
MARKUP = "<img src=x onerror=alert(1)>&amp;.mp4"
QUERY = "a red square grows <script>alert(1)</script>"
Checks = tuple[Callable[[Any], list[str]], Callable[..., Path], Callable[[Any], int]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("search") / "videos"
    write_videos(root, 6)
    shutil.copy(root / "first/00.mp4", root / MARKUP)
    return root


@pytest.fixture(scope="module")
def address(tiny_clip_folder: Path, folder: Path) -> Iterator[str]:
    with served(tiny_clip_folder, folder) as port:
        yield f"http://127.0.0.1:{port}/"


@pytest.fixture
def checks(axe: Callable[[Any], list[str]], shoot: Callable[..., Path], sideways: Callable[[Any], int]) -> Checks:
    return axe, shoot, sideways


@pytest.mark.parametrize("size", SIZES)
def test_the_page_of_a_search(
    tiny_clip_folder: Path, folder: Path, visits: Visits, checks: Checks, tmp_path: Path, size: str
) -> None:
    axe, shoot, sideways = checks
    out = tmp_path / "found.html"
    assert main(["search", str(tiny_clip_folder), str(folder), QUERY, "--top", "5", "--html", str(out)]) == 0
    page = visits.open(out, size, dark=size == "middle")
    shoot(page, f"search_{size}")
    assert (axe(page), sideways(page)) == ([], 0)
    assert page.locator("h1").inner_text() == QUERY
    assert page.locator("ol > li").count() == 5
    assert page.locator("script").count() == 0
    assert page.eval_on_selector_all("img", "all => all.every(each => each.naturalWidth > 100)")
    links = page.eval_on_selector_all("a", "all => all.map(each => each.getAttribute('href'))")
    assert len(links) == 5
    assert all((tmp_path / unquote(link.split("#")[0])).is_file() for link in links)


def test_searching_in_the_browser(
    tiny_clip_folder: Path, folder: Path, address: str, visits: Visits, checks: Checks
) -> None:
    axe, shoot, sideways = checks
    encoder = clipvip.load(tiny_clip_folder)
    page = visits.open(address, allowed=("favicon",))
    page.get_by_role("searchbox").fill("a red square grows")
    page.get_by_label("Number").fill("4")
    page.keyboard.press("Enter")
    page.wait_for_url("**/?q=*")
    hits = open_index(encoder, folder).rank(of_text(encoder, "a red square grows"), 4)
    assert page.locator("h2").all_inner_texts() == [f"{place}. {hit.path}" for place, hit in enumerate(hits, start=1)]
    assert page.eval_on_selector_all("img", "all => all.length == 4 && all.every(each => each.naturalWidth > 100)")
    assert (axe(page), sideways(page)) == ([], 0)
    shoot(page, "serve")
    page.get_by_role("link", name="videos like this one").first.click()
    assert page.locator("h1").inner_text() == f"Videos like {hits[0].path}"
    assert hits[0].path not in [each.split(". ", 1)[1] for each in page.locator("h2").all_inner_texts()]
    page.get_by_role("link", name="watch from there").first.click()
    played = page.locator("video")
    played.wait_for()
    assert played.evaluate("each => each.duration > 0 || each.readyState >= 0")


def test_what_is_searched_for_is_text(address: str, visits: Visits) -> None:
    page = visits.open(f"{address}?q=%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E&top=7", "narrow", allowed=("favicon",))
    assert page.locator("h1").inner_text() == "<img src=x onerror=alert(1)>"
    assert any(MARKUP in each for each in page.locator("h2").all_inner_texts())
    assert page.locator("img[src=x]").count() == 0
