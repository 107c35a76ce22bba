"""Figures from metric points: what is drawn, how heavy it is, and that names stay text."""

from __future__ import annotations

import json
import math
import tomllib
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import pytest

from backend.charts import (
    ACCENTS,
    ACCENTS_DARK,
    Chart,
    Trail,
    accent,
    epoch_seconds_chart,
    loss_chart,
    parts_chart,
    plain,
    speed_chart,
    steps_chart,
)
from backend.types import Curves, MetricPoint
from tests.pages.watched_runs import lesson


def trail(epochs: int = 10, *, name: str = "run", device: str = "cpu", **how: int) -> Trail:
    curves = Curves()
    for epoch in range(1, epochs + 1):
        curves.add(lesson(epoch, **how))
    return Trail(name, device, curves)


def trace(chart: Chart, name: str) -> dict:
    return next(t for t in chart.data if t.get("name") == name)


ALL = [
    lambda t: loss_chart([t]),
    lambda t: loss_chart([t], axis="time", log=True, dark=True),
    steps_chart,
    epoch_seconds_chart,
    speed_chart,
    parts_chart,
]


@pytest.mark.parametrize("draw", ALL)
@pytest.mark.parametrize("epochs", [0, 1, 12])
def test_every_chart_is_a_valid_plotly_figure_and_says_its_values(draw, epochs):
    chart = draw(trail(epochs))
    go.Figure(chart.figure)  # raises for a property that plotly does not know
    assert chart.empty == (epochs == 0)
    assert chart.words
    json.dumps(chart.figure, allow_nan=False)


def test_loss_chart_shows_training_and_validation_with_the_best_epoch_labelled():
    t = trail(12)
    chart = loss_chart([t])
    assert trace(chart, "training")["x"] == list(range(1, 13))
    assert trace(chart, "training")["line"]["dash"] != trace(chart, "validation")["line"]["dash"]
    epoch, value = t.curves.best
    assert trace(chart, "best")["x"] == [epoch]
    assert f"epoch {epoch}" in chart.layout["annotations"][0]["text"]
    assert f"best validation {value:.1f}" in chart.words
    assert "negative ELBO" in chart.layout["yaxis"]["title"]["text"]
    assert "lower is better" in chart.layout["yaxis"]["title"]["text"]


def test_the_loss_that_was_minimised_is_another_chart_with_another_name():
    t = trail(12)
    elbo, weighted = loss_chart([t]), loss_chart([t], weighted=True)
    assert trace(elbo, "validation")["y"] != trace(weighted, "validation")["y"]
    assert "KL-weighted" in weighted.layout["yaxis"]["title"]["text"]
    assert "KL-weighted" in weighted.words
    assert "KL-weighted" not in elbo.words
    assert not any(line["name"] == "best" for line in weighted.data), "its lowest value follows the KL weight"


def test_a_run_that_did_not_log_the_elbo_says_what_is_shown():
    old = Curves()
    old.add(MetricPoint(name, 1, 400.0, 1.0) for name in ("train_loss", "validation_loss"))
    assert "KL-weighted" in loss_chart([Trail("old", "cpu", old)]).layout["yaxis"]["title"]["text"]
    both = loss_chart([trail(3, name="new"), Trail("old", "cpu", old)])
    assert {"new", "old, KL-weighted"} <= {line["name"] for line in both.data}
    assert "ELBO" not in both.layout["yaxis"]["title"]["text"]


def test_time_axis_has_the_unit_that_fits_the_length_of_the_run():
    assert loss_chart([trail(10)], axis="time").layout["xaxis"]["title"]["text"].endswith("(s)")
    long = loss_chart([trail(20, seconds=60)], axis="time")
    assert long.layout["xaxis"]["title"]["text"].endswith("(min)")
    assert trace(long, "training")["x"][-1] == pytest.approx(20, rel=0.05)
    assert loss_chart([trail(10, seconds=3600)], axis="time").layout["xaxis"]["title"]["text"].endswith("(h)")


