"""A results tree as the workflow leaves it, small and made up, with real files: cells, receipts, plans."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from clipvip.config.base import digest
from clipvip.config.stages import OBJECTIVES
from clipvip.results import tables

QUERIES = 40
SIDE = 8  # pixels
QUALITY = {"none": 0.2, "subtitle": 0.5, "d": 0.9}  # share of queries answered near the top
FINE = {"zero_shot": 0.7, "fine_tuned": 1.0}
GAP = {"subtitles": 0.3, "captions": 0.02}


def draws(nmi: float) -> list[dict[str, float]]:
    """The rest of the rows of nmi.csv of one repeat."""
    same = {"sentences": 100, "share_source": 0.01, "share_downstream": 0.5, "mmd_p": 0.001}
    return [
        {"source_draw": i, "downstream_draw": j, **dict.fromkeys(("nmi", "ami", "mmd"), value), **same}
        for i in (0, 1)
        for j in (0, 1)
        for value in (nmi + 0.002 * (i - 0.5) - 0.003 * (j - 0.5),)
    ]


class Tree:
    """Writes cells once each, named by what they are made of, and plans that name them."""

    def __init__(self, root: Path) -> None:
        self.results = root / "results"

    def cell(self, stage: str, settings: dict[str, Any], inputs: dict[str, str], **facts: Any) -> Path:
        """The folder of a cell with config.json and receipt.json; inputs are `<stage>/<key>`."""
        key = digest({"stage": stage, "settings": settings, "inputs": inputs})
        folder = self.results / "cells" / stage / key
        if not folder.exists():
            folder.mkdir(parents=True)
            config = {"stage": stage, "settings": settings, "inputs": inputs}
            receipt = {
                "stage": stage,
                "key": key,
                "status": "finished",
                "fingerprint": digest(stage),
                "lineage": digest([stage, inputs]),
                "inputs": inputs,
                "started": "2026-01-02T03:04:05+00:00",
                "seconds": 12.5,
                "versions": {"python": "3.11.9", "torch": "2.13.0"},
                "commit": "0123456789abcdef",
                **facts,
            }
            (folder / "config.json").write_text(json.dumps(config))
            (folder / "receipt.json").write_text(json.dumps(receipt))
        return folder

    def corpus(self, name: str) -> dict[str, str]:
        """World, corpus and frame cache of a downstream set or of the narrated corpus, as inputs."""
        world = self.cell("world", {"part": name}, {})
        corpus = self.cell("corpus", {"format": name}, {"world": _name(world)})
        frames = self.cell("frames", {"size": SIDE}, {"corpus": _name(corpus)})
        if not (frames / "frames.npy").exists():
            colours = np.arange(6 * 4 * SIDE * SIDE * 3, dtype=np.uint32).reshape(24, SIDE, SIDE, 3) % 251
            np.save(frames / "frames.npy", colours.astype(np.uint8))
            clips = pd.DataFrame({"clip_id": [f"clip{i}" for i in range(6)], "offset": range(0, 24, 4), "count": 4})
            clips.to_parquet(frames / "clips.parquet")
        return {"corpus": _name(corpus), "frames": _name(frames), "world": _name(world)}

    def clip(self) -> Path:
        """The starting CLIP."""
        return self.cell("clip", {"seed": 0, "shape": {"dim": 64}, "source": None}, {**self.corpus("images")})

    def captions(self) -> Path:
        """Captions of the narrated corpus, with their quality."""
        folder = self.cell("captions", {"max_tokens": 20}, self.corpus("narrated"))
        (folder / "quality.json").write_text(json.dumps({"colour": 91.5, "note": "made up"}))
        return folder

    def gap(self) -> Path:
        """NMI of two sources and two sets, five repeats."""
        folder = self.cell(
            "gap", {"clusters": 2}, {"clip": _name(self.clip()), "source:captions": _name(self.captions())}
        )
        rows = [
            {"source": source, "downstream": name, "repeat": i, **each}
            for source, nmi in GAP.items()
            for name in ("msrvtt", "didemo")
            for i in range(5)
            for each in draws(nmi + 0.001 * i)
        ]
        pd.DataFrame(rows).to_csv(folder / "nmi.csv", index=False)
        overlap = [(source, name, 0.5, 0.25) for source in GAP for name in ("msrvtt", "didemo")]
        columns = ["source", "downstream", "covered", "jaccard"]
        pd.DataFrame(overlap, columns=columns).to_csv(folder / "overlap.csv", index=False)
        kinds = [("subtitles", "source"), ("captions", "source"), ("msrvtt", "downstream"), ("didemo", "downstream")]
        language = {"sentences": 100, "mean_words": 7.5, "sd_words": 1.5, "vocabulary": 90, "type_token": 0.12}
        statistics = [{"source": s, "kind": k, **language, "naming": 0.75 if k == "source" else None} for s, k in kinds]
        pd.DataFrame(statistics).to_csv(folder / "statistics.csv", index=False)
        points = [(s, k, 0.1 * i, 0.2 * i * i, "a red circle") for s, k in kinds for i in range(10)]
        pd.DataFrame(points, columns=["source", "kind", "x", "y", "text"]).to_csv(folder / "points.csv", index=False)
        return folder

    def pretrain(self, model: dict[str, Any], objective: str, clips: int, seed: int) -> Path:
        """A post-pretraining with a history."""
        terms = json.loads(json.dumps(OBJECTIVES[objective]))
        settings = {"model": model, "terms": terms, "clips": clips, "seed": seed, "optim": {"lr": 1e-3, "steps": 30}}
        inputs = {"clip": _name(self.clip()), **self.corpus("narrated")}
        if objective == "d":
            inputs["captions"] = _name(self.captions())
        folder = self.cell("pretrain", settings, inputs, clips=clips)
        steps = np.arange(1, 31)
        history = pd.DataFrame({"step": steps, "loss": 3.0 / steps, "lr": 1e-3, "clips_per_s": 100.0})
        for k in (1, 5, 10):
            history[f"val/t2v/R@{k}"] = np.where(steps % 10 == 0, k + steps * clips / 12000, np.nan)
        history.to_csv(folder / "history.csv", index=False)
        return folder

    def evaluate(self, model: Path, name: str, quality: float) -> Path:
        """An evaluation whose metrics follow from its ranks."""
        inputs = {"model": _name(model), **self.corpus(name)}
        folder = self.cell("evaluate", {"model": None, "num_frames": 4, "seed": 0}, inputs)
        random = np.random.default_rng(int(hashlib.sha256(folder.name.encode()).hexdigest()[:8], 16))
        tables, metrics = [], {}
        for direction in ("t2v", "v2t", "t2v_dsl", "v2t_dsl", "order"):
            good = random.random(QUERIES) < quality
            rank = np.where(good, random.integers(1, 6, QUERIES), random.integers(6, QUERIES + 1, QUERIES)).astype(
                float
            )
            if direction == "order":
                rank = np.where(good, 1.0, 2.0)
                metrics["order"] = float(100 * (rank == 1).mean())
            else:
                metrics |= {f"{direction}/R@{k}": float(100 * (rank <= k).mean()) for k in (1, 5, 10)}
                metrics |= {f"{direction}/MdR": float(np.median(rank)), f"{direction}/MnR": float(rank.mean())}
                metrics[f"{direction}/log2R"] = float(np.log2(rank).mean())
            clips = [f"clip{i}" for i in range(QUERIES)]
            clusters = [f"scene{i // 2}" for i in range(QUERIES)]
            columns = {"query": clips, "clip_id": clips, "cluster": clusters, "direction": direction}
            tables.append(pd.DataFrame({**columns, "rank": rank, "best": rank, "worst": rank}))
        metrics |= {f"ceiling/{way}/R@{k}": 90.0 + k for way in ("t2v", "v2t") for k in (1, 5, 10)}
        pd.concat(tables, ignore_index=True).to_parquet(folder / "ranks.parquet")
        (folder / "metrics.json").write_text(json.dumps(metrics))
        looks = random.random((2, 3, 4, 2, 2))  # clips, proxies, frames, rows, columns
        frames = np.zeros((2, 4, SIDE, SIDE, 3), np.uint8)
        np.savez(
            folder / "gaze.npz", clip_ids=np.array(["clip0", "clip1"]), frames=frames, proxies=looks, read=looks[:, 0]
        )
        top = [{"clip_id": f"clip{i}", "score": 0.9 - 0.1 * i, "correct": i == 1} for i in range(3)]
        shown = [{"query": "a <red> circle & more", "clip_id": "clip1", "rank": 2.0, "top": top}]
        (folder / "retrieved.json").write_text(json.dumps(shown))
        return folder

    def row(
        self,
        variant: str,
        seed: int,
        objective: str | None,
        *,
        clips: int = 12000,
        pooling: str = "mean",
        sets: list[str],
    ) -> dict[str, Any]:
        """One row of a plan with all of its cells."""
        model = {"pooling": pooling, "num_proxies": 4, "temporal": None}
        cells: dict[str, str] = {"clip": self.clip().name}
        start = self.clip()
        if objective is not None:
            start = self.pretrain(model, objective, clips, seed)
            cells["pretrain"] = start.name
        quality = QUALITY[objective or "none"] * (0.3 if clips < 1000 else 1)
        for name in sets:
            tuned = self.cell(
                "finetune",
                {"seed": seed, "num_frames": 4, "max_tokens": 20},
                {"model": _name(start), **self.corpus(name)},
            )
            cells[f"finetune/{name}"] = tuned.name
            cells[f"zero_shot/{name}"] = self.evaluate(start, name, quality * FINE["zero_shot"]).name
            cells[f"fine_tuned/{name}"] = self.evaluate(tuned, name, quality * FINE["fine_tuned"]).name
        return {"variant": variant, "seed": seed, "cells": cells}

    def study(self, name: str, rows: list[dict[str, Any]], *, experiment: str = "mini", **more: Any) -> Path:
        """A study folder with its plan."""
        folder = self.results / experiment / "studies" / name
        folder.mkdir(parents=True, exist_ok=True)
        plan = {
            "experiment": experiment,
            "study": name,
            "title": f"Does {name} matter?",
            "claim": "It matters a lot",
            "baseline": rows[0]["variant"],
            "expect": [],
            "trend": None,
            "downstream": ["msrvtt", "didemo"],
            "rows": rows,
            "gap": None,
            "captions": {"narrated": self.captions().name},
            "results": str(self.results),
        }
        (folder / "plan.json").write_text(json.dumps(plan | more))
        return folder


def _name(folder: Path) -> str:
    return f"{folder.parent.name}/{folder.name}"


def data_scale(tree: Tree) -> Path:
    """Two seeds; the unchanged CLIP's zero-shot cells are shared by both, and `none_again` shares all of `none`."""
    sets = ["msrvtt", "didemo"]
    rows = []
    for seed in (0, 1):
        rows += [tree.row("none", seed, None, sets=sets), tree.row("none_again", seed, None, sets=sets)]
        rows.append(tree.row("small", seed, "subtitle", clips=500, sets=sets))
        rows.append(tree.row("large", seed, "subtitle", sets=sets))
        rows.append(tree.row("captions_small", seed, "d", clips=500, sets=sets))
        rows.append(tree.row("captions_large", seed, "d", sets=sets))
    expect = [
        "small < none on msrvtt/t2v/R@5",
        "captions_large > none on msrvtt/t2v/R@5",
        "none > large on didemo/t2v/R@5",
    ]
    return tree.study("data_scale", sorted(rows, key=lambda row: row["variant"] != "none"), expect=expect)


def domain_gap(tree: Tree) -> Path:
    """One seed, with the language gap."""
    sets = ["msrvtt", "didemo"]
    rows = [tree.row("none", 0, None, sets=sets), tree.row("subtitles", 0, "subtitle", sets=sets)]
    rows.append(tree.row("both", 0, "d", sets=sets))
    expect = ["subtitles > captions on nmi/msrvtt", "both > subtitles on msrvtt/t2v/R@5"]
    return tree.study("domain_gap", rows, expect=expect, gap=tree.gap().name)


def main(tree: Tree) -> Path:
    """One seed; shares the baseline with the other studies."""
    sets = ["msrvtt", "didemo"]
    rows = [tree.row("clip", 0, None, sets=sets), tree.row("clip_vip", 0, "d", pooling="proxies", sets=sets)]
    return tree.study("main", rows, expect=["clip_vip > clip on msrvtt/t2v/R@1"])


def write_tables(folder: Path) -> None:
    """The tables of a study, as the workflow writes them."""
    tables.make(json.loads((folder / "plan.json").read_text()), folder)
