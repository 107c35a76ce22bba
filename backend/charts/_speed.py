"""How fast a run goes, epoch by epoch, and how fast a device was in its self-check."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..types import DeviceCheck, Speed
from ..words import count, number
from ._colours import WARM_UP, accent
from ._figure import SMALL_LIMIT, Chart, Trail, column, layout, line, nothing, time_unit, x_axis

_BARS = 120  # more cannot be told apart, and each bar costs drawing time; neighbours then share one
_BAR = 0.75  # of an epoch: the width of a bar
_LEAST_ROOM = 5  # epochs the axis has room for at least


def epoch_seconds_chart(trail: Trail, *, dark: bool = False, revision: str = "") -> Chart:
    epochs, seconds = trail.curves["epoch_seconds"].finite()
    median = trail.curves.steady_seconds
    if median is None:
        return nothing("The time of each epoch appears here.", revision)
    warming = np.isin(epochs, sorted(trail.curves.warm_up_epochs))
    x, y, together = _share_bars(epochs[~warming], seconds[~warming])
    data: list[dict[str, Any]] = []
    if warming.any():
        data.append(
            {
                "type": "bar",
                "x": column(epochs[warming]),
                "y": column(seconds[warming]),
                "width": together if together > 1 else _BAR,
                "name": "first epoch, with warm-up" if warming.sum() == 1 else "after a start, with warm-up",
                "marker": {"color": WARM_UP},
                "hovertemplate": "%{y:.3~g} s, with warm-up",
            }
        )
    if len(y):
        per_bar = f"mean of {together} epochs" if together > 1 else "epoch"
        data.append(
            {
                "type": "bar",
                "x": column(x),
                "y": column(y),
                "width": together if together > 1 else _BAR,
                "name": per_bar,
                "marker": {"color": trail.colour(dark)},
                "hovertemplate": "%{y:.3~g} s",
            }
        )
        data.append(
            {
                "type": "scatter",
                "mode": "lines",
                "x": column([epochs[0] - 0.5, epochs[-1] + 0.5]),
                "y": column([median, median], 3),
                "name": f"median {median:.3g} s",
                "line": {"width": 1.5, "dash": "dash", "color": WARM_UP},
                "hoverinfo": "skip",
            }
        )
    words = f"Seconds per epoch: median {median:.3g} seconds"
    if warming.any() and len(y):
        words += f", the first epoch, which also warms up, {seconds[warming][0]:.3g} seconds"
    last = int(epochs[-1])
    return Chart(
        data,
        layout(
            # one or two bars alone must not fill the plot
            x=x_axis("epoch", "s", last=last, room=max(0.5, (_LEAST_ROOM - last) / 2)),
            y={"title": {"text": "seconds per epoch"}, "rangemode": "tozero"},
            revision=revision,
            barmode="overlay",
            bargap=0.25,
            showlegend=True,
        ),
        words + ".",
    )


def _share_bars(
    epochs: npt.NDArray[np.int_], seconds: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.number[Any]], npt.NDArray[np.float64], int]:
    """Where bars stand, how high they are, and how many epochs share one."""
    together = 1  # doubled, never one more: bars that are there stay as they are
    while len(epochs) > together * _BARS:
        together *= 2
    if together == 1:
        return epochs, seconds, 1
    starts = np.arange(0, len(epochs), together)
    sizes = np.diff(np.append(starts, len(epochs)))
    return np.add.reduceat(epochs, starts) / sizes, np.add.reduceat(seconds, starts) / sizes, together


def speed_chart(trail: Trail, *, axis: str = "epoch", dark: bool = False, revision: str = "") -> Chart:
    """Cells per second, per epoch."""
    series = trail.curves["cells_per_second"]
    if not len(series):
        return nothing("The speed in cells per second appears here.", revision)
    unit, unit_name = time_unit(max(series.seconds))
    colour = trail.colour(dark)
    data = [
        line(
            series,
            axis,
            unit,
            limit=SMALL_LIMIT,
            name="cells per second",
            showlegend=False,
            line={"color": colour, "width": 2.25},
            marker={"color": colour, "size": 6},
            mode="lines+markers" if len(series) <= 30 else "lines",
            fill="tozeroy",
            fillcolor=_transparent(colour),
            hovertemplate="%{y:,.0f} cells per second",
        )
    ]
    return Chart(
        data,
        layout(
            x=x_axis(axis, unit_name, last=series.order[-1]),
            y={"title": {"text": "cells per second"}, "rangemode": "tozero", "tickformat": ",~r"},
            revision=revision,
        ),
        f"Speed: {number(round(series.value[-1]))} cells per second in the last epoch.",
    )


def _transparent(colour: str) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.12)"


_NAMES = {"fused": "fused engine", "stock": "stock engine"}


def _label(speed: Speed) -> str:
    return (
        count(speed.batch_size) if speed.engine == "fused" else f"{count(speed.batch_size)}<br>{speed.engine}"
    )


def device_chart(check: DeviceCheck, *, dark: bool = False) -> Chart:
    """Cells per second by minibatch size; the recommended bar is full, the others lighter."""
    revision = f"device-{check.accelerator}"
    if not check.speeds:
        return nothing("The speed was not measured.", revision)
    data: list[dict[str, Any]] = []
    for engine, colour in (("stock", WARM_UP), ("fused", accent(check.accelerator, dark=dark))):
        speeds = [speed for speed in check.speeds if speed.engine == engine]
        if not speeds:
            continue
        chosen = [engine == "stock" or speed.batch_size == check.batch_size for speed in speeds]
        data.append(
            {
                "type": "bar",
                "name": _NAMES[engine],
                "x": [_label(speed) for speed in speeds],
                "y": column(speed.cells_per_second for speed in speeds),
                "text": [f"{speed.cells_per_second:,.0f}" for speed in speeds],
                "textposition": "outside",
                "cliponaxis": False,
                "marker": {"color": colour, "opacity": [1.0 if one else 0.55 for one in chosen]},
                "hovertemplate": "%{y:,.0f} cells per second",
            }
        )
    top = max(speed.cells_per_second for speed in check.speeds)
    words = ", ".join(
        f"{_NAMES[s.engine]} at {count(s.batch_size)}: {number(round(s.cells_per_second))}"
        for s in check.speeds
    )
    return Chart(
        data,
        layout(
            x={
                "title": {"text": "minibatch size (cells)"},
                "type": "category",
                "categoryorder": "array",
                "categoryarray": [_label(speed) for speed in check.speeds],
                "fixedrange": True,
                "unifiedhovertitle": {"text": "%{x}"},
            },
            y={
                "title": {"text": "cells per second"},
                "rangemode": "tozero",
                "range": [0, 1.12 * top],
                "tickformat": ",~r",
                "fixedrange": True,
            },
            revision=revision,
            barmode="overlay",
            bargap=0.25,
            dragmode=False,
        ),
        f"Cells per second by minibatch size. {words}.",
    )
