"""Figures of cells, marker genes and trust: right numbers, small, and names of genes and groups never markup."""

from __future__ import annotations

import json

import numpy as np
import plotly.graph_objects as go
import pytest

from backend.charts import (
    Chart,
    cell_look,
    dot_chart,
    excess_chart,
    gap_chart,
    observed_chart,
    overlap_chart,
    volcano_chart,
)
from backend.types import CellColours, MetricPoint, Series

NASTY = "<b onclick=alert(1)>$x$ &amp; _y_"


def checked(chart: Chart) -> Chart:
    go.Figure(chart.figure)  # plotly's own validation
    assert "<b onclick" not in json.dumps(chart.figure)
    assert chart.words
    return chart


def volcano(n: int = 20_000) -> Chart:
    rng = np.random.default_rng(0)
    probability = np.sort(rng.uniform(0, 1, n))[::-1]
    effect = rng.normal(0, 2, n)
    return volcano_chart([NASTY] * n, effect, probability, probability > 0.9, samples=1500)


def test_a_volcano_of_all_genes_is_light_and_counts_each_side() -> None:
    chart = checked(volcano())
    assert len(json.dumps(chart.figure)) < 450_000
    counts = [trace["name"] for trace in chart.data]
    assert [name.split(" (")[0] for name in counts] == ["higher", "lower", "no clear difference"]
    assert sum(int(name.split("(")[1].rstrip(")").replace(",", "")) for name in counts) == 20_000
    assert all(len(trace["x"]) <= 1100 for trace in chart.data)
    named = [text for trace in chart.data for text in trace["text"] if text]
    assert 0 < len(named) <= 16


def test_a_gene_that_is_sure_is_as_high_as_the_samples_can_tell() -> None:
    chart = volcano_chart(
        ["a", "b"], np.array([2.0, -2.0]), np.array([1.0, 0.9]), np.array([1, 1]), samples=1000
    )
    assert chart.data[0]["y"] == [3]
    assert chart.data[1]["y"] == [1]
    assert chart.data[0]["customdata"] == [["a", "100.0 %"]]


def test_names_in_a_volcano_do_not_lie_on_each_other() -> None:
    effect = np.array([4.0, 3.8, 3.0, -1.0])  # 0.12 of the span of 5 is 0.6
    sure = np.array([0.99, 0.99, 0.99, 0.2])
    chart = volcano_chart(["a", "b", "c", "d"], effect, sure, sure > 0.9, samples=1000)
    assert chart.data[0]["text"] == ["a", "", "c"]


def test_a_volcano_says_the_three_surest_genes_that_are_higher() -> None:
    names, effect = ["a", "b", "c", "d", "e", "f"], np.array([2.0, 1.5, -3.0, 1.2, 1.1, 0.5])
    sure = np.array([0.99, 0.99, 0.99, 0.98, 0.97, 0.2])
    chart = volcano_chart(names, effect, sure, sure > 0.9, samples=1000)
    assert chart.words == "4 genes are higher and 1 lower in the group; the surest higher ones: a, b, d."
    assert [trace["name"] for trace in chart.data] == ["higher (4)", "lower (1)", "no clear difference (1)"]
    assert chart.figure["layout"]["yaxis"]["ticktext"][:2] == ["0 %", "50 %"]
    higher, _, unclear = chart.data
    assert (higher["mode"], unclear["mode"], unclear["text"]) == ("markers+text", "markers", [""])
    lower = volcano_chart(["c"], np.array([-3.0]), np.array([0.99]), np.array([True]), samples=1000)
    assert lower.words == "0 genes are higher and 1 lower in the group."


def test_dots_are_as_large_as_the_part_of_cells_and_as_strong_as_the_mean() -> None:
    fraction, mean = np.array([[0.0, 1.0], [0.25, 0.5]]), np.array([[0.0, 2.0], [1.0, 0.5]])
    chart = checked(dot_chart([NASTY, "g"], ["T", NASTY], fraction, mean))
    marker = chart.data[0]["marker"]
    assert marker["size"] == [2, 18, 10, pytest.approx(13.3, abs=0.1)]
    assert marker["color"] == [0, 2, 1, 0.5]
    assert chart.data[0]["customdata"][1][2] == 100


