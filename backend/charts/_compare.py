"""Several runs beside each other: one quantity of each over epochs or on one wall clock."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..types import Curves, Series
from ..words import METRICS, Metric, number
from ._colours import Look, page, run_looks
from ._figure import SMALL_LIMIT, Chart, Trail, column, focus, layout, line, nothing, plain, time_unit, x_axis

_POINTS = 1200  # of all lines together: what keeps twelve runs of 400 epochs smooth


def compare_chart(
    trails: Sequence[Trail],
    *,
    metric: str = "elbo_validation",
    axis: str = "epoch",
    log: bool = False,
    dark: bool = False,
    target: float | None = None,
    revision: str = "",
) -> Chart:
    """One line a run.

    Parameters
    ----------
    axis
        ``"epoch"``, or ``"time"``: training time since each run began, all on one clock.
    target
        A value of ``metric`` that is marked, with the point where each run reaches it first.
    """
    about = METRICS[metric]
    shown = [(trail, _series(trail.curves, metric)) for trail in trails]
    longest = max((max(series.seconds, default=0.0) for _, series in shown), default=0.0)
    if not any(len(series) for _, series in shown):
        return nothing(f"There is no {about.words} in these runs yet.", revision)
    unit, unit_name = time_unit(longest)
    looks = run_looks([trail.device for trail in trails], dark=dark)
    limit = min(SMALL_LIMIT, max(60, _POINTS // max(1, len(trails))))
    data: list[dict[str, Any]] = []
    reached: list[tuple[float, float]] = []
    colours: list[str] = []
    positive = all(v > 0 for _, series in shown for v in series.value if math.isfinite(v))
    said = []
    for index, ((trail, series), look) in enumerate(zip(shown, looks, strict=True)):
        if not len(series):
            continue
        data.append(_line(series, trail, look, index, axis, unit, limit, about))
        if target is not None and (place := _reached(series, target, axis, unit)):
            reached.append(place)
            colours.append(look.colour)
        finite = series.finite()[1]
        if len(finite):
            best = finite.min() if about.lower_is_better else finite.max()
            said.append(f"{trail.name}: last {number(finite[-1])}, best {number(float(best))}")
    kind = "log" if log and positive else "linear"
    more = _target_line(target, kind) if target is not None else {}
    lower = about.is_loss and about.lower_is_better and kind == "linear"
    near, notes = focus(series for _, series in shown) if lower else ({}, [])
    more["annotations"] = [*more.get("annotations", []), *notes]
    last = max(series.order[-1] for _, series in shown if len(series))
    better = ", lower is better" if about.is_loss and about.lower_is_better else ""
    return Chart(
        [*data, _stars(reached, colours, dark)] if reached else data,
        layout(
            x=x_axis(axis, unit_name, last=last),
            y={
                "title": {"text": f"{about.axis}{better}"},
                "type": kind,
                "uirevision": f"{metric} {kind}",
                "hoverformat": ",.2f" if about.is_loss else ",.3~g",
                "tickformat": ",~r",
                **({} if about.is_loss or kind == "log" else {"rangemode": "tozero"}),
                **near,
            },
            revision=revision,
            showlegend=True,
            **more,
        ),
        f"{about.words.capitalize()} of {len(data)} runs. {'; '.join(said)}.",
    )


def _series(curves: Curves, metric: str) -> Series:
    """The series; of speeds without the epochs that also warm up, where there are others."""
    series = curves[metric]
    if metric not in ("epoch_seconds", "cells_per_second") or len(series) < 2:
        return series
    order, first = curves["warm_up"].finite()
    warming = {1, *order[first > 0].tolist()}
    steady = Series()
    for column_name in ("order", "epoch", "value", "seconds"):
        kept = [
            v for o, v in zip(series.order, getattr(series, column_name), strict=True) if o not in warming
        ]
        getattr(steady, column_name).extend(kept)
    return steady if len(steady) else series


def _line(
    series: Series, trail: Trail, look: Look, index: int, axis: str, unit: float, limit: int, about: Metric
) -> dict[str, Any]:
    return line(
        series,
        axis,
        unit,
        limit=limit,
        name=plain(trail.name, 48),
        legendgroup=f"run{index}",
        line={"color": look.colour, "width": 2.5, "dash": look.dash},
        marker={"color": look.colour, "size": 6, "symbol": look.symbol},
        mode="lines+markers" if len(series) <= 12 else "lines",
        hovertemplate="%{y:,.2f}" if about.is_loss else "%{y:,.3~g}",
    )


def _reached(series: Series, target: float, axis: str, unit: float) -> tuple[float, float] | None:
    """Where a run is at the target for the first time."""
    at = np.flatnonzero(series.values <= target)
    if not len(at):
        return None
    first = int(at[0])
    x = series.seconds[first] / unit if axis == "time" else float(series.order[first])
    return x, series.value[first]


def _stars(reached: Sequence[tuple[float, float]], colours: Sequence[str], dark: bool) -> dict[str, Any]:
    """One trace for all of them: every further one costs drawing time."""
    return {
        "type": "scatter",
        "mode": "markers",
        "x": column([x for x, _ in reached], 5),
        "y": column([y for _, y in reached]),
        "name": "reached",
        "showlegend": False,
        "hoverinfo": "skip",
        "marker": {
            "symbol": "star",
            "size": 13,
            "color": list(colours),
            "line": {"width": 1.5, "color": page(dark)},
        },
    }


def _target_line(target: float, kind: str) -> dict[str, Any]:
    y = math.log10(target) if kind == "log" and target > 0 else target
    return {
        "shapes": [
            {
                "type": "line",
                "xref": "paper",
                "x0": 0,
                "x1": 1,
                "y0": target,
                "y1": target,
                "line": {"width": 1.5, "dash": "dot", "color": "#8A969C"},
            }
        ],
        "annotations": [
            {
                "xref": "paper",
                "x": 1,
                "y": y,
                "text": f"target {number(target)}",
                "showarrow": False,
                "xanchor": "right",
                "yanchor": "bottom",
            }
        ],
    }
