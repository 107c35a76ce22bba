"""How badly the model explains each cell (its reconstruction loss), and whether that is more than its counts explain.

Files: ``loss`` (nats) and ``excess``, one number a cell. A cell with more counts has a larger loss; the excess is how
far a cell lies above the median of cells with about as many, in robust standard deviations.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ._context import Context
from ._kind import Kind, Options, Progress

_CELLS = 256
BAD = 5.0  # excess of a cell that is fitted badly


def perform(context: Context, options: Options, progress: Progress) -> dict[str, Any]:
    import torch

    progress(None, "loading the model")
    model = context.model
    n_obs = model.adata.n_obs
    model.module.eval()
    loss = np.empty(n_obs, np.float32)
    torch.manual_seed(0)  # one sample of the posterior a cell, the same each time
    with torch.inference_mode():
        for begin in range(0, n_obs, _CELLS):
            progress(begin / n_obs, "asking the model about every cell")
            cells = np.arange(begin, min(n_obs, begin + _CELLS))
            for tensors in model._make_data_loader(adata=model.adata, indices=cells, batch_size=_CELLS):
                _, _, output = model.module(tensors)
                loss[cells] = sum(output.reconstruction_loss.values()).cpu().numpy()
    totals = np.asarray(model.adata.X.sum(axis=1)).ravel()
    excess = above_its_like(loss, totals)
    context.save("loss", loss)
    context.save("excess", excess)
    return {"median": float(np.median(loss)), "bad": int((excess > BAD).sum()), "n_obs": n_obs}


def above_its_like(loss: np.ndarray, totals: np.ndarray) -> np.ndarray:
    """Loss above the median of cells with about as many counts, in robust standard deviations, float32."""
    order = np.argsort(totals, kind="stable")
    n_bins = max(1, min(30, len(loss) // 50))
    middles, medians, spreads = [], [], []
    for part in np.array_split(order, n_bins):
        middle = np.median(loss[part])
        middles.append(np.log1p(np.median(totals[part])))
        medians.append(middle)
        spreads.append(1.4826 * np.median(np.abs(loss[part] - middle)))
    at = np.log1p(totals)
    expected, spread = np.interp(at, middles, medians), np.interp(at, middles, spreads)
    floor = 0.01 * max(float(np.median(np.abs(loss))), 1e-6)
    if n_bins > 1:  # beyond the outer bins' middles the median goes on rising
        for edge, inner, beyond in ((0, 1, at < middles[0]), (-1, -2, at > middles[-1])):
            rise = (medians[edge] - medians[inner]) / max(abs(middles[edge] - middles[inner]), 1e-9)
            away = np.abs(at[beyond] - middles[edge])
            expected[beyond] = medians[edge] + rise * away
    return ((loss - expected) / np.maximum(spread, floor)).astype(np.float32)


KIND = Kind("cell_loss", "How well each cell is explained", perform, weight=2.0)
