"""Rules of thumb that a form shows before anything heavy is imported."""

from __future__ import annotations

import math

from ..errors import BadInput

BASE_RATE = 1e-3  # scvi-tools' default, at its default minibatch size
BASE_SIZE = 128


def learning_rate(batch_size: int, rule: str = "linear", n_train: int | None = None) -> float:
    """Adam's rate for a minibatch size: ``linear`` 0.001 * size / 128, ``sqrt`` by its root, ``fixed``.

    ``n_train``: cells to train on. A minibatch cannot hold more, so the rate does not grow beyond them either.
    """
    powers = {"linear": 1.0, "sqrt": 0.5, "fixed": 0.0}
    if rule not in powers:
        raise BadInput(f"The learning rate rule is one of {', '.join(powers)}, not {rule!r}.")
    if batch_size < 1:
        raise BadInput("The minibatch size must be at least 1.")
    size = batch_size if n_train is None else min(batch_size, max(1, n_train))
    return float(f"{BASE_RATE * (size / BASE_SIZE) ** powers[rule]:.6g}")


def max_epochs_heuristic(n_obs: int) -> int:
    """Epochs for a thorough run: 400 up to 20,000 cells, then fewer: 8 million cells are seen in all.

    The same number as ``scvi.model._utils.get_max_epochs_heuristic``, without importing it.
    """
    return max(1, min(round(20_000 / max(1, n_obs) * 400), 400))


def share_of_rate(step: int, steps: int, schedule: str, warmup: float = 0.0, end: float = 0.0) -> float:
    """What part of the learning rate applies at a step of a run.

    It rises in equal parts over the first ``warmup`` of the steps, then stays (``constant``) or falls to ``end``
    at the last one, in a straight line (``linear``) or along half a cosine (``cosine``).

    Parameters
    ----------
    step
        Counted from 0, over all sessions.
    steps
        Of the whole run.
    """
    rising = warmup * steps
    if step < rising:
        return (step + 1) / (math.floor(rising) + 2)
    if schedule == "constant":
        return 1.0
    gone = min(1.0, (step - rising) / max(1.0, steps - rising))
    left = (1 + math.cos(math.pi * gone)) / 2 if schedule == "cosine" else 1 - gone
    return end + (1 - end) * left
