"""What the curve says, in one plain sentence or two: still improving, levelled off, overfitting, too early.

    verdict(curves, spec, over=False).text    # "The loss is still decreasing by 0.4 % per epoch; …"

Pure. Judged on the validation loss where there is one, by a straight line through its last epochs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backend.types import Curves, RunSpec
from backend.words import about, percent

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
    if judged == "validation" and since >= 4 and lost > RISEN and _falling(curves["train_loss"].values):
        kind = "overfitting"
        text = f"Training and validation loss diverge since epoch {int(epochs[best])}: the model may be overfitting."
    elif rate > LEVEL:
        kind = "improving"
        start = "The loss was still decreasing" if over else "The loss is still decreasing"
        text = f"{start} by {percent(rate)} per epoch{ten}."
    elif rate < -LEVEL:
        kind = "worse"
        text = f"The {judged} loss {'was rising' if over else 'is rising'} {percent(-rate)} per epoch."
        if not warm_up:
            text += " A lower learning rate may help."
    else:
        kind = "level"
        text = f"The {judged} loss {'had' if over else 'has'} plateaued: more epochs would change little."
    if warm_up and kind != "improving":
        # The loss contains the KL part times a weight that grows, so it may rise with nothing wrong.
        text += f" {warm_up} The weight of the KL term still increases every epoch, so this assessment is provisional."
    elif warm_up:
        text += f" {warm_up}"
    return Verdict(kind, text, bool(warm_up))


def _judged(curves: Curves) -> tuple[np.ndarray, np.ndarray, str]:
    epochs, values = curves["validation_loss"].finite()
    if len(values):
        return epochs, values, "validation"
    epochs, values = curves["train_loss"].finite()
    return epochs, values, "training"


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
