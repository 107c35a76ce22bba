"""The strip of numbers above the charts, with sparklines, and what the curve says in a plain sentence or two.

    numbers(run, curves, elapsed, dark=False)
    verdict(curves, spec, over=False).text    # "The loss is still decreasing by 0.4 % per epoch; …"

The strip is a component of our own, because the sparklines of ``st.metric`` are mounted anew with every number:
measured, four of them cost more than all charts of the page together. The verdict is pure: it judges the validation
ELBO where there is one, by a straight line through its last epochs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

import numpy as np

from backend.charts import Trail, accent
from backend.types import ELBO, Curves, RunRecord, RunSpec, RunStatus
from backend.words import (
    about,
    count,
    counted,
    duration,
    loss_value,
    loss_words,
    memory_size,
    or_dash,
    percent,
)
from pages.shared.component import component

_mount = component("studio_run_numbers", "numbers", __file__, html='<dl class="numbers"></dl>')


class Card(TypedDict):
    label: str
    value: str
    note: str
    series: list[int]  # heights of the sparkline, 0 to 100


def numbers(run: RunRecord, curves: Curves, elapsed: float, *, dark: bool = False) -> None:
    _mount(
        key=f"numbers-{run.run_id}",
        data={"cards": cards(run, curves, elapsed), "accent": accent(trail(run, curves).device, dark=dark)},
    )


def cards(run: RunRecord, curves: Curves, elapsed: float) -> list[Card]:
    """Where the run is, then how it has gone. Notes are there from the start, so that nothing moves as they fill."""
    best = curves.best
    seconds = curves.steady_seconds or run.seconds_per_epoch
    speed, memory = curves.recent("cells_per_second"), curves.recent("memory_bytes")
    now_used = memory_size(memory[-1]) if memory else memory_size(run.peak_memory) if run.peak_memory else "–"
    return [
        _card("Epoch", f"{run.epoch} of {run.spec.max_epochs}", f"{or_dash(seconds, duration)} per epoch"),
        _card("Elapsed", duration(elapsed) if elapsed else "–", _prepared(run)),
        _card(
            "Remaining",
            remaining(run, seconds),
            "at the current speed" if seconds and not run.status.is_over else "",
        ),
        _card(
            "Best ELBO" if curves.judged_by == ELBO else "Best loss",
            loss_value(best[1]) if best else "–",
            f"{loss_words(curves.judged_by).split()[0]}, epoch {best[0]}" if best else "lower is better",
            curves.recent(curves.judged_by),
        ),
        _card("Cells per second", count(speed[-1]) if speed else "–", "in the last epoch", speed),
        _card("Memory", now_used, "of the whole process", memory),
    ]


def computed_by(run: RunRecord) -> str:
    """ "fused engine, CPU kernels (numba)": what computes, as executed; before that the engine asked for."""
    engine = f"{run.environment.get('engine') or run.spec.engine} engine"
    return f"{engine}, {run.implementation}" if run.implementation else engine


def _prepared(run: RunRecord) -> str:
    """What the time leaves out."""
    if not run.preparation_seconds or run.preparation_seconds < 1:
        return "without pauses"
    return f"after {duration(run.preparation_seconds)} of setup"


def _card(label: str, value: str, note: str, series: list[float] | None = None) -> Card:
    return {"label": label, "value": value, "note": note, "series": _heights(series or [])}


def _heights(values: list[float]) -> list[int]:
    """A sparkline between 0 and 100: it travels with every update."""
    low, span = min(values, default=0.0), (max(values, default=0.0) - min(values, default=0.0)) or 1.0
    return [round(100 * (value - low) / span) for value in values]


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


LEVEL = 0.0005  # less than this part of the loss an epoch counts as level
RISEN = 0.004  # validation this far above its best, while training falls: the two part
WINDOW = 10


@dataclass(frozen=True)
class Verdict:
    kind: str  # early, improving, level, overfitting, worse
    text: str
    warm_up: bool = False  # the KL weight was still rising


def verdict(curves: Curves, spec: RunSpec, *, over: bool) -> Verdict:
    """Judge a run so far; ``over`` speaks of it in the past."""
    epochs, values, judged = _judged(curves)
    done = int(max(curves["train_loss"].order or [0]))
    warm_up = _warm_up(spec, done, over)
    if len(values) < 4:
        text = (
            "Too few epochs to judge convergence. Train longer."
            if over
            else "Too early to judge convergence; this takes a few epochs."
        )
        return Verdict("early", text, bool(warm_up))
    rate = _rate(epochs, values)
    ten = _ten_more(curves)
    best = int(np.argmin(values))
    since = int(epochs[-1] - epochs[best])
    lost = (values[-3:].mean() - values[best]) / abs(values[best])
    trained = curves["elbo_train"] if curves.judged_by == ELBO else curves["train_loss"]
    if judged.startswith("validation") and since >= 4 and lost > RISEN and _falling(trained.values):
        kind = "overfitting"
        text = f"Training and {judged} diverge since epoch {int(epochs[best])}: the model may be overfitting."
    elif rate > LEVEL:
        kind = "improving"
        start = f"The {judged} {'was' if over else 'is'} still decreasing"
        text = f"{start} by {percent(rate)} per epoch{ten}."
    elif rate < -LEVEL:
        kind = "worse"
        text = f"The {judged} {'was rising' if over else 'is rising'} {percent(-rate)} per epoch."
        if not warm_up:
            text += " A lower learning rate may help."
    else:
        kind = "level"
        text = f"The {judged} {'had' if over else 'has'} plateaued: more epochs would change little."
    if warm_up and kind != "improving":
        # The loss contains the KL part times a weight that grows, so it may rise with nothing wrong.
        text += f" {warm_up} The weight of the KL term still increases every epoch, so this assessment is provisional."
    elif warm_up:
        text += f" {warm_up}"
    return Verdict(kind, text, bool(warm_up))


def _judged(curves: Curves) -> tuple[np.ndarray, np.ndarray, str]:
    for name, words in ((curves.judged_by, loss_words(curves.judged_by)), ("elbo_train", "training ELBO")):
        epochs, values = curves[name].finite()
        if len(values):
            return epochs, values, words.replace("KL-weighted validation", "validation")
    epochs, values = curves["train_loss"].finite()
    return epochs, values, "training loss"


def _rate(epochs: np.ndarray, values: np.ndarray) -> float:
    """Part of the loss by which it falls an epoch, from the last epochs; the steep beginning is left out."""
    n = min(WINDOW, max(3, len(values) // 2))
    slope = np.polyfit(epochs[-n:] - epochs[-1], values[-n:], 1)[0]
    return float(-slope / max(abs(values[-n:].mean()), 1e-12))


def _falling(train: np.ndarray) -> bool:
    train = train[np.isfinite(train)][-WINDOW:]
    return len(train) >= 3 and bool(np.polyfit(np.arange(len(train)), train, 1)[0] < 0)


def _ten_more(curves: Curves) -> str:
    seconds = curves.steady_seconds
    return f"; ten more epochs would take {about(10 * seconds)}" if seconds else ""


def _warm_up(spec: RunSpec, done: int, over: bool) -> str:
    length = spec.n_epochs_kl_warmup
    if not length or done >= length:
        return ""
    state = "had not ended" if over else "is still in progress"
    return f"The KL warm-up {state} (weight {done / length:.2f} of 1)."
