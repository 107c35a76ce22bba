"""The cards above the charts: epoch, time, speed, best loss, memory, as the run reports them."""

from __future__ import annotations

import streamlit as st

from backend.charts import Curves, Trail, best_point, steady_seconds
from backend.types import RunRecord, RunStatus
from pages.components.amounts import count, duration, size

Card = tuple[str, str, list[float] | None, str | None]  # label, value, sparkline, help


def numbers(run: RunRecord, curves: Curves, elapsed: float) -> None:
    for row in (now(run, curves, elapsed), course(run, curves)):
        with st.grid(4, min_column_width=150, gap="small"):
            for label, value, series, help_text in row:
                st.metric(
                    label,
                    value,
                    help=help_text,
                    border=True,
                    height="stretch",
                    chart_data=series if series and len(series) > 1 else None,
                )


def now(run: RunRecord, curves: Curves, elapsed: float) -> list[Card]:
    """Where the run is."""
    seconds = steady_seconds(curves) or run.seconds_per_epoch
    device = run.device.upper() if run.device else "–"
    return [
        ("Device", device, None, f"Where the numbers were computed. Asked for: {run.spec.accelerator}."),
        ("Epoch", f"{run.epoch} of {run.spec.max_epochs}", None, "One epoch goes once through all cells."),
        ("Elapsed", duration(elapsed) if elapsed else "–", None, "Training time, pauses left out."),
        ("Remaining", remaining(run, seconds), None, "From the median time of an epoch so far."),
    ]


def course(run: RunRecord, curves: Curves) -> list[Card]:
    """How it has gone, each with its course as a sparkline."""
    best = best_point(curves)
    seconds = steady_seconds(curves) or run.seconds_per_epoch
    speed = curves.recent("cells_per_second")
    memory = curves.recent("memory_bytes")
    best = best_point(curves)
    seconds = steady_seconds(curves) or run.seconds_per_epoch
    speed, memory = curves.recent("cells_per_second"), curves.recent("memory_bytes")
    return [
        (
            "Best validation loss",
            f"{best[1]:,.2f}" if best else "–",
            curves.recent("validation_loss"),
            f"Lower is better. Reached in epoch {best[0]}, on cells that training never sees."
            if best
            else "Lower is better. Appears after the first validation.",
        ),
        ("Cells per second", count(speed[-1]) if speed else "–", speed, "In the last epoch."),
        (
            "Time per epoch",
            _short(seconds),
            curves.recent("epoch_seconds"),
            "Median; the first epoch, which also warms up, is left out.",
        ),
        (
            "Memory",
            size(memory[-1]) if memory else size(run.peak_memory) if run.peak_memory else "–",
            memory,
            "Of the whole program: data, model and libraries.",
        ),
    ]


def _short(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    return f"{seconds:.2f} s" if seconds < 1 else duration(seconds)


def remaining(run: RunRecord, seconds: float | None) -> str:
    left = run.spec.max_epochs - run.epoch
    if run.status is RunStatus.RUNNING and run.requested:
        return "stopping"
    if run.status is RunStatus.RUNNING:
        if left <= 0:
            return run.phase or "saving"
        return f"about {duration(left * seconds)}" if seconds else "–"
    if run.status is RunStatus.QUEUED:
        return "waiting"
    return "done" if left <= 0 or run.status is RunStatus.FINISHED else f"{left} epochs not run"


def trail(run: RunRecord, curves: Curves) -> Trail:
    return Trail(run.name, run.device or run.spec.accelerator, curves)
