"""The checks of tests/browser see what they look for: each on a small page that breaks it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from browser_parts import Visits

pytestmark = pytest.mark.browser
PAGE = '<!doctype html><html lang="en"><title>t</title><main><h1>a</h1>{}</main></html>'


def page(folder: Path, body: str) -> Path:
    path = folder / "page.html"
    path.write_text(PAGE.format(body))
    return path


def test_a_sound_page_passes(
    visits: Visits, axe: Callable[[Any], list[str]], sideways: Callable[[Any], int], tmp_path: Path
) -> None:
    shown = visits.open(page(tmp_path, "<p>said</p>"), "narrow")
    assert axe(shown) == []
    assert sideways(shown) == 0


def test_faults_are_seen(
    visits: Visits, axe: Callable[[Any], list[str]], sideways: Callable[[Any], int], tmp_path: Path
) -> None:
    shown = visits.open(page(tmp_path, '<img src="data:,"><p style="width: 700px">wide</p>'), "narrow")
    assert any(line.startswith("image-alt") for line in axe(shown))
    assert sideways(shown) > 300


def test_requests_to_other_machines_are_stopped_and_noted(browser: Any, tmp_path: Path) -> None:
    body = '<script>fetch("https://example.org/x"); throw Error("broken")</script>'
    seen = Visits(browser)
    seen.open(page(tmp_path, body)).wait_for_timeout(200)
    seen.close()
    assert seen.outside == ["https://example.org/x"]
    assert any("broken" in each for each in seen.errors)


def test_without_script_nothing_runs(visits: Visits, tmp_path: Path) -> None:
    shown = visits.open(page(tmp_path, "<script>document.title = 'changed'</script>"), script=False)
    assert shown.title() == "t"
