"""Two runs as a race on one wall clock, replayed or live. Animated in the browser; the server only tells numbers.

    race(comparison, records, curves, key="race-g1", dark=False, stage=False)

While the second contestant trains, it races the recorded first: its live curve against the other's replay.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from backend.charts import looks_of
from backend.types import ComparedRun, Comparison, Curves, RunRecord, RunStatus, Series
from backend.words import (
    METRICS,
    count,
    counted,
    duration,
    factor,
    finding_sentence,
    loss_value,
    or_dash,
    status_word,
)

_HERE = Path(__file__).parent
_POINTS = 300  # of one curve
_DASHES = {"solid": "none", "dash": "10 6", "dot": "2 6", "dashdot": "10 5 2 5"}

_mount = st.components.v2.component(
    "studio_race",
    html="""<section class="race" aria-label="Race of two runs">
<div class="race-top"><span class="race-sign"></span><span class="race-clock" role="timer"></span>
<span class="race-about"></span>
<span class="race-controls"><button class="race-play main" type="button"></button>
<span class="race-speed" role="group" aria-label="Speed of the replay">
<button type="button" data-speed="real">Real time</button><button type="button" data-speed="fit">In 20 s</button>
</span><button class="race-full" type="button">Full screen</button></span></div>
<div class="race-result"><p class="race-headline"></p><p class="race-detail"></p>
<ul class="race-caveats"></ul></div>
<div class="race-lanes"></div>
<div class="race-body"><div><svg class="race-chart" role="img"></svg>
<input class="race-scrub" type="range" min="0" max="1000" value="0" aria-label="Moment of the race"></div>
<table class="race-table"></table></div>
<div class="race-quiet" aria-live="polite"></div></section>""",
    css=(_HERE / "race.css").read_text(encoding="utf-8"),
    js="\n".join((_HERE / name).read_text(encoding="utf-8") for name in ("race_drawing.js", "race.js")),
)


def race(
    comparison: Comparison,
    records: Sequence[RunRecord],
    curves: Mapping[str, Curves],
    *,
    key: str,
    clock: float = 0.0,
    dark: bool = False,
    stage: bool = False,
) -> None:
    """Draw or update the race ``key``; ``clock`` is how long the run in progress has trained."""
    _mount(
        key=key,
        data={
            "race": json.dumps(
                race_data(comparison, records, curves, clock=clock, dark=dark, stage=stage),
                separators=(",", ":"),
            )
        },
    )


def race_data(
    comparison: Comparison,
    records: Sequence[RunRecord],
    curves: Mapping[str, Curves],
    *,
    clock: float = 0.0,
    dark: bool = False,
    stage: bool = False,
) -> dict[str, Any]:
    """All that the browser needs, in order of the contestants."""
    looks = looks_of(comparison, dark=dark)
    racers = [
        {
            "name": run.label,
            "colour": looks[run.run_id].colour,
            "dash": _DASHES[looks[run.run_id].dash],
            **_course(run, record, curves[run.run_id], comparison.metric),
        }
        for run, record in zip(comparison.runs, records, strict=True)
    ]
    active = next((i for i, record in enumerate(records) if record.status is RunStatus.RUNNING), None)
    live = any(not record.status.is_over for record in records)
    headline, detail = (
        ([], "") if live else outcome(comparison, {i: look.colour for i, look in looks.items()})
    )
    return {
        "racers": racers,
        "live": live,
        "active": active,
        "ticking": active is not None and records[active].phase == "training",
        "clock": round(clock, 3),
        "note": _note(comparison, records, active) if live else "",
        "target": None if live else comparison.target,
        "metric": METRICS[comparison.metric].words,
        "replayable": not live and all(racer["ends"] for racer in racers),
        "headline": headline,
        "detail": detail,
        "question": "Which run reaches the target loss first?",
        "terms": _terms(records),
        "caveats": [] if live else [finding_sentence(f) for f in comparison.findings if f.severity != "note"],
        "rows": [] if live else result_rows(comparison),
        "stage": stage,
        "dark": dark,
        "words": words(comparison),
    }


def _course(run: ComparedRun, record: RunRecord, curves: Curves, metric: str) -> dict[str, Any]:
    series = curves[metric] if len(curves[metric]) else curves["train_loss"]
    points = _pairs(series, series.value)
    reached = next(
        (p for p in points if run.time_to_target is not None and p[0] >= run.time_to_target - 1e-6), None
    )
    state, said = _state(record)
    return {
        "state": state,
        "said": said,
        "points": points,
        "ends": _pairs(curves["epoch_seconds"], curves["epoch_seconds"].epoch),
        "maxEpochs": max(1, record.spec.max_epochs),
        "total": round(max(record.elapsed, points[-1][0] if points else 0.0), 3),
        "reached": reached[0] if reached else None,
        "reachedLoss": reached[1] if reached else None,
    }


def _pairs(series: Series, values: Sequence[float]) -> list[list[float]]:
    """[seconds, value] of at most ``_POINTS`` points, both ends among them."""
    keep = np.flatnonzero(np.isfinite(np.array(values, dtype=float)))
    if len(keep) > _POINTS:
        keep = keep[np.linspace(0, len(keep) - 1, _POINTS).round().astype(int)]
    return [[round(series.seconds[i], 3), float(f"{values[i]:.7g}")] for i in keep.tolist()]


def _state(record: RunRecord) -> tuple[str, str]:
    if record.status is RunStatus.QUEUED:
        return "queued", "queued"
    if record.status is RunStatus.RUNNING:
        ready = record.phase == "training" or record.epoch > 0
        return ("running", "") if ready else ("getting ready", record.phase or "setup")
    return ("done", "") if record.epoch else ("failed", status_word(record.status))


def _terms(records: Sequence[RunRecord]) -> str:
    """What is the same for both, as far as it is."""
    same = []
    if len({record.spec.dataset_id for record in records}) == 1:
        same.append(f"the same {count(records[0].n_obs)} cells" if records[0].n_obs else "the same cells")
    if len({(record.spec.seed, record.spec.train_size) for record in records}) == 1:
        same.append("the same split and seed")
    if len({record.spec.max_epochs for record in records}) == 1:
        same.append(counted(records[0].spec.max_epochs, "epoch"))
    return f"Both runs: {', '.join(same)}." if same else ""


def _note(comparison: Comparison, records: Sequence[RunRecord], active: int | None) -> str:
    if active is None:
        return "Queued."
    mine = comparison.runs[active].label
    other = records[1 - active] if len(records) == 2 else None
    if other is not None and other.status.is_over and other.epoch:
        return f"{mine} is training now, against the recording of {comparison.runs[1 - active].label}."
    return f"{mine} is training first and is recorded."


DRAW = 1.05  # less than this many times as quick is a draw


def outcome(comparison: Comparison, colours: Mapping[str, str]) -> tuple[list[dict[str, str]], str]:
    """The headline in coloured parts and the sentence under it; a winner only where the race has one."""
    there = sorted(
        (run for run in comparison.runs if run.time_to_target is not None),
        key=lambda r: r.time_to_target or 0.0,
    )
    if len(comparison.runs) != 2:
        return [], ""
    what = METRICS[comparison.metric].words
    if comparison.target is None or not there or "target" not in comparison.comparable:
        return [{"text": "No winner: the losses of these runs are not comparable."}], _speed_sentence(
            comparison
        )
    if len(there) == 1:
        name = _coloured(there[0], colours)
        return [
            name,
            {"text": f" alone reached a {what} of {loss_value(comparison.target)}."},
        ], _speed_sentence(comparison)
    first, second = there
    quick, slow = first.time_to_target or 0.0, second.time_to_target or 0.0
    detail = (
        f"Time to the same {what} ({loss_value(comparison.target)}): "
        f"{duration(quick)} against {duration(slow)}."
    )
    if not comparison.winner:
        return [{"text": "A draw: both reached the target loss at about the same time."}], detail
    ratio = factor(slow / quick)
    if not comparison.fair:
        parts = [_coloured(first, colours), {"text": f" was {ratio}x as fast, with caveats."}]
    else:
        parts = [_coloured(first, colours), {"text": f" is {ratio}x as fast."}]
    return parts, detail


def _coloured(run: ComparedRun, colours: Mapping[str, str]) -> dict[str, str]:
    return {"text": run.label, "colour": colours[run.run_id]}


def _speed_sentence(comparison: Comparison) -> str:
    timed = sorted((r for r in comparison.runs if r.steady_seconds), key=lambda r: r.steady_seconds or 0.0)
    if len(timed) < 2 or "epoch_time" not in comparison.comparable:
        return ""
    quick, slow = timed[0], timed[-1]
    return (
        f"An epoch took {quick.label} {duration(quick.steady_seconds or 0.0)} and "
        f"{slow.label} {duration(slow.steady_seconds or 0.0)}."
    )


def result_rows(comparison: Comparison) -> list[dict[str, Any]]:
    """The table under the headline. ``better`` is the column to mark, where one is clearly better."""
    runs = comparison.runs
    same_work, same_loss = ("epoch_time" in comparison.comparable, "target" in comparison.comparable)
    rows = [
        _row(
            "Time per epoch",
            "median, first epoch excluded",
            [r.steady_seconds for r in runs],
            duration,
            mark=same_work,
        ),
        _row("Cells per second", "", [r.cells_per_second for r in runs], count, most=True),
    ]
    if comparison.target is not None:
        label = f"Time to the same loss ({loss_value(comparison.target)})"
        times = [r.time_to_target for r in runs]
        rows.append(_row(label, "end of the first epoch at or below it", times, duration, mark=same_loss))
    rows.append(
        _row(
            f"{comparison.projected_epochs} epochs",
            "projected, including setup",
            [r.projected_seconds for r in runs],
            duration,
            mark=same_work,
        )
    )
    rows.append(
        _row(
            "Setup",
            "before training starts, not part of the time",
            [r.preparation_seconds for r in runs],
            duration,
            mark=False,
        )
    )
    rows.append(
        _row("First epoch", "includes warm-up", [r.warm_up_seconds for r in runs], duration, mark=False)
    )
    rows.append(
        _row(
            f"Best {METRICS[comparison.metric].words}",
            "lower is better",
            [r.best for r in runs],
            loss_value,
            mark=False,
        )
    )
    return [row for row in rows if row is not None]


def _row(
    label: str,
    note: str,
    values: Sequence[float | None],
    said: Any,
    *,
    most: bool = False,
    mark: bool = True,
) -> dict[str, Any] | None:
    known = [value for value in values if value is not None]
    if not known:
        return None
    better, ratio = -1, ""
    if mark and len(known) == len(values) == 2 and min(known) > 0 and max(known) / min(known) >= DRAW:
        best = max(known) if most else min(known)
        better, ratio = (
            values.index(best),
            f"{factor(max(known) / min(known))}x {'as many' if most else 'as fast'}",
        )
    return {
        "label": label,
        "note": note,
        "values": [or_dash(value, said) for value in values],
        "better": better,
        "times": ratio,
    }


def words(comparison: Comparison) -> str:
    """The race for somebody who does not see it."""
    lines = []
    for run in comparison.runs:
        line = f"{run.label}: {run.epochs} epochs in {duration(run.total_seconds)}"
        if run.best is not None:
            line += f", best {METRICS[comparison.metric].words} {loss_value(run.best)}"
        lines.append(line)
    return f"Two loss curves on one clock. {'; '.join(lines)}."