def test_log_scale_moves_the_label_of_the_best_epoch_along():
    chart = loss_chart([trail(12)], log=True)
    assert chart.layout["yaxis"]["type"] == "log"
    assert 10 ** chart.layout["annotations"][0]["y"] == pytest.approx(trace(chart, "best")["y"][0], rel=1e-4)


def test_log_scale_is_not_used_for_a_loss_that_is_not_positive():
    curves = Curves()
    curves.add([MetricPoint("train_loss", e, 1.0 - e, e) for e in (1, 2, 3)])
    assert loss_chart([Trail("r", "cpu", curves)], log=True).layout["yaxis"]["type"] == "linear"


def test_choosing_another_axis_keeps_legend_choices_and_resets_only_that_axis():
    by_epoch = loss_chart([trail()], revision="run-1").layout
    by_time = loss_chart([trail()], axis="time", revision="run-1").layout
    assert by_epoch["uirevision"] == by_time["uirevision"] == "run-1"
    assert by_epoch["xaxis"]["uirevision"] != by_time["xaxis"]["uirevision"]
    assert by_epoch["yaxis"]["uirevision"] == by_time["yaxis"]["uirevision"]


def test_a_loss_that_became_nan_is_a_gap_and_not_the_best():
    curves = Curves()
    curves.add(MetricPoint("validation_loss", e, v, e) for e, v in [(1, 5.0), (2, 4.0), (3, math.nan)])
    chart = loss_chart([Trail("r", "cpu", curves)])
    assert trace(chart, "validation")["y"] == [5, 4, None]
    assert trace(chart, "best")["x"] == [2]


def test_validation_every_third_epoch_is_drawn_at_those_epochs():
    curves = Curves()
    curves.add(MetricPoint("train_loss", e, 10.0 / e, e) for e in range(1, 7))
    curves.add(MetricPoint("validation_loss", e, 11.0 / e, e) for e in (3, 6))
    assert trace(loss_chart([Trail("r", "cpu", curves)]), "validation")["x"] == [3, 6]


def test_several_runs_share_a_chart_and_can_be_told_apart_by_more_than_colour():
    trails = [trail(5, name=f"run {i}", seed=i) for i in range(4)] + [trail(5, name="gpu", device="cuda:0")]
    chart = loss_chart(trails, show_train=False)
    looks = [(t["line"]["color"], t["line"]["dash"]) for t in chart.data if t["mode"] == "lines"]
    assert len(set(looks)) == 5
    assert looks[0][0] == ACCENTS["cpu"]
    assert looks[4][0] == ACCENTS["cuda"]
    assert len({dash for colour, dash in looks[:4]}) == 4
    assert all(name in chart.words for name in ("run 0", "run 3", "gpu"))


def test_names_are_text_never_markup():
    assert (
        plain("<b>bold</b> & <a href='x'>y</a>")
        == "&lt;b&gt;bold&lt;/b&gt; &amp; &lt;a href='x'&gt;y&lt;/a&gt;"
    )
    assert plain("a\nb\u202ec") == "a b c"
    chart = loss_chart([trail(name="<img src=x>"), trail(name="%{y}")])
    shown = json.dumps([[t.get("name"), t.get("hovertemplate"), t.get("text")] for t in chart.data])
    assert "<img" not in shown
    assert all("%{y}" not in (t.get("hovertemplate") or "") for t in chart.data)


def test_long_names_that_differ_at_the_end_still_differ():
    names = [plain(f"PBMC 700 cells (built in) · CPU · 128 · a long story ({i})", 40) for i in (1, 2)]
    assert len(set(names)) == 2
    assert all(len(name) == 40 for name in names)


def test_seconds_per_epoch_set_the_first_epoch_apart():
    t = trail(8, seconds=2)
    chart = epoch_seconds_chart(t)
    warm_up, steady, median = chart.data
    assert warm_up["x"] == [1]
    assert steady["x"] == list(range(2, 9))
    assert warm_up["marker"]["color"] != steady["marker"]["color"] == ACCENTS["cpu"]
    assert t.curves.steady_seconds == pytest.approx(2.0, abs=0.1)  # the first took 3.5
    assert median["name"].startswith("median 2")


