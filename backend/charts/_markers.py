"""Genes and groups of cells: effect against certainty, the best genes of every group, labels among clusters.

    volcano_chart(genes, effect, probability, significant, revision="…")
    dot_chart(genes, groups, fraction, mean, revision="…")
    overlap_chart(table, labels, clusters, revision="…")     # table: clusters x labels, cells in each

Names are data: escaped.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..words import count, number, percent
from ._colours import WARM_UP
from ._figure import Chart, column, layout, nothing, plain

UP, DOWN = "#D55E00", "#0072B2"
UP_DARK, DOWN_DARK = "#F08A4B", "#56B4E9"
_SHOWN = 1000  # points of a colour
_NAMED = 8  # genes with their name, each side
_TICKS = (0.5, 0.9, 0.99, 0.999)


def volcano_chart(
    genes: Sequence[str],
    effect: npt.NDArray[np.floating[Any]],
    probability: npt.NDArray[np.floating[Any]],
    significant: npt.NDArray[np.bool_],
    *,
    samples: int = 2000,
    dark: bool = False,
    revision: str = "",
) -> Chart:
    """Log2 fold change from left to right, certainty upwards. Genes are given the surest first."""
    if not len(genes):
        return nothing("No genes to show.", revision)
    surest = np.log10(samples)
    height = -np.log10(np.clip(1 - np.asarray(probability, float), 10**-surest, 1))
    effect, yes = np.asarray(effect, float), np.asarray(significant, bool)
    sides = (
        ("higher", yes & (effect > 0), UP_DARK if dark else UP),
        ("lower", yes & (effect < 0), DOWN_DARK if dark else DOWN),
        ("no clear difference", ~yes, WARM_UP),
    )
    data = []
    for title, chosen, colour in sides:
        at = np.flatnonzero(chosen)
        strong = at[np.argsort(-np.abs(effect[at]) * height[at], kind="stable")]
        if len(at) > _SHOWN:  # an even part, so that thinning leaves no edge, and the strongest
            at = np.union1d(strong[:100], at[np.linspace(0, len(at) - 1, _SHOWN).astype(int)])
        named = _apart(strong, effect, height, surest) if title != "no clear difference" else set()
        data.append(
            {
                "type": "scatter",
                "mode": "markers+text" if named else "markers",
                "name": f"{title} ({count(int(chosen.sum()))})",
                "x": column(effect[at], 4),
                "y": column(height[at], 4),
                "text": [plain(genes[i], 24) if i in named else "" for i in at.tolist()],
                "customdata": [[plain(genes[i]), percent(probability[i], 1)] for i in at.tolist()],
                "textposition": "top center",
                "textfont": {"size": 11},
                "cliponaxis": False,
                "marker": {"color": colour, "size": 6, "opacity": 0.75},
                "hovertemplate": "<b>%{customdata[0]}</b><br>log2 fold change %{x:.2f}"
                "<br>probability %{customdata[1]}<extra></extra>",
            }
        )
    ticks = [p for p in _TICKS if -np.log10(1 - p) <= surest]
    up, down = int(sides[0][1].sum()), int(sides[1][1].sum())
    first = ", ".join(str(gene) for gene in np.asarray(genes)[yes & (effect > 0)][:3])
    return Chart(
        data,
        layout(
            x={"title": {"text": "log2 fold change (median)"}, "zeroline": True, "showgrid": True},
            y={
                "title": {"text": "probability of a difference"},
                "tickvals": [0.0, *(-np.log10(1 - p) for p in ticks)],
                "ticktext": ["0 %", *(f"{100 * p:g} %" for p in ticks)],
                "range": [-0.1, surest + 0.35],
            },
            revision=revision,
            hovermode="closest",
        ),
        f"{up} genes are higher and {down} lower in the group"
        + (f"; the surest higher ones: {first}." if first else "."),
    )


def _apart(
    candidates: npt.NDArray[np.integer[Any]],
    effect: npt.NDArray[np.floating[Any]],
    height: npt.NDArray[np.floating[Any]],
    surest: float,
) -> set[int]:
    """The first few whose names do not lie on each other."""
    span = max(1e-9, float(np.ptp(effect)))
    kept: list[int] = []
    for i in candidates[:60].tolist():
        if len(kept) == _NAMED:
            break
        if all(
            abs(effect[i] - effect[k]) > 0.12 * span or abs(height[i] - height[k]) > 0.05 * surest
            for k in kept
        ):
            kept.append(i)
    return set(kept)


def dot_chart(
    genes: Sequence[str],
    groups: Sequence[str],
    fraction: npt.NDArray[np.floating[Any]],
    mean: npt.NDArray[np.floating[Any]],
    *,
    dark: bool = False,
    revision: str = "",
) -> Chart:
    """A row a group, a column a gene: the size of a dot is the part of cells with the gene, its colour the mean."""
    if not len(genes) or not len(groups):
        return nothing("No genes to show.", revision)
    rows, columns = np.indices(fraction.shape)
    scale = (
        [[0, "#20303A"], [0.5, "#3F7F93"], [1, "#F0E442"]]
        if dark
        else [[0, "#E9EEF0"], [0.5, "#56A0C8"], [1, "#08306B"]]
    )
    labels = [plain(name, 32) for name in groups]
    top = float(np.max(mean)) or 1.0
    return Chart(
        [
            {
                "type": "scatter",
                "mode": "markers",
                "x": columns.ravel().tolist(),
                "y": rows.ravel().tolist(),
                "customdata": [
                    [plain(genes[j]), labels[i], round(100 * float(fraction[i, j]), 1)]
                    for i, j in zip(rows.ravel().tolist(), columns.ravel().tolist(), strict=True)
                ],
                "marker": {
                    "size": column(2 + 16 * np.sqrt(np.clip(fraction, 0, 1)).ravel(), 3),
                    "color": column(mean.ravel(), 4),
                    "colorscale": scale,
                    "cmin": 0,
                    "cmax": top,
                    "opacity": 1,
                    "line": {"width": 0.5, "color": WARM_UP},
                    "colorbar": {"title": {"text": "mean log<br>expression"}, "thickness": 12, "len": 0.9},
                },
                "hovertemplate": "<b>%{customdata[0]}</b> in %{customdata[1]}<br>%{customdata[2]} % of the cells"
                "<br>mean log expression %{marker.color:.2f}<extra></extra>",
                "showlegend": False,
            }
        ],
        layout(
            x={
                "tickvals": list(range(len(genes))),
                "ticktext": [plain(name, 20) for name in genes],
                "tickangle": -60,
                "range": [-0.7, len(genes) - 0.3],
            },
            y={
                "tickvals": list(range(len(groups))),
                "ticktext": labels,
                "range": [len(groups) - 0.4, -0.6],
                "showgrid": False,
            },
            revision=revision,
            hovermode="closest",
        ),
        f"{len(genes)} genes in {len(groups)} groups; the strongest mean is {number(top)}.",
    )


def overlap_chart(
    table: npt.NDArray[np.number[Any]],
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
