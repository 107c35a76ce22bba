"""Where the cells of each label went among the clusters, as a table of shades. Names are data: escaped.

overlap_chart(table, labels, clusters, revision="…")     # table: clusters x labels, cells in each
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..words import percent
from ._figure import Chart, layout, nothing, plain


def overlap_chart(
    table: np.ndarray,
    labels: Sequence[str],
    clusters: Sequence[str],
    *,
    dark: bool = False,
    revision: str = "",
) -> Chart:
    """A row a label, a column a cluster: the share of the label's cells that lie in the cluster."""
    cells = np.asarray(table).T
    if not cells.size or not cells.sum():
        return nothing("No cells to compare.", revision)
    share = cells / np.maximum(1, cells.sum(axis=1, keepdims=True))
    main = share.argmax(axis=0)
    order = sorted(range(len(clusters)), key=lambda cluster: (main[cluster], -share[main[cluster], cluster]))
    rows = [plain(name, 24) for name in labels]
    columns = [plain(clusters[cluster], 16) for cluster in order]
    scale = [[0, "#16232B"], [1, "#56B4E9"]] if dark else [[0, "#F4F7F8"], [1, "#0B5A8A"]]
    return Chart(
        [
            {
                "type": "heatmap",
                "z": np.round(100 * share[:, order], 1).tolist(),
                "customdata": cells[:, order].tolist(),
                "colorscale": scale,
                "zmin": 0,
                "zmax": 100,
                "xgap": 1,
                "ygap": 1,
                "colorbar": {
                    "title": {"text": "% of the label's cells", "side": "top", "font": {"size": 12}},
                    "orientation": "h",  # above, so that a phone keeps its width for the squares
                    "thickness": 8,
                    "ypad": 2,
                    "len": 1.0,
                    "x": 0.5,
                    "y": 1.0,
                    "yanchor": "bottom",
                },
                "x": list(range(len(columns))),
                "y": list(range(len(rows))),
                "text": [[f"<b>{row}</b><br>cluster {name}" for name in columns] for row in rows],
                "hovertemplate": "%{text}<br>%{z:.1f} % of the label, %{customdata:,d} cells<extra></extra>",
            }
        ],
        layout(
            x={
                "title": {"text": "cluster", "standoff": 6},
                "tickvals": list(range(len(columns))),
                "ticktext": columns,
            },
            y={
                "tickvals": list(range(len(rows))),
                "ticktext": rows,
                "range": [len(rows) - 0.5, -0.5],
                "showgrid": False,
            },
            revision=revision,
            hovermode="closest",
        ),
        "; ".join(
            f"{rows[row]}: {percent(share[row].max(), 0)} in cluster {plain(clusters[int(share[row].argmax())], 20)}"
            for row in range(min(len(rows), 12))
        )
        + ".",
    )
