"""MLflow's own page in a browser: what a link of a study opens, in how many clicks a claim is a chart, and markup."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from browser_parts import Visits
from results_tree import Tree, data_scale, main, write_tables

from clipvip.results.finished import read_plan
from clipvip.results.tracking import links, mirror
from clipvip.results.tracking.store import Store
from clipvip.runtime import stopping

pytestmark = pytest.mark.browser

CLAIM = "small < large on msrvtt/t2v/R@5"
METRIC = "msrvtt/t2v/R_at_5"
HOSTILE = (
    '<img src=x onerror="window.hurt=1"> <script>window.hurt=1</script> [x](javascript:window.hurt=1) '
    '![y](http://evil.example/z.png) <iframe src="http://evil.example"></iframe>'
)
MISSING = ("404",)  # the page asks for a user, and a store without users has none


@dataclass(frozen=True)
class Ui:
    """A served store."""

    tree: Tree
    url: str
    said: str

    def study(self, name: str) -> Path:
        """The folder of a study."""
        return self.tree.results / "mini/studies" / name

    def link(self, name: str, number: int = 0) -> str:
        """A link of a study: 0 is the study's own."""
        return links.links(self.study(name), self.url)[number][1]


@pytest.fixture(scope="module")
def ui(tmp_path_factory: pytest.TempPathFactory, browser: Any) -> Iterator[Ui]:
    """`clipvip ui` on a store with two studies, one of them full of markup; skipped where there is no browser."""
    tree = Tree(tmp_path_factory.mktemp("ui"))
    uri = f"sqlite:///{tree.results}/mlflow.db"
    mirror.create(uri, tree.results / "mlartifacts")
    for folder in (data_scale(tree), main(tree)):
        plan = json.loads((folder / "plan.json").read_text())
        hostile = {"title": HOSTILE, "claim": HOSTILE} if folder.name == "main" else {"expect": [CLAIM]}
        (folder / "plan.json").write_text(json.dumps(plan | hostile))
        write_tables(folder)
        if folder.name == "main":  # as a caption in a table would be
            table = pd.read_csv(folder / "table.csv")
            table.assign(reason=HOSTILE).iloc[:, [0, 1, -2]].to_csv(folder / "table.csv", index=False)
        mirror.mirror(read_plan(folder), uri, folder)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [sys.executable, "-m", "clipvip", "ui", str(tree.results), "--port", str(port), "--no-browser"]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=os.environ
    ) as served:
        assert served.stdout is not None
        said = ""
        while "data_scale" not in said or not said.endswith("\n\n"):
            line = served.stdout.readline()
            assert line, f"the server ended: {said}"
            said += line
        yield Ui(tree, f"http://127.0.0.1:{port}", said)
        served.send_signal(signal.SIGTERM)
        assert served.wait(240) == stopping.EXIT_CODE


@pytest.fixture
def visits(browser: Any) -> Iterator[Visits]:
    """As everywhere, but MLflow may note an error of its own; nothing may be asked of another machine."""
    found = Visits(browser)
    yield found
    found.close()
    assert [url for url in found.outside if "evil" in url] == []


def opened(visits: Visits, url: str) -> Any:
    """The page of an address."""
    return visits.open(url, allowed=MISSING)


class Clicks:
    """Clicks on a page, counted; what a click opens in a tab of its own is opened afresh."""

    def __init__(self, visits: Visits, url: str) -> None:
        self.visits, self.page, self.count = visits, opened(visits, url), 0

    def on(self, what: Any, *, opens: bool = False) -> None:
        """Click it; `opens`: a new tab."""
        what.wait_for()
        self.count += 1
        if not opens:
            what.click()
            return
        assert what.get_attribute("target") == "_blank"
        address = f"{self.page.url.split('#')[0]}{what.get_attribute('href')}"
        self.page = opened(self.visits, address)


def drawn(page: Any) -> dict[str, dict[str, float]]:
    """Metric -> name -> value of the bar charts in sight, from what is drawn."""
    page.locator(".js-plotly-plot .bars .point").first.wait_for(state="attached")
    read = "es => es.map(e => [e.querySelector('.js-plotly-plot')?.data?.[0], e.innerText])"
    found = page.get_by_test_id("experiment-view-compare-runs-card").evaluate_all(read)
    shown = [(trace, said.strip().splitlines()[0]) for trace, said in found if trace and trace["type"] == "bar"]
    return {title: dict(zip(trace["names"], trace["x"], strict=True)) for trace, title in shown}


def means(ui: Ui) -> pd.Series:
    """Variant -> mean over replicates, from the study's own table."""
    table = pd.read_csv(ui.study("data_scale") / "table.csv")
    return table.groupby("variant")["msrvtt/t2v/R@5"].mean()


