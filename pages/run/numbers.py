"""The cards above the charts: device, epoch, time, speed, best loss, memory, with sparklines.

    numbers(run, curves, elapsed, dark=False)

A component of our own, because the sparklines of ``st.metric`` are mounted anew with every number: measured,
four of them cost more than all charts of the page together.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypedDict

import streamlit as st

from backend.charts import Trail, accent
from backend.types import Curves, RunRecord, RunStatus
from backend.words import about, count, counted, duration, loss_value, memory_size, or_dash

_HERE = Path(__file__).parent
_mount = st.components.v2.component(
    "studio_run_numbers",
    html='<dl class="numbers"></dl>',
    css=(_HERE / "numbers.css").read_text(encoding="utf-8"),
    js=(_HERE / "numbers.js").read_text(encoding="utf-8"),
)


class Card(TypedDict):
    label: str
    value: str
    note: str
    series: list[float]


def numbers(run: RunRecord, curves: Curves, elapsed: float, *, dark: bool = False) -> None:
    _mount(
        key=f"numbers-{run.run_id}",
        data={"cards": cards(run, curves, elapsed), "accent": accent(trail(run, curves).device, dark=dark)},
    )


def cards(run: RunRecord, curves: Curves, elapsed: float) -> list[Card]:
    """Where the run is, then how it has gone."""
    best = curves.best
    seconds = curves.steady_seconds or run.seconds_per_epoch
    speed, memory = curves.recent("cells_per_second"), curves.recent("memory_bytes")
    now_used = memory_size(memory[-1]) if memory else memory_size(run.peak_memory) if run.peak_memory else "–"
    per_epoch = or_dash(seconds, duration)
    return [
        _card("Device", run.device.upper() or "–", _where(run)),
        _card("Epoch", f"{run.epoch} of {run.spec.max_epochs}", "passes over the training cells"),
        _card("Elapsed", duration(elapsed) if elapsed else "–", _prepared(run)),
        _card(
            "Remaining",
            remaining(run, seconds),
            "at the current speed" if seconds and not run.status.is_over else "",
        ),
        _card(
            "Best validation loss",
            loss_value(best[1]) if best else "–",
            f"epoch {best[0]}; lower is better" if best else "lower is better",
            curves.recent("validation_loss"),
        ),
        _card("Cells per second", count(speed[-1]) if speed else "–", "in the last epoch", speed),
        _card("Time per epoch", per_epoch, _of_which(run), curves.recent("epoch_seconds")),
        _card("Memory", now_used, "of the whole process", memory),
    ]


def _where(run: RunRecord) -> str:
    """Name of the device, engine and implementation, as executed; before that as asked for."""
    name = run.device_name or f"requested: {run.spec.accelerator}"
    return f"{name} · {computed_by(run)}"


def computed_by(run: RunRecord) -> str:
    """ "fused engine, CPU kernels (numba)": what computes, as executed; before that the engine asked for."""
    engine = f"{run.environment.get('engine') or run.spec.engine} engine"
    return f"{engine}, {run.implementation}" if run.implementation else engine


def _prepared(run: RunRecord) -> str:
    """What the time leaves out."""
    if not run.preparation_seconds or run.preparation_seconds < 1:
        return "training time, without pauses"
    return f"training time; {duration(run.preparation_seconds)} of setup before it"


def _of_which(run: RunRecord) -> str:
    return "median, first epoch excluded" if run.epoch > 1 else "includes warm-up" if run.epoch else ""


def _card(label: str, value: str, note: str, series: list[float] | None = None) -> Card:
    return {"label": label, "value": value, "note": note, "series": series or []}


def remaining(run: RunRecord, seconds: float | None) -> str:
    left = run.spec.max_epochs - run.epoch
    if run.status is RunStatus.RUNNING and run.requested:
        return "stopping" if run.requested == "stop" else "cancelling"
    if run.status is RunStatus.RUNNING:
        if left <= 0:
            return run.phase or "saving"
        return about(left * seconds) if seconds else "–"
    if run.status is RunStatus.QUEUED:
        return "queued"
    return "done" if left <= 0 or run.status is RunStatus.FINISHED else f"{counted(left, 'epoch')} left"


def trail(run: RunRecord, curves: Curves) -> Trail:
    return Trail(run.name, run.device or run.spec.accelerator, curves)
