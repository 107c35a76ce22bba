"""Is the latent space reproducible on the CPU? Encode every cell again there and report the largest difference."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._context import Context
from ._kind import Kind, Options, Progress

_CELLS = 2048


def perform(context: Context, options: Options, progress: Progress) -> dict[str, Any]:
    progress(None, "loading the model")
    model, stored = context.model, context.latent
    model.to_device("cpu")
    n_obs = len(stored)
    largest, at, total = 0.0, 0, 0.0
    for begin in range(0, n_obs, _CELLS):
        progress(begin / n_obs, "encoding the cells again")
        cells = np.arange(begin, min(n_obs, begin + _CELLS))
        again = model.get_latent_representation(indices=cells)
        apart = np.abs(again - stored[cells]).max(axis=1)
        total += float(apart.sum())
        if not np.isfinite(apart).all():
            return {"largest": None, "mean": None, "cell": 0, "spread": 0.0, "device": context.record.device}
        if apart.max() > largest:
            largest, at = float(apart.max()), int(cells[apart.argmax()])
    spread = float(np.asarray(stored).std(axis=0).mean())
    return {
        "largest": largest,
        "mean": total / max(1, n_obs),
        "cell": at,
        "spread": spread,
        "device": context.record.device,
    }


KIND = Kind("reencode", "The latent space computed again", perform)
