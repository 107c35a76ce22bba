"""The same cells in two maps beside each other, still, for a page that is printed."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..types import CellColours
from ._colours import cell_look
from ._figure import Chart, plain

DRAWN = 3000  # cells: more are not seen apart in half the width of a page


def cell_pair_chart(
    maps: tuple[tuple[str, npt.NDArray[np.floating]], tuple[str, npt.NDArray[np.floating]]],
    colours: CellColours,
    *,
    dark: bool = False,
) -> Chart:
    """``maps``: a title and cells x 2 each; ``colours`` of groups. Of many cells a share is drawn, spread evenly."""
    n_cells = len(maps[0][1])
    look = cell_look(colours, n_cells, dark=dark)
    drawn = np.unique(np.linspace(0, n_cells - 1, min(n_cells, DRAWN)).astype(int))
    codes = look.codes[drawn]
    data: list[dict[str, Any]] = []
    for place, (_, xy) in enumerate(maps):
        axis = "" if place == 0 else "2"
        for code, label in enumerate(look.labels):
            of = drawn[codes == code]
            data.append({
                "type": "scatter",
                "mode": "markers",
                "x": [round(float(value), 2) for value in xy[of, 0]],
                "y": [round(float(value), 2) for value in xy[of, 1]],
                "xaxis": f"x{axis}",
                "yaxis": f"y{axis}",
                "name": plain(label, 30),
                "legendgroup": str(code),
                "showlegend": place == 0,
                "hoverinfo": "name",
                "marker": {"color": look.palette[code], "size": 4, "opacity": 0.75},
            })  # fmt: skip
    hidden = {"visible": False}
    layout = {
        "xaxis": {**hidden, "domain": [0, 0.49]},
        "xaxis2": {**hidden, "domain": [0.51, 1], "anchor": "y2"},
        "yaxis": {**hidden, "scaleanchor": "x"},
        "yaxis2": {**hidden, "scaleanchor": "x2", "anchor": "x2"},
        "margin": {"l": 0, "r": 0, "t": 30, "b": 0},
        "legend": {"itemsizing": "constant", "orientation": "h", "y": -0.02},
        "hovermode": "closest",
        "annotations": [
            {"text": title, "x": x, "y": 1, "xref": "paper", "yref": "paper", "yanchor": "bottom", "showarrow": False}
            for x, (title, _) in zip((0.245, 0.755), maps, strict=True)
        ],
    }  # fmt: skip
    words = (
        f"The cells in two maps, {' and '.join(title for title, _ in maps)}, coloured by {colours.column}."
    )
    return Chart(data, layout, words)
