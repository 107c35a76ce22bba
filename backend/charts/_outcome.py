"""What a comparison comes to: time against loss, time to a target, and where the time of each run went."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

from ..types import ComparedRun, Comparison
from ..words import METRICS, duration, number
from ._colours import WARM_UP, Look, page, run_looks
from ._figure import Chart, column, layout, nothing, plain, time_unit

_NAMED = 6  # points that get their name beside them; more would overlap


def looks_of(comparison: Comparison, *, dark: bool = False) -> dict[str, Look]:
    """How each run (by id) looks, the same in all figures of the comparison."""
    looks = run_looks([run.device for run in comparison.runs], dark=dark)
    return {run.run_id: look for run, look in zip(comparison.runs, looks, strict=True)}


def pareto_chart(comparison: Comparison, *, dark: bool = False, revision: str = "") -> Chart:
    """Training time against final loss; a line through the runs that no other run beats in both."""
    placed = [run for run in comparison.runs if run.last is not None and run.total_seconds > 0]
    what = METRICS[comparison.metric].words
    if len(placed) < 2:
        return nothing("At least two runs with a loss are needed to compare time and loss.", revision)
    unit, unit_name = time_unit(max(run.total_seconds for run in placed))
    looks = looks_of(comparison, dark=dark)
    front = [comparison.run(run_id) for run_id in comparison.front]
    data: list[dict[str, Any]] = []
    if len(front) > 1:
        data.append(
            {
                "type": "scatter",
                "mode": "lines",
                "x": column([run.total_seconds / unit for run in front], 5),
                "y": column([run.last for run in front]),
                "line": {"width": 1.5, "dash": "dot", "color": WARM_UP},
                "name": "Pareto front",
                "showlegend": False,
                "hoverinfo": "skip",
            }
        )
    few = len(placed) <= _NAMED
    middle = sorted(run.total_seconds for run in placed)[len(placed) // 2]
    for run in placed:
        chosen = run.run_id == comparison.recommended
        named = few or run.on_front or chosen
        data.append(
            {
                "type": "scatter",
                "mode": "markers+text" if named else "markers",
                "x": column([run.total_seconds / unit], 5),
                "y": column([run.last]),
                "name": plain(run.label, 48),
                "text": [plain(run.label, 32)],
                "textposition": "top right" if run.total_seconds < middle else "bottom left",
                "showlegend": False,  # the curves above have the same colours, and hovering tells the name
                "cliponaxis": False,
                "marker": {
                    "color": looks[run.run_id].colour,
                    "symbol": looks[run.run_id].symbol,
                    "size": 19 if chosen else 12,
                    "opacity": 1.0 if run.on_front else 0.7,
                    "line": {"width": 2, "color": page(dark)},
                },
                "hovertemplate": f"%{{x:,.3~g}} {unit_name}, {what} %{{y:,.2f}}<extra>{plain(run.label, 48)}</extra>",
            }
        )
    words = "; ".join(f"{r.label}: {number(r.total_seconds)} s, {number(r.last or 0.0)}" for r in placed)
    return Chart(
        data,
        layout(
            x={"title": {"text": f"training time ({unit_name}), less is better"}, "rangemode": "tozero"},
            y={"title": {"text": f"final {what}, lower is better"}, "tickformat": ",~r"},
            revision=revision,
            hovermode="closest",
        ),
        f"Training time against final {what}. {words}.",
    )


def target_chart(comparison: Comparison, *, dark: bool = False, revision: str = "") -> Chart:
    """One bar a run: seconds until the target was reached, the quickest on top."""
    there = [run for run in comparison.runs if run.time_to_target is not None]
    if not there or comparison.target is None:
        return nothing("No run reached the target.", revision)
    there.sort(key=lambda run: -(run.time_to_target or 0.0))
    unit, unit_name = time_unit(max(run.time_to_target or 0.0 for run in there))
    looks = looks_of(comparison, dark=dark)
    values = [(run.time_to_target or 0.0) / unit for run in there]
    bars: dict[str, Any] = {
        "type": "bar",
        "orientation": "h",
        "x": column(values, 5),
        "y": _bar_names(there),
        "text": [duration(run.time_to_target or 0.0) for run in there],
        "textposition": "auto",
        "cliponaxis": False,
        "marker": {"color": [looks[run.run_id].colour for run in there]},
        "hovertemplate": f"%{{x:,.4~g}} {unit_name}<extra></extra>",
    }
    what = f"{METRICS[comparison.metric].words} of {number(comparison.target)}"
    words = "; ".join(f"{r.label} after {number(r.time_to_target or 0.0)} s" for r in reversed(there))
    return Chart(
        [bars],
        layout(
            x={"title": {"text": f"training time to a {what} ({unit_name})"}, "rangemode": "tozero"},
            y={"showgrid": False},
            revision=revision,
            hovermode="closest",
            showlegend=False,
            bargap=0.3,
        ),
        f"Time to a {what}: {words}.",
    )


def time_chart(comparison: Comparison, *, dark: bool = False, revision: str = "") -> Chart:
    """One bar a run: preparation, the first epoch, which also warms up, and the steady epochs."""
    runs = [run for run in reversed(comparison.runs) if run.total_seconds > 0]
    if not runs:
        return nothing("Where the time went appears here after the first epoch.", revision)
    unit, unit_name = time_unit(max(run.total_seconds + (run.preparation_seconds or 0.0) for run in runs))
    looks = looks_of(comparison, dark=dark)
    parts = [
        (
            "preparation",
            [run.preparation_seconds or 0.0 for run in runs],
            "#C3CDD2" if not dark else "#4A5A62",
        ),
        ("first epoch, with warm-up", [run.warm_up_seconds or 0.0 for run in runs], WARM_UP),
        (
            "steady epochs",
            [max(0.0, run.total_seconds - (run.warm_up_seconds or 0.0)) for run in runs],
            [looks[run.run_id].colour for run in runs],
        ),
    ]
    data = [
        {
            "type": "bar",
            "orientation": "h",
            "x": column([value / unit for value in values], 5),
            "y": _bar_names(runs),
            "name": name,
            "marker": {"color": colour},
            "hovertemplate": f"{name}: %{{x:,.3~g}} {unit_name}<extra></extra>",
        }
        for name, values, colour in parts
        if any(values)
    ]
    words = "; ".join(
        f"{run.label}: preparation {number(run.preparation_seconds or 0.0)} s, first epoch "
        f"{number(run.warm_up_seconds or 0.0)} s, all epochs {number(run.total_seconds)} s"
        for run in reversed(runs)
    )
    return Chart(
        data,
        layout(
            x={"title": {"text": f"time ({unit_name})"}, "rangemode": "tozero"},
            y={"showgrid": False},
            revision=revision,
            barmode="stack",
            hovermode="closest",
            bargap=0.3,
        ),
        f"Where the time went. {words}.",
    )


def _bar_names(runs: Sequence[ComparedRun]) -> list[str]:
    """Names beside bars, broken into short lines; equal ones would share a bar."""
    return ["<br>".join(plain(part) for part in textwrap.wrap(run.label, 24)[:3]) for run in runs]
