"""The loss: per epoch for one run or several, per minibatch step, and what it is made of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..types import Curves, Series
from ..words import LOSS_TITLE, WEIGHTED_TITLE, count, number
from ._colours import page, shade
from ._figure import (
    LIMIT,
    SMALL_LIMIT,
    Chart,
    Trail,
    column,
    layout,
    line,
    nothing,
    plain,
    smooth,
    thin,
    time_unit,
    x_axis,
    x_values,
)

_DASHES = ("solid", "dashdot", "longdash", "dash", "longdashdot")


def loss_chart(
    trails: Sequence[Trail],
    *,
    axis: str = "epoch",
    log: bool = False,
    dark: bool = False,
    show_train: bool = True,
    weighted: bool = False,
    revision: str = "",
) -> Chart:
    """Training and validation ELBO per epoch; of runs that did not log it the loss they minimised, which then says so.

    Parameters
    ----------
    axis
        ``"epoch"`` or ``"time"`` (training time, pauses left out).
    log
        A logarithmic loss axis; ignored where a loss is not positive.
    show_train
        Draw the training cells too. With one run and no validation they are always drawn.
    weighted
        The loss that was minimised instead: its KL part has the weight of the warm-up at that epoch.
    """
    shown = [t for t in trails if len(t.curves["train_loss"]) or len(t.curves["validation_loss"])]
    if not shown:
        return nothing("The loss appears here after the first complete epoch.", revision)
    both = {id(trail): _both(trail.curves, weighted) for trail in shown}
    titles = {_title(trail.curves, weighted) for trail in shown}
    longest = max(max(s.seconds, default=0.0) for pair in both.values() for s in pair)
    unit, unit_name = time_unit(longest)
    data: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    several = len(trails) > 1
    limit = LIMIT if len(shown) < 3 else SMALL_LIMIT  # many lines share the browser's time for one update
    drawn: dict[str, int] = {}
    positive = True
    for index, trail in enumerate(shown):
        rank = drawn.get(trail.colour(dark), 0)
        drawn[trail.colour(dark)] = rank + 1
        colour = shade(trail.colour(dark), rank, dark=dark)
        train, validation = both[id(trail)]
        positive = positive and all(v > 0 for s in (train, validation) for v in s.value if math.isfinite(v))
        label = plain(trail.name, 40) if several else ""
        if label and len(titles) > 1 and _title(trail.curves, weighted) == WEIGHTED_TITLE:
            label += ", KL-weighted"
        group = f"run{index}"
        if len(train) and (show_train or not len(validation)):
            data.append(
                line(
                    train,
                    axis,
                    unit,
                    limit=limit,
                    name=f"{label}, training" if several else "training",
                    # alone, the two lines stand beside each other in the legend; else one column a run
                    legendgroup=group if several else "training",
                    showlegend=not several or not len(validation),  # measuring an entry's text is slow
                    opacity=0.75,
                    line={"color": colour, "width": 1.75, "dash": "dot"},
                    marker={"color": colour, "size": 5},
                    hovertemplate="%{y:,.2f}",
                )
            )
        if len(validation):
            data.append(
                line(
                    validation,
                    axis,
                    unit,
                    limit=limit,
                    name=label or "validation",
                    legendgroup=group,
                    line={"color": colour, "width": 2.5, "dash": _DASHES[rank % len(_DASHES)]},
                    marker={"color": colour, "size": 6},
                    mode="lines+markers" if len(validation) <= (1 if several else 30) else "lines",
                    hovertemplate="%{y:,.2f}",
                )
            )
            marker, note = _best(validation, axis, unit, colour, group, several, dark)
            if not weighted:  # its lowest value follows the weight, and is not the best model
                data.append(marker)
            if note and not weighted:
                annotations.append(note)
    log = log and positive
    for note in annotations:
        if log:
            note["y"] = math.log10(note["y"])  # annotations live in the axis' own coordinates
    kind = "log" if log else "linear"
    return Chart(
        data,
        layout(
            x=x_axis(
                axis, unit_name, last=max(s.order[-1] for pair in both.values() for s in pair if len(s))
            ),
            y={
                "title": {"text": f"{titles.pop() if len(titles) == 1 else _MIXED}, lower is better"},
                "type": kind,
                "uirevision": f"{weighted} {kind}",
                "hoverformat": ",.2f",
                "tickformat": ",~r",
            },
            revision=revision,
            annotations=annotations,
        ),
        _words(shown, weighted),
    )


_MIXED = "loss per cell (nats)"


def _both(curves: Curves, weighted: bool) -> tuple[Series, Series]:
    """Of the training and of the validation cells."""
    if _title(curves, weighted) == WEIGHTED_TITLE:
        return curves["train_loss"], curves["validation_loss"]
    return curves["elbo_train"], curves["elbo_validation"]


def _title(curves: Curves, weighted: bool) -> str:
    known = len(curves["elbo_validation"]) or (
        len(curves["elbo_train"]) and not len(curves["validation_loss"])
    )
    return LOSS_TITLE if known and not weighted else WEIGHTED_TITLE


def _best(
    validation: Series, axis: str, unit: float, colour: str, group: str, several: bool, dark: bool
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    values = np.where(np.isfinite(validation.values), validation.values, np.inf)
    at = int(np.argmin(values))
    x, y = x_values(validation, axis, unit)[at], validation.value[at]
    marker = {
        "type": "scatter",
        "mode": "markers",
        "x": column([x]),
        "y": column([y]),
        "name": "best",
        "legendgroup": group,
        "showlegend": False,
        "hoverinfo": "skip",
        "marker": {
            "symbol": "diamond",
            "size": 11,
            "color": colour,
            "line": {"width": 2, "color": page(dark)},
        },
    }
    if several or not math.isfinite(y):
        return marker, None
    far_right = len(validation) > 1 and at > len(validation) * 0.6
    note = {
        "x": column([x])[0],
        "y": y,
        "text": f"best: epoch {validation.order[at]}, {number(y)}",
        "showarrow": True,
        "arrowhead": 0,
        "arrowwidth": 1,
        "arrowcolor": colour,
        "ax": -8 if far_right else 8,
        "ay": -34,
        "xanchor": "right" if far_right else "left",
        "standoff": 7,
        "font": {"color": colour},
    }
    return marker, note


def _words(trails: Sequence[Trail], weighted: bool) -> str:
    sentences = []
    for trail in trails:
        train, validation = _both(trail.curves, weighted)
        parts = []
        epoch = max((s.order[-1] for s in (train, validation) if len(s)), default=0)
        if len(train):
            parts.append(f"training {number(train.value[-1])}")
        if len(validation):
            parts.append(f"validation {number(validation.value[-1])}")
        epochs, values = validation.finite()
        if len(values):
            best = int(np.argmin(values))
            parts.append(f"best validation {number(values[best])} at epoch {epochs[best]}")
        name = f"{trail.name}, " if len(trails) > 1 else ""
        sentences.append(f"{name}epoch {epoch}: {', '.join(parts)}")
    titles = {_title(trail.curves, weighted) for trail in trails}
    title = titles.pop() if len(titles) == 1 else _MIXED
    return f"{title[0].upper()}{title[1:]}, lower is better. " + ". ".join(sentences) + "."


def steps_chart(trail: Trail, *, axis: str = "epoch", dark: bool = False, revision: str = "") -> Chart:
    """The loss of single minibatches, thinned, with a running mean over it."""
    steps = trail.curves["train_loss_step"]
    if not len(steps):
        return nothing("The loss of each minibatch appears here once training has begun.", revision)
    unit, unit_name = time_unit(max(steps.seconds))
    colour = trail.colour(dark)
    values = steps.values
    window = max(5, min(128, 1 << max(0, len(steps) // 20).bit_length() >> 1))  # seldom another: see ``thin``
    mean = smooth(values, window)
    kept = thin(mean, LIMIT // 2)
    data = [
        line(
            steps,
            axis,
            unit,
            name="single minibatch",
            opacity=0.4,
            line={"color": colour, "width": 1},
            marker={"color": colour, "size": 5},
            hovertemplate="%{y:,.2f}",
        ),
        {
            "type": "scatter",
            "mode": "lines",
            "x": column(x_values(steps, axis, unit)[kept], 5 if axis == "time" else 9),
            "y": column(mean[kept]),
            "name": f"mean of {window}",
            "line": {"color": colour, "width": 2.5},
            "hovertemplate": "%{y:,.2f}",
        },
    ]
    words = (
        f"Loss of single minibatches. After step {count(steps.order[-1])}: {number(values[-1])}, "
        f"mean of the last {window}: {number(float(mean[-1]))}."
    )
    return Chart(
        data,
        layout(
            x=x_axis(axis, unit_name, "step", last=steps.order[-1]),
            y={
                "title": {"text": WEIGHTED_TITLE},
                "hoverformat": ",.2f",
                "tickformat": ",~r",
                **_without_outliers(values),
            },
            revision=revision,
        ),
        words,
    )


def _without_outliers(values: npt.NDArray[np.float64]) -> dict[str, Any]:
    """A range that one wild first minibatch does not squash; none while the ordinary one serves."""
    known = values[np.isfinite(values)]
    if len(known) < 50:
        return {}
    low, high = float(known.min()), float(np.quantile(known, 0.99))
    if known.max() - low <= 3 * (high - low) or high <= low:
        return {}
    pad = 0.06 * (high - low)
    return {"range": column([low - pad, high + pad]), "autorange": False}


_ROWS = (
    ("reconstruction_loss", "reconstruction loss", "y"),
    ("kl_local", "KL divergence", "y2"),
)


def parts_chart(trail: Trail, *, axis: str = "epoch", dark: bool = False, revision: str = "") -> Chart:
    """Reconstruction above, KL below, on one epoch (or time) axis; both in nats per cell."""
    names = [f"{stem}_{part}" for stem, _, _ in _ROWS for part in ("train", "validation")]
    present = [name for name in names if len(trail.curves[name])]
    if not present:
        return nothing("Reconstruction and KL appear here after the first epoch.", revision)
    unit, unit_name = time_unit(max(max(trail.curves[name].seconds) for name in present))
    last = max(trail.curves[name].order[-1] for name in present)
    colour = trail.colour(dark)
    data: list[dict[str, Any]] = []
    said = []
    for stem, title, y in _ROWS:
        for part, label in (("train", "training"), ("validation", "validation")):
            series = trail.curves[f"{stem}_{part}"]
            if not len(series):
                continue
            solid = part == "validation"
            data.append(
                line(
                    series,
                    axis,
                    unit,
                    limit=SMALL_LIMIT,
                    name=label,
                    legendgroup=part,
                    showlegend=y == "y",
                    xaxis="x",
                    yaxis=y,
                    opacity=1.0 if solid else 0.75,
                    line={
                        "color": colour,
                        "width": 2.25 if solid else 1.75,
                        "dash": "solid" if solid else "dot",
                    },
                    marker={"color": colour, "size": 5},
                    hovertemplate=f"{title} %{{y:,.2f}}",
                )
            )
            said.append(f"{label} {title} {number(series.value[-1])}")
    return Chart(
        data,
        layout(
            x={**x_axis(axis, unit_name, last=last), "anchor": "y2", "domain": [0, 1]},
            y={"title": {"text": "reconstr. (nats)"}, "domain": [0.54, 1]},
            yaxis2={
                "title": {"text": "KL (nats)"},
                "domain": [0, 0.44],
                "automargin": True,
                "zeroline": False,
                "showgrid": True,
                "rangemode": "tozero",
            },
            revision=revision,
        ),
        "Parts of the loss per cell: " + ", ".join(said) + ".",
    )
