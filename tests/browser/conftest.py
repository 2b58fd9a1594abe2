"""Pages in a real browser: a headless Chromium without network, driven by playwright.

The tests that ask for it are marked `browser`, and skipped with the reason where playwright or Chromium is not there.
Screenshots stay in browser-shots/ (or in the folder that BROWSER_SHOTS names).
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from browser_parts import PATIENCE, SHOTS, Visits, chromium


@pytest.fixture(scope="module")  # closed with its file: it holds an event loop, which others may want
def browser() -> Iterator[Any]:
    """A headless Chromium; skips where there is none."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (pip install playwright)")
    with api.sync_playwright() as playwright:
        program = chromium(playwright)
        if program is None:
            pytest.skip("no Chromium (apt-get install chromium, or playwright install chromium; CHROMIUM names one)")
        started = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"], timeout=PATIENCE)
        yield started
        started.close()


@pytest.fixture
def visits(browser: Any) -> Iterator[Visits]:
    """`visits.open(url or file, size="narrow" | "middle" | "wide", dark=False, script=True)` gives playwright's Page.

    At the end of the test no page may have asked another machine for anything, nor thrown or logged an error.
    """
    found = Visits(browser)
    yield found
    found.close()
    assert (found.outside, found.errors) == ([], [])


@pytest.fixture
def axe() -> Callable[[Any], list[str]]:
    """`axe(page)` gives a line for each place where a rule of axe-core, best practices among them, is broken."""
    module = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is missing")

    def broken(page: Any) -> list[str]:
        rules = module.Axe().run(page).response["violations"]
        return [f"{rule['id']}: {node['target']} {node['html'][:200]}" for rule in rules for node in rule["nodes"]]

    return broken


@pytest.fixture
def shoot() -> Callable[..., Path]:
    """`shoot(page, name, full=False)` keeps a screenshot <name>.png of the window, or of the whole page."""

    def taken(page: Any, name: str, *, full: bool = False) -> Path:
        SHOTS.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=SHOTS / f"{name}.png", full_page=full)
        return SHOTS / f"{name}.png"

    return taken


@pytest.fixture
def sideways() -> Callable[[Any], int]:
    """`sideways(page)` gives the pixels by which a page is wider than its window."""
    return lambda page: int(
        page.evaluate("document.scrollingElement.scrollWidth - document.documentElement.clientWidth")
    )
