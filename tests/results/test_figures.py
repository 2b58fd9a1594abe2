"""The figures of a small results tree: what is drawn is what the tables hold."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from results_tree import Tree, data_scale, domain_gap, main, write_tables

from clipvip.results import study_folder
from clipvip.results.finished import read_plan, results_root
from clipvip.results.report import figures, panels


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    tree = Tree(tmp_path_factory.mktemp("figures"))
    folders = {"data_scale": data_scale(tree), "domain_gap": domain_gap(tree), "main": main(tree)}
    for folder in folders.values():
        write_tables(folder)
    return folders


def test_curves_hold_the_mean_over_seeds(studies: dict[str, Path]) -> None:
    figure = figures.curves(studies["data_scale"])
    rows = pd.read_csv(studies["data_scale"] / "curves.csv")
    plain, captions = figure.axes[:2]
    assert (plain.get_title(), captions.get_title()) == ("", "captions")
    lines = {line.get_label(): line for line in plain.get_lines()}
    large = rows[rows["variant"] == "large"].groupby("step")["val/t2v/R@5"].mean()
    assert list(lines["large"].get_xdata()) == list(large.index)
    np.testing.assert_allclose(lines["large"].get_ydata(), large)
    same = {line.get_label(): line.get_color() for line in captions.get_lines()}
    assert same["large"] == lines["large"].get_color(), "one colour a scale in every family"
    assert figure.get_suptitle() == "Does data_scale matter?"
    assert "%" in plain.get_ylabel()
    assert "step" in plain.get_xlabel()


def test_curves_say_that_there_is_no_validation(studies: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "results" / "mini" / "studies" / "data_scale"
    folder.mkdir(parents=True)
    for path in studies["data_scale"].glob("*.*"):
        (folder / path.name).write_bytes(path.read_bytes())
    pd.read_csv(folder / "curves.csv").head(0).to_csv(folder / "curves.csv", index=False)
    figure = figures.curves(folder)
    assert "no validation" in figure.axes[0].texts[0].get_text()


@pytest.mark.parametrize("study", ["data_scale", "main"])
def test_dots_show_means_intervals_and_baseline(studies: dict[str, Path], study: str) -> None:
    figure = figures.dots(studies[study])
    summary = pd.read_csv(studies[study] / "summary.csv")
    metric = study_folder.expected_metrics(studies[study])[0]
    axis = figure.axes[0]
    assert axis.get_xlabel() == panels.label(metric)
    drawn = sorted(x for box in axis.containers for x in box.lines[0].get_xdata())
    np.testing.assert_allclose(drawn, sorted(summary[metric]))
    ends = np.concatenate([bar.get_segments() for box in axis.containers for bar in box.lines[2]])[:, :, 0]
    np.testing.assert_allclose(sorted(ends[:, 0]), sorted(summary[f"{metric}/low"]))
    np.testing.assert_allclose(sorted(ends[:, 1]), sorted(summary[f"{metric}/high"]))
    verticals = [line.get_xdata()[0] for line in axis.get_lines() if len(set(line.get_xdata())) == 1]
    assert summary[metric][0] in verticals, "the baseline is a line"


def test_bars_are_grouped_by_set(studies: dict[str, Path]) -> None:
    figure = figures.bars(studies["main"])
    summary = pd.read_csv(studies["main"] / "summary.csv")
    axis = figure.axes[0]
    assert [text.get_text() for text in axis.get_xticklabels()] == ["msrvtt", "didemo"]
    heights = [[bar.get_height() for bar in box] for box in axis.containers if hasattr(box, "patches")]
    assert heights == summary[["msrvtt/t2v/R@1", "didemo/t2v/R@1"]].to_numpy().tolist()


def test_heatmap_holds_the_numbers(studies: dict[str, Path]) -> None:
    axis = figures.heatmap(studies["domain_gap"]).axes[0]
    assert len(axis.texts) == 4
    assert axis.texts[0].get_text().startswith("0.302\n")
    assert [text.get_text() for text in axis.get_yticklabels()] == ["subtitles", "captions"]


def test_projection_has_a_panel_a_source(studies: dict[str, Path]) -> None:
    figure = figures.projection(studies["domain_gap"])
    assert [axis.get_title() for axis in figure.axes] == ["subtitles", "captions"]
    assert [len(dots.get_offsets()) for dots in figure.axes[0].collections] == [20, 10]


def test_projection_needs_a_gap_cell(studies: dict[str, Path]) -> None:
    with pytest.raises(ValueError, match="gap: true"):
        figures.projection(studies["main"])


def test_saved_figures_are_the_same_bytes(studies: dict[str, Path], tmp_path: Path) -> None:
    saved = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        saved.append(figures.save(figures.gap(studies["domain_gap"]), tmp_path / name))
    assert [path.name for path in saved[0]] == ["figure.svg", "figure.png"]
    for one, two in zip(*saved, strict=True):
        assert one.read_bytes() == two.read_bytes()
    assert b"<dc:date>" not in saved[0][0].read_bytes()


def test_a_variant_without_numbers_does_not_stop_the_figure(studies: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "results" / "mini" / "studies" / "main"
    folder.mkdir(parents=True)
    for path in studies["main"].glob("*.*"):
        (folder / path.name).write_bytes(path.read_bytes())
    summary = pd.read_csv(folder / "summary.csv")
    summary.loc[1, summary.columns != "variant"] = np.nan
    summary.to_csv(folder / "summary.csv", index=False)
    for figure in (figures.dots(folder), figures.bars(folder)):
        figures.save(figure, tmp_path)


def test_a_missing_table_is_named(studies: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text((studies["main"] / "plan.json").read_text())
    with pytest.raises(ValueError, match=r"summary.csv: no such file"):
        figures.dots(tmp_path)


def test_main_metrics_start_with_the_expected(studies: dict[str, Path]) -> None:
    metrics = study_folder.main_metrics(studies["data_scale"])
    plan = json.loads((studies["data_scale"] / "plan.json").read_text())
    assert metrics[0] == plan["expect"][0].split()[-1]
    assert "msrvtt/zero_shot/order" in metrics
    assert not any("dsl" in metric for metric in metrics), "what sees all queries at once is never the headline"


@pytest.mark.parametrize(
    ("metric", "said"),
    [
        ("msrvtt/t2v/R@5", "msrvtt, text to video R@5 (%)"),
        ("msrvtt/zero_shot/order", "msrvtt zero-shot, order (%, chance 50)"),
        ("didemo/v2t_dsl/MdR", "didemo, video to text, transductive MdR (rank)"),
        ("lsmdc/v2t/log2R", "lsmdc, video to text log2R (log2 rank)"),
        ("nmi/msrvtt", "NMI with msrvtt (0 to 1)"),
    ],
)
def test_labels_have_units(metric: str, said: str) -> None:
    assert panels.label(metric) == said


def test_gaze_shows_frames_and_each_frames_share(tmp_path: Path) -> None:
    folder = main(Tree(tmp_path))
    figure = figures.gaze(folder)
    assert figure is not None
    key = next(row for row in read_plan(folder)["rows"] if row["variant"] == "clip_vip")["cells"]["fine_tuned/msrvtt"]
    with np.load(results_root(folder) / "cells/evaluate" / key.split("/")[-1] / "gaze.npz") as found:
        weights = found["read"][1]
    part = figure.subfigs[1]
    assert part.get_suptitle() == "clip1"
    axes = np.array(part.axes).reshape(3, 4)
    np.testing.assert_array_equal(axes[2, 3].images[0].get_array(), weights[3])
    shares = [float(axis.get_xlabel().removesuffix(" %")) for axis in axes[2]]
    np.testing.assert_allclose(shares, 100 * weights.sum(axis=(1, 2)) / weights.sum(), atol=0.5)
    assert figures.gaze(folder, variant="clip_vip", downstream="lsmdc") is None
