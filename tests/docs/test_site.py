"""The documentation builds without a warning and fetches nothing; the modules it names are there."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path

import pytest

import clipvip

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


class _Fetched(HTMLParser):
    """Addresses that a browser would fetch by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        own = dict(attrs)
        link = own.get("href") if tag == "link" and own.get("rel") != "canonical" else None
        if tag in ("script", "img", "iframe", "source"):
            link = own.get("src")
        if link:
            self.found.append(link)


def test_the_site_builds_without_warnings_and_fetches_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    pages = list(tmp_path.rglob("*.html"))
    assert len(pages) > 20
    for page in pages:
        reader = _Fetched()
        reader.feed(page.read_text())
        assert reader.found
        outside = [link for link in reader.found if re.match(r"(https?:)?//", link)]
        assert not outside, f"{page.relative_to(tmp_path)} fetches {outside}"
        assert 'class="mermaid"' not in page.read_text(), "mermaid is fetched from elsewhere; make it an SVG"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_modules_and_files_that_a_page_names_are_there(page: Path) -> None:
    text = page.read_text()
    for name in re.findall(r"`(?:clipvip\.)((?:[a-z_]+\.)*[a-z_]+)`", text):
        assert name in clipvip.__all__ or find_spec(f"clipvip.{name}"), f"clipvip.{name}"
    for name in re.findall(r"`((?:clipvip|tests|experiments|workflow|analysis|profiles|docs)/[\w./]+)`", text):
        assert (ROOT / name).exists(), name


def test_every_room_and_public_name_has_its_place_in_the_api() -> None:
    rooms = {path.parent.name for path in (ROOT / "clipvip").glob("*/__init__.py")} - {"commands"}
    assert rooms == {path.stem for path in (ROOT / "docs/api").glob("*.md")} - {"index"}
    public = (ROOT / "docs/api/index.md").read_text()
    assert all(re.search(rf"^::: clipvip\.\S*\b{name}$", public, re.MULTILINE) for name in clipvip.__all__)


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 140
