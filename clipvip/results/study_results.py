"""What the finished cells of a study say: its evaluations by row and metric, its language gap, what is missing."""

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from clipvip.config.claims import Expectation, Metric, check_expect, metrics
from clipvip.results.evaluations import Evaluation, Orders, read_evaluation
from clipvip.results.finished import Finished, find, uses
from clipvip.runtime import cell_files, receipts


class Study:
    """A plan with its finished cells; each is read once, however many rows share it."""

    def __init__(
        self, plan: dict[str, Any], read: dict[str, Evaluation] | None = None, orders: Orders | None = None
    ) -> None:
        """`read` holds evaluations that were read already, for studies that share cells, `orders` their queries."""
        self.plan = plan
        self.root = Path(plan["results"])
        self.downstream: list[str] = plan["downstream"]
        self.left_out: dict[str, str] = plan.get("left_out") or {}  # set or language source -> why it is not there
        self.not_run = {str(row["variant"]): row["not_run"] for row in plan["rows"] if row.get("not_run")}
        self.all_metrics = metrics(self.downstream)
        self.variants = list(dict.fromkeys(str(row["variant"]) for row in plan["rows"]))
        self._evaluations = {} if read is None else read
        self._orders = {} if orders is None else orders

    @cached_property
    def cells(self) -> dict[str, Finished]:
        """The finished cells that the plan names, by key."""
        found = {}
        for key in {use.key for use in uses(self.plan)}:
            try:
                cell = find(self.root, key)
            except ValueError:  # not there: shown as missing
                continue
            if cell.receipt.get("status") == "finished" and key not in self.failures:
                found[key] = cell
        return found

    @cached_property
    def failures(self) -> dict[str, str]:
        """Key -> reason of the cells whose last attempt failed, or that wait for one that failed; what an earlier
        attempt left there does not count."""
        found = {use.key: self._failure(f"{use.stage}-{use.key}") for use in uses(self.plan)}
        return {key: reason for key, reason in found.items() if reason}

    def _failure(self, name: str) -> str:
        """Why the cell `<stage>-<key>` is not there; empty where nothing has failed."""
        stage, _, key = name.partition("-")
        failed, spec = (self.root / folder / f"{name}.json" for folder in ("failed", "specs"))
        reason, made = receipts.failure(failed), receipts.read_json(spec)
        if reason is not None:
            return f"{stage}: {reason}"
        if receipts.read(self.root / "cells" / stage / key) is not None or made is None:
            return ""
        inputs = (other.replace("/", "-") for other in made["inputs"].values())
        return next(filter(None, map(self._failure, inputs)), "")

    @cached_property
    def nmi(self) -> pd.DataFrame:
        """nmi.csv of the domain-gap cell; no rows where there is none."""
        cell = self.cells.get(self.plan.get("gap") or "")
        if cell is None:
            return pd.DataFrame(columns=["source", "downstream", "repeat", "nmi"])
        return pd.read_csv(cell.folder / cell_files.NMI)

    @cached_property
    def language(self) -> pd.DataFrame:
        """A row a source and set of the domain-gap cell: its statistics, and `covers/<set>`, the share of the set's
        words that it has; no rows where there is no cell."""
        cell = self.cells.get(self.plan.get("gap") or "")
        if cell is None:
            return pd.DataFrame(columns=["source", "kind", "sentences"])
        pairs = pd.read_csv(cell.folder / cell_files.OVERLAP)
        overlaps = pairs.pivot_table(index="source", columns="downstream", values="covered", sort=False)
        return pd.read_csv(cell.folder / cell_files.STATISTICS).join(overlaps.add_prefix("covers/"), on="source")

    def expectations(self) -> list[Expectation]:
        """The lines of `expect`, parsed."""
        sources = sorted(set(self.nmi["source"]))
        lines = []
        for line in self.plan["expect"]:
            named = sources or [word for word in line.split() if word not in "<>"]  # gap cell missing: names unchecked
            sets = [*self.downstream, *self.left_out]
            lines.append(check_expect(line, self.variants, [*named, *self.left_out], sets, study=self.plan["study"]))
        return lines

    @property
    def sets_left_out(self) -> list[str]:
        """The sets that the study names and that are not there."""
        about = {each.metric.downstream for each in self.expectations()}
        return [name for name in self.left_out if name in about]

    def no_data(self, expectation: Expectation) -> str:
        """Why an expectation cannot be tested at all: a set, source or corpus that is not there; empty otherwise."""
        named = {expectation.metric.downstream, *(name for side in expectation.sides for name in side)}
        found = (f"{name}: {why}" for known in (self.left_out, self.not_run) for name, why in known.items())
        return next((each for each in found if each.split(": ")[0] in named), "")

    def evaluation(self, row: dict[str, Any], metric: Metric) -> Evaluation | None:
        """The finished evaluation that holds `metric` of this row."""
        key = row["cells"].get(f"{metric.when}/{metric.downstream}")
        if key not in self.cells:
            return None
        found = self.read(key)
        return found if metric.direction in found.answers else None

    def read(self, key: str) -> Evaluation:
        """A finished evaluation, read once."""
        if key not in self._evaluations:
            self._evaluations[key] = read_evaluation(self.cells[key].folder, self._orders)
        return self._evaluations[key]

    def evaluations(self, variant: str, metric: Metric) -> dict[int, Evaluation]:
        """The same by seed."""
        rows = [row for row in self.plan["rows"] if row["variant"] == variant]
        found = {int(row["seed"]): self.evaluation(row, metric) for row in rows}
        return {seed: each for seed, each in found.items() if each is not None}

    def distinct(self, variant: str, metric: Metric) -> dict[str, Evaluation]:
        """The finished evaluations of a variant by key: seeds that share a cell are one replicate."""
        return {each.key: each for each in self.evaluations(variant, metric).values()}

    def any_evaluation(self, metric: Metric) -> Evaluation | None:
        """The first finished evaluation that holds the metric."""
        found = (self.evaluation(row, metric) for row in self.plan["rows"])
        return next((each for each in found if each is not None), None)

    def absent(self, variants: Iterable[str], metric: Metric) -> list[int]:
        """Seeds of the plan at which one of the variants has no finished evaluation."""
        lacking = set()
        for variant in variants:
            planned = {int(row["seed"]) for row in self.plan["rows"] if row["variant"] == variant}
            lacking |= planned - set(self.evaluations(variant, metric))
        return sorted(lacking)
