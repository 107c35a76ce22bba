"""The race in words: who is ahead by how much, with what caveat, and the numbers beneath the curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from backend.types import ComparedRun, Comparison
from backend.words import METRICS, count, duration, factor, loss_value, or_dash

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
    unfair = any(finding.severity == "unfair" for finding in comparison.findings)
    if comparison.target is None or not there:
        return [{"text": "No winner: these two cannot be compared by their loss."}], _speed_sentence(
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
    if quick <= 0 or slow / quick < DRAW:
        return [{"text": "A draw: both reached the same loss at about the same time."}], detail
    ratio = factor(slow / quick)
    if unfair:
        parts = [
            {"text": "No winner to announce: "},
            _coloured(first, colours),
            {"text": f" was {ratio} times as fast, but the race was not fair."},
        ]
    elif not comparison.fair:
        parts = [_coloured(first, colours), {"text": f" was {ratio} times as fast, with a caveat."}]
    else:
        parts = [_coloured(first, colours), {"text": f" is {ratio} times as fast."}]
    return parts, detail


def _coloured(run: ComparedRun, colours: Mapping[str, str]) -> dict[str, str]:
    return {"text": run.label, "colour": colours[run.run_id]}


def _speed_sentence(comparison: Comparison) -> str:
    timed = sorted((r for r in comparison.runs if r.steady_seconds), key=lambda r: r.steady_seconds or 0.0)
    if len(timed) < 2:
        return ""
    quick, slow = timed[0], timed[-1]
    return (
        f"An epoch took {quick.label} {duration(quick.steady_seconds or 0.0)} and "
        f"{slow.label} {duration(slow.steady_seconds or 0.0)}."
    )


def result_rows(comparison: Comparison) -> list[dict[str, Any]]:
    """The table under the headline. ``better`` is the column to mark, where one is clearly better."""
    runs = comparison.runs
    rows = [
        _row("Time per epoch", "steady epochs, without warm-up", [r.steady_seconds for r in runs], duration),
        _row("Cells per second", "", [r.cells_per_second for r in runs], count, most=True),
    ]
    if comparison.target is not None:
        label = f"Time to the same loss ({loss_value(comparison.target)})"
        rows.append(_row(label, "first epoch at or below it", [r.time_to_target for r in runs], duration))
    rows.append(
        _row(
            f"A useful model ({comparison.projected_epochs} epochs)",
            "projected, start included",
            [r.projected_seconds for r in runs],
            duration,
        )
    )
    rows.append(
        _row(
            "Getting ready",
            "making the engine ready, before the clock starts",
            [r.preparation_seconds for r in runs],
            duration,
            mark=False,
        )
    )
    rows.append(
        _row("First epoch", "it also warms up", [r.warm_up_seconds for r in runs], duration, mark=False)
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
            f"{factor(max(known) / min(known))} times {'as many' if most else 'as fast'}",
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