def test_nothing_to_show_is_a_sentence() -> None:
    none = np.array([])
    assert volcano_chart([], none, none, none).empty
    assert dot_chart([], [], none, none).empty
    assert observed_chart([], none, none, what="x").empty
    assert excess_chart(none, none, []).empty
    assert gap_chart(Series(), Series()).empty


def test_simulated_against_observed_is_thinned_and_leaves_zeros_out_of_a_logarithm() -> None:
    values = np.linspace(0, 10, 9000)
    chart = checked(observed_chart([NASTY] * 9000, values, values, what="variance", log=True))
    assert len(chart.data[0]["x"]) == 2000
    assert min(chart.data[0]["x"]) > 0
    assert chart.data[1]["x"] == chart.data[1]["y"]


def test_groups_stand_with_the_worst_on_top() -> None:
    excess = np.concatenate([np.zeros(10), np.full(10, 3.0), np.full(5, 9.0)])
    codes = np.repeat([0, 1, -1], [10, 10, 5])
    chart = checked(excess_chart(excess, codes, ["fine", NASTY, "nobody"]))
    assert chart.data[1]["x"] == [3, 0]
    assert chart.layout["yaxis"]["ticktext"][1] == "fine"


def test_training_and_validation_lie_in_one_picture() -> None:
    train, validation = Series(), Series()
    for epoch in range(1, 31):
        train.push(MetricPoint("t", epoch, 100.0 - epoch, 0.0))
        validation.push(MetricPoint("v", epoch, 110.0 - epoch, 0.0))
    chart = checked(gap_chart(train, validation))
    assert [trace["name"] for trace in chart.data] == ["training cells", "validation cells"]
    assert chart.data[0]["x"][0] == 4, "the steep beginning is left out"


def test_levels_have_colours_of_their_own_and_too_many_become_other() -> None:
    look = cell_look(CellColours("c", "categorical", (0, 1, -1), ("T", "B")), 3)
    assert look.codes.tolist() == [0, 1, 2]
    assert look.labels == ["T", "B", "no value"]
    assert len(set(look.palette)) == 3
    many = tuple(f"level {i}" for i in range(40))
    look = cell_look(CellColours("c", "categorical", tuple(range(40)), many), 40)
    assert look.labels[-1] == "other (17 more)"
    assert len(look.labels) == len(look.palette) == 24
    assert look.codes.max() == 23


def test_numbers_have_a_scale_and_missing_ones_stand_apart() -> None:
    look = cell_look(CellColours("c", "continuous", (0, 255, -1), (), 1.0, 9.0), 3)
    assert look.continuous
    assert look.codes.tolist() == [0, 31, 32]
    assert look.labels == ["1", "9"]
    assert len(look.palette) == 33


def test_colours_that_do_not_fit_the_cells_are_left_out() -> None:
    assert cell_look(CellColours("c", "categorical", (0,), ("T",)), 5).codes.tolist() == [0] * 5
    assert cell_look(None, 2).labels == ["cell"]


# --- labels among clusters ---

TABLE = np.array([[0, 8], [3, 2], [7, 0]])  # clusters x labels


def test_each_label_is_shared_out_among_the_clusters_its_largest_ones_first() -> None:
    chart = overlap_chart(TABLE, ["T", "<b>B</b>"], ["0", "1", "2"], revision="r")
    (trace,) = chart.data
    assert chart.layout["xaxis"]["ticktext"] == ["2", "1", "0"]
    assert trace["z"] == [[70.0, 30.0, 0.0], [0.0, 20.0, 80.0]]
    assert trace["customdata"][0] == [7, 3, 0]
    assert chart.layout["yaxis"]["ticktext"] == ["T", "&lt;b&gt;B&lt;/b&gt;"]
    assert chart.words.startswith("T: 70 % in cluster 2; ")


def test_a_label_without_cells_is_no_division_by_zero() -> None:
    chart = overlap_chart(np.array([[0, 4]]), ["none", "some"], ["0"])
    assert chart.data[0]["z"] == [[0.0], [100.0]]
    assert overlap_chart(np.zeros((0, 0)), [], []).empty
