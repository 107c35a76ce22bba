"""Pictures to trust a model by: simulated against observed, gene by gene; and how well each group is explained."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..types import Series
from ._accent import WARM_UP, accent
from ._figure import Chart, column, layout, nothing, plain

_SHOWN = 2000  # genes
_GROUPS = 40


def observed_chart(
    genes: Sequence[str],
    observed: np.ndarray,
    simulated: np.ndarray,
    *,
    what: str,
    log: bool = False,
    dark: bool = False,
    revision: str = "",
) -> Chart:
    """A dot a gene: observed to the right, simulated upwards. On the line both agree."""
    observed, simulated = np.asarray(observed, float), np.asarray(simulated, float)
    at = np.flatnonzero((observed > 0) & (simulated > 0)) if log else np.arange(len(observed))
    if not len(at):
        return nothing("There is nothing to compare.", revision)
    if len(at) > _SHOWN:
        order = at[np.argsort(observed[at], kind="stable")]
        at = order[np.linspace(0, len(order) - 1, _SHOWN).astype(int)]
    low, high = (float(f(np.concatenate([observed[at], simulated[at]]))) for f in (np.min, np.max))
    axis = {"type": "log"} if log else {}
    return Chart(
        [
            {
                "type": "scatter",
                "mode": "markers",
                "name": "a gene",
                "x": column(observed[at], 4),
                "y": column(simulated[at], 4),
                "customdata": [plain(genes[i]) for i in at.tolist()],
                "marker": {"color": accent("cpu", dark=dark), "size": 5, "opacity": 0.45},
                "hovertemplate": "<b>%{customdata}</b><br>observed %{x:.3g}<br>simulated %{y:.3g}<extra></extra>",
            },
            {
                "type": "scatter",
                "mode": "lines",
                "name": "both agree",
                "x": [low, high],
                "y": [low, high],
                "line": {"color": WARM_UP, "width": 1.5, "dash": "dash"},
                "hoverinfo": "skip",
            },
        ],
        layout(
            x={"title": {"text": f"observed {what}"}, "showgrid": True, **axis},
            y={"title": {"text": f"simulated {what}"}, **axis},
            revision=revision,
            hovermode="closest",
        ),
        f"Simulated against observed {what} of {len(observed):,} genes.",
    )


def excess_chart(
    excess: np.ndarray, codes: np.ndarray, levels: Sequence[str], *, dark: bool = False, revision: str = ""
) -> Chart:
    """A bar a group from its first to its third quartile with the median, the worst explained first."""
    excess, codes = np.asarray(excess, float), np.asarray(codes)
    rows = []
    for code, name in enumerate(levels):
        inside = excess[codes == code]
        if len(inside):
            rows.append(
                (float(np.median(inside)), *np.quantile(inside, [0.25, 0.75]).tolist(), len(inside), name)
            )
    if not rows:
        return nothing("No cell has a value in this column.", revision)
    rows.sort(key=lambda row: -row[0])
    rows = rows[:_GROUPS]
    at = list(range(len(rows)))
    colour = accent("cpu", dark=dark)
    shown = [[plain(name), n] for *_, n, name in rows]
    hover = "<b>%{customdata[0]}</b>, %{customdata[1]:,} cells<br>median %{x:.2f}<extra></extra>"
    return Chart(
        [
            {
                "type": "bar",
                "orientation": "h",
                "name": "middle half of the cells",
                "y": at,
                "base": column((row[1] for row in rows), 4),
                "x": column((row[2] - row[1] for row in rows), 4),
                "marker": {"color": colour, "opacity": 0.35},
                "hoverinfo": "skip",
            },
            {
                "type": "scatter",
                "mode": "markers",
                "name": "median",
                "y": at,
                "x": column((row[0] for row in rows), 4),
                "customdata": shown,
                "marker": {"color": colour, "size": 9},
                "hovertemplate": hover,
            },
        ],
        layout(
            x={
                "title": {"text": "loss above similar cells (SD)"},
                "zeroline": True,
                "showgrid": True,
            },
            y={
                "tickvals": at,
                "ticktext": [plain(row[4], 30) for row in rows],
                "range": [len(rows) - 0.4, -0.6],
                "showgrid": False,
            },
            revision=revision,
            hovermode="closest",
        ),
        f"How well {len(rows)} groups of cells are explained; the worst is {rows[0][4]} with a median of "
        f"{rows[0][0]:.2f}.",
    )


def gap_chart(train: Series, validation: Series, *, dark: bool = False, revision: str = "") -> Chart:
    """Reconstruction loss of training and validation cells by epoch, the steep beginning left out."""
    data = []
    values = []
    for name, series, dash in (("training", train, "dot"), ("validation", validation, "solid")):
        epochs, found = series.finite()
        if not len(found):
            continue
        skip = len(found) // 10
        values.append(float(found[-1]))
        data.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": f"{name} cells",
                "x": column(epochs[skip:], 9),
                "y": column(found[skip:]),
                "line": {"color": accent("cpu", dark=dark), "width": 2, "dash": dash},
                "hovertemplate": f"{name} %{{y:,.2f}}",
            }
        )
    if not data:
        return nothing("There are no losses to show.", revision)
    return Chart(
        data,
        layout(
            x={"title": {"text": "epoch"}},
            y={"title": {"text": "reconstruction loss (nats)"}},
            revision=revision,
        ),
        "Reconstruction loss of training and validation cells; at the end "
        + " and ".join(f"{value:,.2f}" for value in values)
        + ".",
    )
