"""Figures of runs side by side: what is drawn, how runs are told apart, and how heavy twelve of them are."""

from __future__ import annotations

import json

import plotly.graph_objects as go
import pytest

from backend.charts import (
    ACCENTS,
    Chart,
    Trail,
    compare_chart,
    pareto_chart,
    run_looks,
    target_chart,
    time_chart,
)
from backend.comparison import compare_runs
from backend.types import Comparison
from backend.words import METRICS
from tests.comparison.made_runs import made

LOSSES = [400.0, 360.0, 340.0, 330.0]
RUNS = [
    made("a", LOSSES, seconds=4.0, first=6.0, record={"preparation_seconds": 1.0}),
    made("b", [v + 0.5 for v in LOSSES], engine="fused"),
]
TRAILS = [Trail(label, "cpu", curves) for label, (_, curves) in zip(("stock", "fused"), RUNS, strict=True)]


def comparison(**how: float) -> Comparison:
    return compare_runs(
        [run for run, _ in RUNS], {run.run_id: curves for run, curves in RUNS}, **{"finished": 1.0, **how}
    )  # type: ignore[arg-type]


def valid(chart: Chart) -> Chart:
    go.Figure(chart.figure)
    json.dumps(chart.figure, allow_nan=False)
    assert chart.words
    return chart


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("axis", ["epoch", "time"])
@pytest.mark.parametrize("log", [False, True])
def test_every_quantity_on_every_axis_is_a_valid_figure(metric: str, axis: str, log: bool) -> None:
    valid(compare_chart(TRAILS, metric=metric, axis=axis, log=log, target=345.0, dark=log))


def test_all_runs_are_on_one_clock() -> None:
    stock, fused = compare_chart(TRAILS, axis="time").data
    assert stock["x"] == [6, 10, 14, 18]
    assert fused["x"] == [1, 2, 3, 4]


def test_the_target_is_marked_where_each_run_is_at_it_first() -> None:
    stars = compare_chart(TRAILS, axis="time", target=345.0).data[-1]
    assert (stars["name"], stars["x"], stars["y"]) == ("reached", [14, 3], [340, 340.5])


def test_speeds_leave_out_warm_up() -> None:
    stock = compare_chart(TRAILS, metric="epoch_seconds").data[0]
    assert (stock["x"], stock["y"]) == ([2, 3, 4], [4, 4, 4])


def test_twelve_runs_of_400_epochs_stay_light() -> None:
    losses = [400 - 0.1234567 * epoch for epoch in range(400)]
    many = [Trail(f"run {i}", "cpu", made(str(i), losses, seconds=0.37 + i)[1]) for i in range(12)]
    chart = valid(compare_chart(many, axis="time"))
    assert len(json.dumps(chart.figure)) < 60_000
    assert sum(len(t["x"]) for t in chart.data) <= 1300


def test_devices_keep_their_colours_and_no_two_runs_look_alike() -> None:
    cpu, mps, cuda = run_looks(["cpu", "mps:0", "cuda:0"])
    assert [cpu.colour, mps.colour, cuda.colour] == list(ACCENTS.values())
    first, second = run_looks(["cpu", "cpu"])
    assert first.colour == ACCENTS["cpu"]
    assert second.colour not in ACCENTS.values()
    many = run_looks(["cpu"] * 12)
    assert len({(look.colour, look.dash) for look in many}) == 12


def test_pareto_picture_marks_the_recommended_run() -> None:
    found = comparison()
    chart = valid(pareto_chart(found))
    sizes = {t["name"]: t["marker"]["size"] for t in chart.data if "marker" in t}
    assert sizes["fused"] > sizes["stock"]
    assert "line" in chart.data[0]["mode"]


def test_bars_say_who_was_at_the_target_first() -> None:
    (bars,) = valid(target_chart(comparison(target=345.0))).data
    assert list(zip(bars["y"], bars["x"], strict=True)) == [("stock", 14), ("fused", 3)]


def test_preparation_and_warm_up_stand_apart_from_steady_epochs() -> None:
    parts = {t["name"]: t["x"] for t in valid(time_chart(comparison())).data}
    assert parts["preparation"] == [0, 1]
    assert parts["first epoch, with warm-up"] == [1, 6]
    assert parts["steady epochs"] == [3, 12]


def test_names_stay_text() -> None:
    hostile = "<b>x</b><img src=q onerror=1>"
    trails = [Trail(hostile, "cpu", RUNS[0][1]), TRAILS[1]]
    runs = [RUNS[0][0].replace(name=hostile), RUNS[0][0].replace(run_id="c", name=hostile + "2")]
    found = compare_runs(runs, {run.run_id: RUNS[0][1] for run in runs})
    for chart in (compare_chart(trails), pareto_chart(found), target_chart(found), time_chart(found)):
        assert "<img" not in json.dumps(chart.figure)
        assert "<b>" not in json.dumps(chart.figure)


def test_nothing_to_show_is_a_sentence() -> None:
    empty = compare_runs([RUNS[0][0].replace(elapsed=0.0)], {"a": made("a", [])[1]})
    for chart in (compare_chart([]), pareto_chart(empty), target_chart(empty), time_chart(empty)):
        assert chart.empty
        assert chart.words


def test_a_run_that_begins_far_above_the_others_does_not_press_them_into_one_line() -> None:
    steep = made("c", [4000.0, 900.0, 350.0, 335.0])
    trails = [*TRAILS, Trail("steep", "cpu", steep[1])]
    near = valid(compare_chart(trails, target=345.0))
    low, high = near.layout["yaxis"]["range"]
    assert low < 330 < 400.5 < high < 900
    assert any("double-click" in note["text"] for note in near.layout["annotations"])
    for chart in (compare_chart(TRAILS), compare_chart(trails, log=True)):
        assert "range" not in chart.layout["yaxis"]
        assert not any("double-click" in note["text"] for note in chart.layout["annotations"])
