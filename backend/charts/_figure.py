"""What all charts share: the message they become, their layout, axes, thinning and words for a screen reader."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ..types import Curves, Series
from ..words import visible
from ._colours import accent

# Plotly takes lists, arrays and pandas columns alike: ``Any``.

SMALL_LIMIT = 240  # in a chart of half the width
_STEEP = 4  # times as high above the best as most runs: such a beginning is left out at first
_TICKS = 12  # epochs or steps that get a tick each
LIMIT = 500  # points of one line; measured: what keeps an update of four runs under 100 kB


@dataclass(frozen=True)
class Chart:
    """A figure as plain dictionaries, and its present values in words (an accessible name)."""

    data: list[dict[str, Any]]
    layout: dict[str, Any]
    words: str
    empty: bool = field(default=False)

    @property
    def figure(self) -> dict[str, Any]:
        return {"data": self.data, "layout": self.layout}


@dataclass(frozen=True)
class Trail:
    """One run as the charts see it: what to call it, where it ran, its numbers."""

    name: str
    device: str
    curves: Curves

    def colour(self, dark: bool) -> str:
        return accent(self.device, dark=dark)


def plain(text: object, limit: int = 60) -> str:
    """``text`` for a Plotly label: Plotly reads ``<b>``, ``<a>`` and entities, so those are escaped."""
    line = visible(text).strip()
    if len(line) > limit:  # names of runs differ at their ends
        line = f"{line[: limit // 2]}…{line[-(limit - limit // 2 - 1) :]}"
    return html.escape(line, quote=False)


def column(values: Any, digits: int = 6) -> list[float | int | None]:
    """Numbers as JSON: rounded, whole ones as integers, anything that is no number as a gap."""
    out: list[float | int | None] = []
    for value in values:
        if not math.isfinite(value):
            out.append(None)
        else:
            short = float(f"{value:.{digits}g}")  # a third of the bytes on the wire
            out.append(int(short) if short.is_integer() else short)
    return out


def time_unit(seconds: float) -> tuple[float, str]:
    """Seconds in one unit of the time axis for a run this long, and the unit's name."""
    if seconds < 300:
        return 1.0, "s"
    return (60.0, "min") if seconds < 3 * 3600 else (3600.0, "h")


def x_values(series: Series, axis: str, unit: float) -> npt.NDArray[np.float64]:
    """Epochs or steps, or the training time in ``unit`` seconds."""
    if axis == "time":
        return np.array(series.seconds) / unit
    return np.array(series.order, dtype=float)


def line(series: Series, axis: str, unit: float, *, limit: int = LIMIT, **style: Any) -> dict[str, Any]:
    """A scatter trace of ``series``, thinned."""
    values = series.values
    kept = thin(values, limit)
    mode = style.pop("mode", "lines+markers" if len(kept) < 2 else "lines")
    return {
        "type": "scatter",
        "mode": mode,
        "x": column(x_values(series, axis, unit)[kept], 5 if axis == "time" else 9),
        "y": column(values[kept]),
        **style,
    }


def x_axis(
    axis: str, unit_name: str, what: str = "epoch", *, last: int = 0, room: float = 0.0
) -> dict[str, Any]:
    """The horizontal axis: training time, or epochs (steps) up to ``last``.

    Few epochs get one tick each, because Plotly would also mark 1.5 and call it 2. A single point stands in
    the middle. ``room`` is kept free on both sides of bars, whose gaps Plotly would take for their width.
    """
    if axis == "time":
        return {
            "title": {"text": f"training time ({unit_name})"},
            "uirevision": f"time-{unit_name}",
            "rangemode": "tozero",
            "unifiedhovertitle": {"text": f"%{{x:.4~g}} {unit_name}"},
        }
    shown: dict[str, Any] = {"tickformat": ",~r"}  # far zoomed in, between two epochs, ticks say so
    if 1 <= last <= _TICKS:
        shown["tickvals"] = list(range(1, last + 1))
    if last == 1 or room:
        shown["range"] = [1 - max(room, 0.5), last + max(room, 0.5)]
    return {
        "title": {"text": what},
        "uirevision": what,
        "unifiedhovertitle": {"text": f"{what} %{{x:,d}}"},
        **shown,
    }


def layout(*, x: dict[str, Any], y: dict[str, Any], revision: str, **more: Any) -> dict[str, Any]:
    """The common layout. Colours and fonts of the page are filled in by the browser, from its theme."""
    return {
        "uirevision": revision,
        "autosize": True,
        "hovermode": "x unified",
        "margin": {"l": 8, "r": 12, "t": 8, "b": 8},
        "xaxis": {"automargin": True, "zeroline": False, "showgrid": False, **x},
        "yaxis": {"automargin": True, "zeroline": False, "showgrid": True, **y},
        "legend": {"orientation": "h", "x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom"},
        **more,
    }


def focus(series: Iterable[Series]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """For an axis of several losses, one of which begins far above the others and would press them into one line.

    Returns the range of the others for the axis, and a note that says so for the annotations. Both are empty where
    all begin alike.
    """
    values = [one.finite()[1] for one in series]
    values = [one for one in values if len(one)]
    if not values:
        return {}, []
    low, tops = min(float(one.min()) for one in values), [float(one.max()) for one in values]
    room = float(np.median(tops)) - low
    if max(tops) - low <= _STEEP * room:
        return {}, []
    note = {
        "text": "some begin higher: double-click shows all",
        "showarrow": False,
        "xref": "paper",
        "yref": "paper",
        "x": 1,
        "y": 1,
        "xanchor": "right",
        "yanchor": "top",
        "opacity": 0.75,
    }
    return {"range": [low - 0.06 * room, low + 1.5 * room]}, [note]


def nothing(words: str, revision: str) -> Chart:
    """The chart before there is anything to show: axes away, the reason in the middle."""
    hidden = {"visible": False}
    note = {"text": words, "showarrow": False, "xref": "paper", "yref": "paper", "x": 0.5, "y": 0.5}
    return Chart(
        [],
        layout(x=hidden, y=hidden, revision=revision, annotations=[note], dragmode=False),
        words,
        empty=True,
    )


def thin(values: npt.NDArray[np.floating[Any]], limit: int = 500) -> npt.NDArray[np.int_]:
    """Indices of at most ``limit`` points of ``values``; a thinned series has no gaps.

    Of each stretch the lowest and the highest stay. A stretch is a power of two long, so that in a series that grows
    the points kept are the same as before, until it has become twice as long: only what is new need be sent.
    """
    n = len(values)
    if n <= limit:
        return np.arange(n)
    stretch = 2
    while 2 * -(-n // stretch) + 2 > limit:
        stretch *= 2
    kept = {0, n - 1}
    for first in range(0, n, stretch):
        part = np.arange(first, min(first + stretch, n))
        part = part[np.isfinite(values[part])]
        if len(part):
            kept.add(int(part[np.argmin(values[part])]))
            kept.add(int(part[np.argmax(values[part])]))
    return np.array(sorted(kept))


def smooth(values: npt.NDArray[np.floating[Any]], window: int) -> npt.NDArray[np.float64]:
    """Running mean over the last ``window`` numbers (float64); over fewer at the beginning."""
    known = np.where(np.isfinite(values), values, 0.0)
    counted = np.cumsum(np.isfinite(values))
    total = np.cumsum(known)
    total[window:] = total[window:] - np.cumsum(known)[:-window]
    counts = counted.copy()
    counts[window:] = counted[window:] - counted[:-window]
    mean = np.full(len(values), np.nan)
    np.divide(total, counts, out=mean, where=counts > 0)
    return mean