def without_assistant(page: Any) -> Any:
    """The page without MLflow's panel for a chat, which opens by itself at the first visit, for a picture."""
    page.get_by_label("Close").last.click()
    page.wait_for_timeout(1500)
    return page


def unfold(page: Any) -> Any:
    """The button that shows the whole description of the experiment."""
    return page.get_by_test_id("experiment-metadata-editor-edit-button").locator("xpath=following::button[1]")


def test_the_terminal_names_a_link_for_each_study(ui: Ui) -> None:
    assert ui.link("data_scale") in ui.said
    assert ui.said.index(ui.link("main")) < ui.said.index(ui.link("data_scale")), "the main table first"


def test_a_link_opens_on_charts_of_the_rows(ui: Ui, visits: Visits, shoot: Callable[..., Path]) -> None:
    page = opened(visits, ui.link("data_scale"))
    found = drawn(page)
    assert found[METRIC] == pytest.approx(means(ui).to_dict()), "replicates are averaged by variant"
    assert {"didemo/t2v/R_at_5"} <= set(found)
    assert page.get_by_text("12 matching runs").count() == 1
    for words in ("No chart data", "No data"):
        assert page.get_by_text(words).count() == 0, "no empty charts"
    heads = page.get_by_test_id("experiment-view-compare-runs-section-header").all_inner_texts()
    assert heads[0].startswith("Comparison")
    without_assistant(page)
    page.locator(".parcoords, .js-plotly-plot canvas, [data-testid*=parallel]").first.wait_for()
    shoot(page, "mlflow-comparison")


def test_a_claim_is_a_chart_within_three_clicks(ui: Ui, visits: Visits, shoot: Callable[..., Path]) -> None:
    """From the bare address to the study; from the page that `make ui` opens to the claim, by its link or the menu."""
    clicks = Clicks(visits, ui.url)
    clicks.on(clicks.page.get_by_text("Model training", exact=True).first)
    clicks.on(clicks.page.get_by_role("link", name="mini", exact=True).first)
    clicks.on(clicks.page.get_by_role("link", name="data_scale", exact=True).first, opens=True)
    assert {"small", "large"} <= set(drawn(clicks.page)[METRIC])
    assert clicks.count == 3

    expected = pytest.approx(means(ui)[["small", "large"]].to_dict())
    clicks = Clicks(visits, ui.link("main"))
    clicks.on(unfold(clicks.page))
    clicks.on(clicks.page.get_by_role("link", name=f"data_scale: {CLAIM}", exact=True), opens=True)
    clicks.page.get_by_text("4 matching runs").wait_for()
    assert drawn(clicks.page)[METRIC] == expected
    assert clicks.count == 2
    shoot(without_assistant(clicks.page), "mlflow-claim")

    clicks = Clicks(visits, ui.link("main"))
    clicks.on(clicks.page.get_by_test_id("saved-views-trigger"))
    clicks.on(clicks.page.get_by_test_id("saved-views-item-data_scale.claim1").get_by_text(CLAIM))
    clicks.page.get_by_text("4 matching runs").wait_for()
    clicks.on(clicks.page.locator("label:has(input[value=CHART])"))  # a view of the menu opens as a table
    assert drawn(clicks.page)[METRIC] == expected
    assert clicks.count == 3


def test_every_replicate_by_itself_with_parallel_coordinates(ui: Ui, visits: Visits) -> None:
    (link,) = (url for label, url in links.links(ui.study("data_scale"), ui.url) if "by itself" in label)
    page = without_assistant(opened(visits, link))
    assert len(drawn(page)[METRIC]) == 12
    assert page.get_by_text("Parallel Coordinates").count() == 1


def test_markup_in_texts_is_shown_and_never_run(ui: Ui, visits: Visits) -> None:
    """In the description of the experiment, in menus, in a run's notes, tags and tables."""
    page = opened(visits, ui.link("main"))
    page.locator(".js-plotly-plot .bars .point").first.wait_for(state="attached")
    unfold(page).click()
    page.get_by_text("What the tags mean").wait_for()
    page.get_by_test_id("saved-views-trigger").click()
    page.wait_for_timeout(1000)
    harmless(page)
    client = Store(f"sqlite:///{ui.tree.results}/mlflow.db", "mini")
    run = client.runs["study:mini:main"].info.run_id
    for place in ("", "/artifacts/table.csv"):
        page = opened(visits, f"{ui.url}/#/experiments/{client.experiment}/runs/{run}{place}")
        page.get_by_text("onerror").first.wait_for()
        harmless(page)


def harmless(page: Any) -> None:
    """Nothing of the markup became an element, or ran."""
    assert page.evaluate("window.hurt") is None
    assert (
        page.locator('img[src="x"], img[src*="evil"], iframe[src*="evil"], a[href^="javascript:window"]').count() == 0
    )
