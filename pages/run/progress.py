"""How far a run is, within the epoch too, and the same in the title of the browser tab."""

from __future__ import annotations

import math

import streamlit as st

from backend import services
from backend.types import Curves, RunRecord, RunStatus
from pages.shared.literal import literal


def elapsed(run: RunRecord, curves: Curves) -> float:
    """Training time so far: the newest point knows more than the record, which is written per epoch."""
    last = max(
        (s[-1] for s in (curves["train_loss_step"].seconds, curves["train_loss"].seconds) if s), default=0.0
    )
    return max(run.elapsed, last)


def fraction(run: RunRecord, curves: Curves) -> float:
    """Part of all epochs that is done, counting the steps of the epoch in progress."""
    total = max(1, run.spec.max_epochs)
    steps = curves["train_loss_step"]
    inside = 0.0
    if len(steps) and steps.epoch[-1] == run.epoch + 1 and run.n_obs:
        per_epoch = math.ceil(run.n_obs * run.spec.train_size / run.spec.batch_size)
        inside = min(1.0, max(0.0, (steps.order[-1] - run.epoch * per_epoch) / per_epoch))
    return min(1.0, (run.epoch + inside) / total)


def progress(run: RunRecord, curves: Curves) -> None:
    st.progress(fraction(run, curves), text=what_it_does(run, _held_up(run)))


def _held_up(run: RunRecord) -> str:
    """What the server does before the first run of the queue, where that is this one."""
    runs = services.current().runs
    first = run.status is RunStatus.QUEUED and runs.active() is None and runs.queue()[:1] == [run]
    return (runs.holds_up() or _analysis()) if first else ""


def _analysis() -> str:
    job = services.current().analyses.active()
    return f"first {literal(job.title, limit=90)}" if job else ""


def what_it_does(run: RunRecord, held_up: str = "") -> str:
    if run.requested == "stop":
        return "Stopping after this minibatch. The model is kept."
    if run.requested == "cancel":
        return "Canceling. Nothing is kept."
    if run.status is RunStatus.QUEUED:
        return f"Starting soon: {held_up}" if held_up else "Waiting for its turn"
    if run.phase and run.phase != "training":
        return run.phase[0].upper() + run.phase[1:]
    return f"Training: epoch {min(run.epoch + 1, run.spec.max_epochs)} of {run.spec.max_epochs}"


def tab_title(run: RunRecord) -> None:
    """Progress or outcome first, where a narrow browser tab still shows it."""
    match run.status:
        case RunStatus.QUEUED:
            sign = "waiting"
        case RunStatus.RUNNING:
            sign = f"{run.epoch}/{run.spec.max_epochs}"
        case RunStatus.FINISHED:
            sign = "✓ finished"
        case _:
            sign = f"{'■' if run.status.has_model else '!'} {run.status.value}"
    st.set_page_config(page_title=f"{sign} – {run.name} – scVI Studio")