def test_the_first_epoch_after_a_resume_is_set_apart_too():
    t = trail(8, seconds=2)
    points = [MetricPoint("warm_up", epoch, float(epoch in (1, 6)), 0.0) for epoch in range(1, 9)]
    t.curves.add([*points, MetricPoint("epoch_seconds", 9, 2.0, 18.0), MetricPoint("warm_up", 9, 1.0, 18.0)])
    warm_up, steady, _ = epoch_seconds_chart(t).data
    assert warm_up["x"] == [1, 6, 9]
    assert steady["x"] == [2, 3, 4, 5, 7, 8]
    assert "start" in warm_up["name"]


def test_bars_far_apart_do_not_push_the_others_together():
    t = trail(90, steps=1)
    t.curves.add([MetricPoint("warm_up", 77, 1.0, 0.0)])
    chart = epoch_seconds_chart(t)
    assert chart.data[0]["x"] == [1, 77]
    assert chart.layout["xaxis"]["range"] == [0.5, 90.5]


@pytest.mark.parametrize("n", [2, 12, 90])
def test_a_curve_of_more_than_one_epoch_fills_the_plot(n):
    assert "range" not in loss_chart([trail(n)]).layout["xaxis"]


@pytest.mark.parametrize("n", [1, 2, 5, 12])
def test_few_epochs_have_a_tick_each_and_no_other(n):
    t = trail(n, steps=1)
    for chart in (loss_chart([t]), parts_chart(t), speed_chart(t), epoch_seconds_chart(t), steps_chart(t)):
        assert chart.layout["xaxis"]["tickvals"] == list(range(1, n + 1))


def test_many_epochs_have_the_ticks_that_fit():
    assert "tickvals" not in loss_chart([trail(13)]).layout["xaxis"]


def test_one_epoch_alone_stands_in_the_middle_and_its_bar_does_not_fill_the_plot():
    low, high = loss_chart([trail(1)]).layout["xaxis"]["range"]
    assert (low + high) / 2 == 1
    bars = epoch_seconds_chart(trail(1))
    low, high = bars.layout["xaxis"]["range"]
    assert bars.data[0]["width"] < 0.25 * (high - low)


def test_many_epochs_share_bars_so_that_their_mean_stays_true():
    t = trail(1000, steps=1)
    bars = epoch_seconds_chart(t).data[1]
    assert len(bars["y"]) <= 130
    assert np.mean(bars["y"]) == pytest.approx(np.mean(t.curves["epoch_seconds"].values[1:]), rel=0.01)


def test_reconstruction_and_kl_have_an_axis_each():
    chart = parts_chart(trail(6))
    assert {t["yaxis"] for t in chart.data} == {"y", "y2"}
    assert "nats" in chart.layout["yaxis"]["title"]["text"]
    assert len([t for t in chart.data if t["showlegend"]]) == 2


def test_speed_is_in_cells_per_second():
    chart = speed_chart(trail(6))
    assert chart.data[0]["y"][-1] == pytest.approx(630 / 0.5, rel=0.1)
    assert "cells per second" in chart.layout["yaxis"]["title"]["text"]


# --- weight ---


def test_an_update_of_four_long_runs_is_under_a_hundred_kilobytes():
    trails = [trail(400, seed=i, steps=60) for i in range(4)]
    steps = sum(weight(steps_chart(t)) for t in trails)
    assert weight(loss_chart(trails)) + steps < 100_000
    assert weight(loss_chart(trails, axis="time")) + steps < 100_000


