"""Two figures of a data set, counts per cell and genes per cell. Pure: a ``Histogram`` in, a figure out.

    histogram(report.counts_per_cell, of="counts", colour="#0072B2")

Colours that follow light and dark are left to whoever shows the figure.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

from ..types import Histogram
from ..words import short

if TYPE_CHECKING:
    import plotly.graph_objects as go

HEIGHT = 190
_QUIET = "#82929B"  # readable on white and on black


def histogram(data: Histogram, *, of: str, colour: str | None = None) -> go.Figure:
    """Bars of cells per bin with the median marked; logarithmic bins are labelled with plain values."""
    import plotly.graph_objects as go

    left, right = data.edges[:-1], data.edges[1:]
    said = [short(10.0**edge if data.log10 else edge) for edge in data.edges]
    figure = go.Figure(
        go.Bar(
            x=[(a + b) / 2 for a, b in zip(left, right, strict=True)],
            y=list(data.counts),
            width=[(b - a) * 0.94 for a, b in zip(left, right, strict=True)],
            marker={"color": colour} if colour else None,
            customdata=list(map(list, pairwise(said))),
            hovertemplate="%{y:,} cells with %{customdata[0]} to %{customdata[1]} " + of + "<extra></extra>",
        )
    )
    median = math.log10(data.median) if data.log10 and data.median > 0 else data.median
    figure.add_vline(x=median, line={"width": 1.5, "dash": "dot", "color": _QUIET})
    figure.add_annotation(
        x=median,
        y=1,
        yref="paper",
        yanchor="bottom",
        showarrow=False,
        text=f"median {short(data.median)}",
        xanchor="center",
    )
    figure.update_layout(
        height=HEIGHT,
        margin={"l": 0, "r": 8, "t": 22, "b": 0},
        bargap=0,
        showlegend=False,
        xaxis={"title": None, "showgrid": False, "fixedrange": True, **_ticks(data)},
        yaxis={"title": "cells", "fixedrange": True, "nticks": 4, "rangemode": "tozero"},
    )
    return figure


def _ticks(data: Histogram) -> dict[str, object]:
    if not data.log10:
        return {"tickformat": "~s", "nticks": 6}
    low, high = data.edges[0], data.edges[-1]
    if high - low < 1.1:  # about one decade: round steps of equal size read better
        step = _round_step((10**high - 10**low) / 5)
        shown = [step * n for n in range(math.ceil(10**low / step), int(10**high / step) + 1) if n]
        return {"tickvals": [math.log10(v) for v in shown], "ticktext": [short(v) for v in shown]}
    steps = (1, 2, 5) if high - low < 2.2 else (1, 3) if high - low < 3.2 else (1,)
    values = [step * 10.0**power for power in range(math.floor(low), math.ceil(high) + 1) for step in steps]
    shown = [v for v in values if low - 1e-9 <= math.log10(v) <= high + 1e-9]
    return {"tickvals": [math.log10(v) for v in shown], "ticktext": [short(v) for v in shown]}


def _round_step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(max(rough, 1e-9)))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= rough)
