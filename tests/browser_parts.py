"""A headless Chromium without network for tests: finding it, opening pages in it, and what no page may do."""

import os
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

ROOT = Path(__file__).parents[1]
SHOTS = Path(os.environ.get("BROWSER_SHOTS", ROOT / "browser-shots"))
NAMES = ("chromium", "chromium-browser", "google-chrome")
SIZES = {"narrow": (390, 844), "middle": (820, 1180), "wide": (1280, 900)}
HERE = ("127.0.0.1", "localhost")
PATIENCE = 240_000  # milliseconds that a busy machine may take for anything


def chromium(playwright: Any) -> str | None:
    """The program: the one that CHROMIUM names, that of the system, or playwright's own; None where there is none."""
    named = [os.environ.get("CHROMIUM"), *map(shutil.which, NAMES), playwright.chromium.executable_path]
    return next((each for each in named if each and Path(each).is_file()), None)


class Visits:
    """Pages of one test, each in a context of its own; requests to other machines are stopped and noted, and so are
    errors of scripts."""

    def __init__(self, browser: Any) -> None:
        self._browser = browser
        self._contexts: list[Any] = []
        self.outside: list[str] = []
        self.errors: list[str] = []

    def open(
        self,
        place: str | Path,
        size: str = "wide",
        *,
        dark: bool = False,
        script: bool = True,
        allowed: tuple[str, ...] = (),
    ) -> Any:
        """The page of an address or a file, loaded; `size` is one of SIZES; messages that hold a part in `allowed` do
        not count as errors."""
        width, height = SIZES[size]
        context = self._browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            java_script_enabled=script,
        )
        self._contexts.append(context)
        context.set_default_timeout(PATIENCE)
        context.route("**/*", self._pass_on)
        page = context.new_page()
        page.on("pageerror", lambda error: self._heard(f"page error: {error}", allowed))
        page.on("console", lambda said: self._heard(f"console: {said.text}", allowed) if said.type == "error" else None)
        page.goto(place.resolve().as_uri() if isinstance(place, Path) else place, wait_until="load")
        return page

    def close(self) -> None:
        """Close every page."""
        for context in self._contexts:
            context.close()

    def _pass_on(self, route: Any) -> None:
        parts = urlsplit(route.request.url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.hostname not in HERE:
            self.outside.append(route.request.url)
            route.abort()
        else:
            route.continue_()

    def _heard(self, said: str, allowed: tuple[str, ...]) -> None:
        if not any(part in said for part in allowed):
            self.errors.append(said)
