"""Finished cells of a small study, as the workflow leaves them, with ranks whose truth is known."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

NUM = 120  # queries, two a cluster
CLUSTERS = np.repeat(np.arange(NUM // 2), 2)
Places = NDArray[np.float64]


def places(seed: int, shift: float) -> Places:
    """Ranks of queries of shared difficulty; a larger shift is worse."""
    hard = np.random.default_rng(0).standard_normal(NUM)
    noise = np.random.default_rng([seed, int(100 * shift)]).standard_normal(NUM)
    return np.floor(np.exp(hard + 0.5 * noise + shift)) + 1


def cell(root: Path, stage: str, key: str) -> Path:
    folder = root / "cells" / stage / key
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"stage": stage, "settings": {}, "inputs": {}}))
    receipt = {"stage": stage, "key": key, "fingerprint": f"print-{stage}", "status": "finished", "inputs": {}}
    (folder / "receipt.json").write_text(json.dumps(receipt))
    return folder


def evaluation(root: Path, key: str, found: Places) -> Path:
    """An evaluation whose order is right where the place is 1."""
    folder, parts, metrics = cell(root, "evaluate", key), [], {}
    for direction in ("t2v", "v2t", "t2v_dsl", "v2t_dsl"):
        metrics |= {f"{direction}/R@{k}": 100 * float((found <= k).mean()) for k in (1, 5, 10)}
        metrics |= {f"{direction}/MdR": float(np.median(found)), f"{direction}/MnR": float(found.mean())}
        metrics[f"{direction}/log2R"] = float(np.log2(found).mean())
    metrics |= {"order": 100 * float((found == 1).mean()), "ceiling/t2v/R@1": 88.0, "ceiling/v2t/R@1": 77.0}
    for direction in ("t2v", "v2t", "t2v_dsl", "v2t_dsl", "order"):
        rank = np.where(found == 1, 1.0, 2.0) if direction == "order" else found
        names = {"query": [f"q{i:03d}" for i in range(NUM)], "clip_id": "c", "cluster": [f"s{i:03d}" for i in CLUSTERS]}
        parts.append(pd.DataFrame({**names, "direction": direction, "rank": rank, "best": rank, "worst": rank}))
    shuffled = pd.concat(parts).sample(frac=1, random_state=len(key) + int(found.sum()))
    shuffled.to_parquet(folder / "ranks.parquet")
    (folder / "metrics.json").write_text(json.dumps(metrics))
    return folder


SHIFTS = {"none": 0.8, "small": 2.0, "large": 0.7}


def plan_of(root: Path, seeds: tuple[int, ...], **more: Any) -> dict[str, Any]:
    """Three variants; `none` has no post-pretraining and its zero-shot cell serves all seeds."""
    cell(root, "clip", "clip")
    rows = []
    for variant, shift in SHIFTS.items():
        for seed in seeds:
            cells: dict[str, str | None] = {"clip": "clip", "pretrain": None}
            if variant != "none":
                cells["pretrain"] = f"pre-{variant}-{seed}"
                history = pd.DataFrame({"step": [1, 2, 3, 4], "loss": 1.0})
                for k in (1, 5, 10):
                    history[f"val/t2v/R@{k}"] = [np.nan, k, np.nan, 2 * k + seed]
                history.to_csv(cell(root, "pretrain", cells["pretrain"]) / "history.csv", index=False)
            cells["zero_shot/msrvtt"] = f"zero-{variant}" + (f"-{seed}" if variant != "none" else "")
            if not (root / "cells" / "evaluate" / str(cells["zero_shot/msrvtt"])).exists():
                evaluation(root, str(cells["zero_shot/msrvtt"]), places(seed, shift + 1))
            cells["finetune/msrvtt"], cells["fine_tuned/msrvtt"] = f"tune-{variant}-{seed}", f"fine-{variant}-{seed}"
            cell(root, "finetune", f"tune-{variant}-{seed}")
            evaluation(root, f"fine-{variant}-{seed}", places(10 + seed, shift))
            rows.append({"variant": variant, "seed": seed, "cells": cells})
    plan = {"experiment": "mini", "study": "data_scale", "title": "?", "claim": "!", "baseline": "none", "trend": None}
    plan |= {"expect": [], "downstream": ["msrvtt"], "rows": rows, "gap": None, "captions": {}, "results": str(root)}
    return plan | more
