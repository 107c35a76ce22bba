"""Named courses of training: how long, and for ``fast`` also minibatch size, rates and where the model begins.

    preset("fast", n_obs=2638)   # the RunSpec fields it sets, each of which can still be changed

``fast`` reaches in a few epochs the validation ELBO that scvi-tools' own values reach in 25; docs/fast-preset.md has
the evidence and what was tried besides. The others set the number of epochs alone.
"""

from __future__ import annotations

from typing import Any

from ..errors import BadInput
from ._schedule import max_epochs_heuristic

QUICK_LOOK, USEFUL = 5, 25
PRESETS = ("quick", "fast", "useful", "thorough")
_FAST_SIZES = ((10_000, 128), (20_000, 256), (40_000, 512))  # below so many cells, minibatches of so many
_FAST_LARGEST = 1024  # beyond, an epoch hardly becomes quicker


def preset(name: str, n_obs: int) -> dict[str, Any]:
    """What a preset sets for a data set of ``n_obs`` cells. Raises ``BadInput`` for a name there is not."""
    match name:
        case "quick":
            return {"max_epochs": QUICK_LOOK}
        case "useful":
            return {"max_epochs": USEFUL}
        case "thorough":
            return {"max_epochs": max_epochs_heuristic(n_obs)}
        case "fast":
            return _fast(n_obs)
    raise BadInput(f"The preset is one of {', '.join(PRESETS)}, not {name!r}.")


def _fast(n_obs: int) -> dict[str, Any]:
    epochs = min(10, max(4, round(1_000_000 / max(1, n_obs))), max_epochs_heuristic(n_obs))
    return {
        "batch_size": next((size for below, size in _FAST_SIZES if n_obs < below), _FAST_LARGEST),
        "lr": 0.02,
        "lr_rule": "manual",
        "max_epochs": epochs,
        # KL at half its weight in the end: with all of it, clusters were less clear
        "n_epochs_kl_warmup": 2 * epochs,
        "lr_schedule": "cosine",
        "lr_warmup": 0.1,
        "lr_end": 0.0,
        "norm_momentum": 0.1,
        "output_start": "gene_means",
    }
