"""How fast a device trained in its self-check: a bar for each minibatch size, stock and fused apart."""

from __future__ import annotations

from typing import Any

from ..types import DeviceCheck, Speed
from ._accent import WARM_UP, accent
from ._figure import Chart, column, layout, nothing, number

_NAMES = {"fused": "fused engine", "stock": "stock engine"}


def _label(speed: Speed) -> str:
    return f"{speed.batch_size:,}" if speed.engine == "fused" else f"{speed.batch_size:,}<br>{speed.engine}"


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
        f"{_NAMES[s.engine]} at {s.batch_size:,}: {number(round(s.cells_per_second))}" for s in check.speeds
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
