"""The chart of a device's self-check: one bar for each measurement, the recommended one full."""

from __future__ import annotations

import plotly.graph_objects as go

from backend.charts import device_chart
from backend.types import DeviceCheck, Speed

SPEEDS = (Speed("stock", 128, 500.0), Speed("fused", 128, 1500.4), Speed("fused", 1024, 2500.0))
CHECK = DeviceCheck("cpu", "it", 0.0, 9.0, (), SPEEDS, 10_000, 0.08, 1024)


def test_every_measurement_has_a_bar_in_the_order_of_sizes() -> None:
    chart = device_chart(CHECK)
    figure = go.Figure(chart.figure)
    assert [bar.name for bar in figure.data] == ["stock engine", "fused engine"]
    assert list(figure.data[0].x) == ["128<br>stock"]
    assert list(figure.data[1].x) == ["128", "1,024"]
    assert list(figure.data[1].y) == [1500.4, 2500]
    assert list(figure.layout.xaxis.categoryarray) == ["128<br>stock", "128", "1,024"]
    assert figure.layout.yaxis.title.text == "cells per second"
    assert "fused engine at 1,024: 2,500" in chart.words


def test_the_recommended_bar_stands_out() -> None:
    fused = device_chart(CHECK).data[1]
    assert fused["marker"]["opacity"] == [0.55, 1.0]


def test_without_speeds_it_says_so() -> None:
    chart = device_chart(CHECK.replace(speeds=()))
    assert chart.empty
    assert "not measured" in chart.words
