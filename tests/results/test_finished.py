"""Finished cells as their own files tell of them."""

import json
import shutil
from pathlib import Path

import pytest
from results_tree import Tree, main

from clipvip.results.finished import Use, find, generated, reach, read_plan, results_root, uses


def test_uses_name_every_place_of_a_cell(tmp_path: Path) -> None:
    tree = Tree(tmp_path)
    plan = read_plan(main(tree))
    found = uses(plan)
    assert Use(tree.clip().name, "clip", "clip_vip", 0) in found
    assert Use(tree.captions().name, "captions/narrated") in found
    assert len(found) == 1 + sum(len(row["cells"]) for row in plan["rows"])
    assert {use.stage for use in found} == {"clip", "pretrain", "finetune", "evaluate", "captions"}


def test_keys_may_carry_their_stage_and_null_is_off() -> None:
    row = {"variant": "a", "seed": 0, "cells": {"clip": "clip/abc", "pretrain": None}}
    assert uses({"rows": [row], "gap": "gap/def"}) == [Use("abc", "clip", "a", 0), Use("def", "gap")]


def test_reach_lists_inputs_first_and_leaves_out_what_is_gone(tmp_path: Path) -> None:
    tree = Tree(tmp_path)
    folder = main(tree)
    key = read_plan(folder)["rows"][1]["cells"]["fine_tuned/msrvtt"]
    cells = reach(results_root(folder), [key])
    order = {name: place for place, name in enumerate(cells)}
    assert all(order[made_from] < order[name] for name, cell in cells.items() for made_from in cell.inputs.values())
    assert {cell.stage for cell in cells.values()} >= {"evaluate", "finetune", "pretrain", "captions", "clip", "world"}
    shutil.rmtree(tree.results / "cells" / "frames")
    assert "frames" not in {cell.stage for cell in reach(results_root(folder), [key, "0" * 12]).values()}
    with pytest.raises(ValueError, match="no finished cell"):
        find(results_root(folder), "0" * 12)


def test_a_world_makes_a_study_generated(tmp_path: Path) -> None:
    tree = Tree(tmp_path)
    folder = main(tree)
    assert generated(folder)
    for path in (tree.results / "cells").glob("corpus/*/config.json"):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"inputs": {}}))
    for path in (tree.results / "cells").glob("*/*/config.json"):
        config = json.loads(path.read_text())
        config["inputs"].pop("world", None)
        path.write_text(json.dumps(config))
    assert not generated(folder)