def test_an_update_of_the_whole_page_of_a_long_run_is_under_a_hundred_kilobytes():
    t = trail(500, steps=60)
    charts = [loss_chart([t], axis="time"), steps_chart(t, axis="time"), epoch_seconds_chart(t)]
    charts += [speed_chart(t, axis="time"), parts_chart(t, axis="time")]
    script = (Path(__file__).parents[2] / "pages/shared/live_chart.js").stat().st_size
    cards, frame_and_words = 7_000, 8_000
    assert sum(weight(chart) + script for chart in charts) + cards + frame_and_words < 100_000


def weight(chart: Chart) -> int:
    return len(json.dumps(chart.figure, separators=(",", ":")))


def test_a_line_never_has_more_points_than_a_screen_shows():
    chart = steps_chart(trail(200, steps=100))
    assert all(len(t["x"]) <= 500 for t in chart.data)


def drawn(values: np.ndarray) -> dict:
    """The line of a training loss with these values, one an epoch."""
    curves = Curves()
    curves.add(MetricPoint("train_loss", e, float(v), e) for e, v in enumerate(values, start=1))
    return trace(loss_chart([Trail("r", "cpu", curves)]), "training")


def test_thinning_keeps_ends_and_extremes():
    values = np.sin(np.arange(20_000) / 50)
    values[7_777], values[12_345] = 9.0, -9.0
    line = drawn(values)
    assert len(line["x"]) <= 500
    assert {1, 7_778, 12_346, 20_000} <= set(line["x"])
    assert (np.diff(line["x"]) > 0).all()


def test_thinning_survives_nan():
    values = np.full(2_000, np.nan)
    values[1_000] = 1.0
    assert 1.0 in drawn(values)["y"]


def test_the_mean_of_minibatches_runs_over_the_last_and_leaves_out_what_is_no_number():
    curves = Curves()
    values = [1.0, 3.0, 5.0, math.nan, 9.0, 11.0]
    curves.add(MetricPoint("train_loss_step", 1, v, n, step=n) for n, v in enumerate(values, start=1))
    assert trace(steps_chart(Trail("r", "cpu", curves)), "mean of 5")["y"] == [1, 2, 3, 3, 4.5, 7]


# --- gathering ---


def test_curves_know_whether_anything_is_new():
    curves = Curves()
    assert curves.add(lesson(1))
    assert not curves.add([])
    assert len(curves["train_loss"]) == 1
    assert len(curves["nothing of the kind"]) == 0


def test_a_resumed_run_replaces_what_lay_beyond_its_checkpoint():
    curves = Curves()
    curves.add(MetricPoint("train_loss", e, float(e), e) for e in (1, 2, 3, 4))
    curves.add(MetricPoint("train_loss", e, 10.0 * e, e) for e in (3, 4, 5))
    assert list(curves["train_loss"].epoch) == [1, 2, 3, 4, 5]
    assert list(curves["train_loss"].value) == [1, 2, 30, 40, 50]


def test_sparklines_are_short_and_end_with_the_newest_number():
    curves = trail(300).curves
    recent = curves.recent("validation_loss", 40)
    assert len(recent) == 40
    assert recent[-1] == pytest.approx(curves["validation_loss"].value[-1], rel=1e-5)


# --- colours ---


def luminance(colour: str) -> float:
    def linear(c: float) -> float:
        return c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4

    red, green, blue = (linear(int(colour[i : i + 2], 16) / 255) for i in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_one_accent_per_device_that_stands_out_and_is_the_themes():
    theme = tomllib.loads((Path(__file__).parents[2] / ".streamlit/config.toml").read_text())["theme"]
    for accents, part in ((ACCENTS, theme["light"]), (ACCENTS_DARK, theme["dark"])):
        assert list(accents) == ["cpu", "mps", "cuda"]
        assert list(accents.values()) == part["chartCategoricalColors"][:3]
        assert all(contrast(colour, part["backgroundColor"]) >= 3 for colour in accents.values())
    assert accent("cuda:1") == ACCENTS["cuda"]
    assert accent("mps:0", dark=True) == ACCENTS_DARK["mps"]
    assert accent("auto") == ACCENTS["cpu"]
