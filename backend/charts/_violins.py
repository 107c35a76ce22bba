"""Quality control as figures: a metric of each sample as violins with its limits, and counts against genes.

    violin_chart(values, codes, names, title="Counts per cell", logarithmic=True, lines=(500.0, None))
    counts_genes_chart(counts, genes, share, passed)

Both show a sample of the cells, evenly spread, so that a million cells are as light as a thousand.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..words import count, counted, short
from ._colours import accent
from ._figure import Chart, column, layout, plain

Values = npt.NDArray[np.floating[Any]]  # (C,)
SHOWN = 2_500  # cells of a figure
MOST_SAMPLES = 16  # violins that can be told apart side by side
_LIMIT = "#C8500A"
_REMOVED = "#8A969C"


def violin_chart(
    values: Values,
    codes: npt.NDArray[np.integer[Any]],
    names: Sequence[str],
    *,
    title: str,
    logarithmic: bool = False,
    lines: Sequence[float | None] = (),
    dark: bool = False,
    revision: str = "",
) -> Chart:
    """A violin for each sample, the most cells first; ``lines`` are the limits, None where there is none.

    Limits are the figure's shapes, in the order of those that are set; heights are logarithms to base 10 of one more
    where ``logarithmic`` (``height_of``, ``value_at``).
    """
    sizes = np.bincount(codes, minlength=len(names))
    shown = np.argsort(-sizes, kind="stable")[:MOST_SAMPLES]
    each = max(60, SHOWN // max(1, len(shown)))
    colour = accent("cpu", dark=dark)
    data = [
        {
            "type": "violin",
            "name": plain(names[sample], 24),
            "y": column(_heights(values[_spread(np.flatnonzero(codes == sample), each)], logarithmic), 4),
            "points": False,
            "spanmode": "hard",
            "meanline": {"visible": False},
            "box": {"visible": True, "width": 0.12},
            "line": {"color": colour, "width": 1},
            "hoverinfo": "name",
        }
        for sample in shown
        if sizes[sample]
    ]
    set_lines = [line for line in lines if line is not None]
    top = float(values.max(initial=1.0))
    figure = layout(
        x={"tickfont": {"size": 11}},
        y={"title": {"text": title}, **(_ticks(top) if logarithmic else {"rangemode": "tozero"})},
        revision=revision or title,
        showlegend=False,
        hovermode="closest",
        dragmode=False,
        editrevision=repr(list(lines)),
        shapes=[_line(height_of(line, logarithmic)) for line in set_lines],
    )
    limits = " and ".join(short(line) for line in set_lines)
    more = f"; the {len(shown)} largest of {counted(len(names), 'sample')}" if len(names) > len(shown) else ""
    median = short(float(np.median(values))) if len(values) else "unknown"
    said = f"{title}: median {median}{f', limits at {limits}' if limits else ''}{more}"
    return Chart(data, figure, said)


def counts_genes_chart(
    counts: Values,
    genes: npt.NDArray[np.integer[Any]],
    share: Values,
    passed: npt.NDArray[np.bool_],
    *,
    share_name: str = "",
) -> Chart:
    """Genes against counts on logarithmic axes; removed cells are grey crosses, others coloured by ``share``."""
    some = _spread(np.arange(len(counts)), SHOWN)
    kept, gone = some[passed[some]], some[~passed[some]]
    top = float(np.quantile(share, 0.99)) if len(share) else 1.0
    marker: dict[str, Any] = {"size": 4, "opacity": 0.8}
    if share_name:
        scale = {"title": {"text": share_name, "side": "right"}, "thickness": 10}
        marker |= {
            "color": column(share[kept], 3),
            "colorscale": "Viridis",
            "cmin": 0,
            "cmax": top or 1.0,
            "colorbar": scale,
        }
    data = [
        _points(counts[gone], genes[gone], "removed", {"size": 5, "symbol": "x", "color": _REMOVED}),
        _points(counts[kept], genes[kept], "kept", marker),
    ]
    figure = layout(
        x={"title": {"text": "counts per cell"}, "type": "log", "showgrid": True, "exponentformat": "SI"},
        y={"title": {"text": "genes per cell"}, "type": "log", "exponentformat": "SI"},
        revision="counts-genes",
        hovermode="closest",
    )
    n_gone = int((~passed).sum())
    return Chart(
        data, figure, f"Genes against counts of {counted(len(counts), 'cell')}; {count(n_gone)} removed"
    )


def height_of(value: float, logarithmic: bool) -> float:
    """Where a value stands on the axis of ``violin_chart``."""
    return math.log10(1 + max(0.0, value)) if logarithmic else value


def value_at(height: float, logarithmic: bool) -> float:
    return max(0.0, 10.0 ** min(height, 300.0) - 1) if logarithmic else height


def _points(x: Values, y: npt.NDArray[Any], name: str, marker: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": column(x, 4),
        "y": column(y, 4),
        "marker": marker,
        "hoverinfo": "skip",
    }


def _heights(values: Values, logarithmic: bool) -> Values:
    return np.log10(1 + values) if logarithmic else values


def _line(height: float) -> dict[str, Any]:
    across = {"xref": "paper", "x0": 0, "x1": 1}
    return {"type": "line", **across, "y0": height, "y1": height, "line": {"color": _LIMIT, "width": 2}}


def _ticks(top: float) -> dict[str, Any]:
    values = [0] + [step * 10**power for power in range(math.ceil(math.log10(top + 2))) for step in (1, 3)]
    values = [value for value in values if value <= 2 * top]
    return {"tickvals": [math.log10(1 + value) for value in values], "ticktext": [short(v) for v in values]}


def _spread(cells: npt.NDArray[np.integer[Any]], most: int) -> npt.NDArray[np.integer[Any]]:
    """At most so many of the cells, evenly through the file."""
    return cells[:: max(1, -(-len(cells) // most))]
