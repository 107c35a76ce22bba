"""Rules of thumb that a form shows before anything heavy is imported: rates, epochs, and named courses of training.

    learning_rate(512)           # 0.004
    training_cells(0.9, 2638)    # 2375, what is not left for validation
    preset("recommended", 2638)  # the RunSpec fields it sets, each of which can still be changed
    lagging_steps(spec, 2638)    # the steps of a run too short for its running averages; 0 where it is not

docs/PRESETS.md has the measurements behind the courses. Every preset sets the same fields.
"""

from __future__ import annotations

import math
from typing import Any

from ..errors import BadInput
from ..types import RunSpec

BASE_RATE = 1e-3  # scvi-tools' default, at its default minibatch size
BASE_SIZE = 128
QUICK_LOOK, USEFUL = 5, 25  # epochs of a comparison
PRESETS = ("recommended", "quick", "scvi-tools")
FORMER_PRESETS = ("fast", "useful", "thorough")  # of earlier versions: told apart, not offered
_SIZES = (
    (2_000, 64),
    (10_000, 128),
    (20_000, 256),
    (40_000, 512),
)  # below so many cells, minibatches of so many
_LARGEST = 1024  # beyond, an epoch hardly becomes quicker
_MOST = 20  # epochs of the recommended course: with 40, small data sets are overfitted
_LAG = 3  # times 1 / momentum: steps until running averages are 95 % those of the weights


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


def training_cells(train_size: float, n_obs: int) -> int:
    """How many of ``n_obs`` cells the fraction ``train_size`` trains on; rounded up, as scvi-tools does."""
    return math.ceil(train_size * n_obs)


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


def lagging_steps(spec: RunSpec, n_obs: int) -> int:
    """The optimiser steps of a run that ends before its batch norms' running averages follow; 0 where they do."""
    steps = spec.max_epochs * math.ceil(training_cells(spec.train_size, n_obs) / spec.batch_size)
    return 0 if spec.norm_recalibration or steps >= _LAG / spec.norm_momentum else steps


def preset(name: str, n_obs: int) -> dict[str, Any]:
    """What a preset sets for a data set of ``n_obs`` cells. Raises ``BadInput`` for a name there is not."""
    match name:
        case "recommended":
            return _course(n_obs, _epochs(n_obs))
        case "quick":
            return _course(n_obs, min(QUICK_LOOK, _epochs(n_obs)))
        case "scvi-tools":
            return _COURSE_OF_SCVI_TOOLS | {"max_epochs": max_epochs_heuristic(n_obs)}
    raise BadInput(f"The preset is one of {', '.join(PRESETS)}, not {name!r}.")


def kl_warmup(epochs: int) -> int:
    """Epochs after which the KL weight of the recommended course is 1: half of the run."""
    return epochs // 2


def former_preset(name: str, n_obs: int) -> dict[str, Any]:
    """What a preset of earlier versions set."""
    match name:
        case "fast":
            epochs = min(10, _epochs(n_obs))
            former = {"batch_size": max(128, _size(n_obs)), "n_epochs_kl_warmup": 2 * epochs}
            former["norm_recalibration"] = False
            return _course(n_obs, epochs) | former
        case "useful":
            return _COURSE_OF_SCVI_TOOLS | {"max_epochs": USEFUL}
    return _COURSE_OF_SCVI_TOOLS | {"max_epochs": max_epochs_heuristic(n_obs)}


def _course(n_obs: int, epochs: int) -> dict[str, Any]:
    return {
        "batch_size": _size(n_obs),
        "lr": 0.02,
        "lr_rule": "manual",
        "max_epochs": epochs,
        "n_epochs_kl_warmup": kl_warmup(epochs),
        "lr_schedule": "cosine",
        "lr_warmup": 0.1,
        "lr_end": 0.0,
        "norm_momentum": 0.1,
        "norm_recalibration": True,
        "output_start": "gene_means",
        "early_stopping": False,
    }


def _epochs(n_obs: int) -> int:
    """Of very many cells a few epochs are enough."""
    return min(_MOST, max(4, round(1_000_000 / max(1, n_obs))), max_epochs_heuristic(n_obs))


def _size(n_obs: int) -> int:
    return next((size for below, size in _SIZES if n_obs < below), _LARGEST)


_USUAL = RunSpec(dataset_id="")
_COURSE_OF_SCVI_TOOLS = {name: getattr(_USUAL, name) for name in _course(0, 0)}
