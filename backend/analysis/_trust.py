"""Can a model be trusted? How it explains each cell, what it would simulate, whether its latent space is reproducible.

``cell_loss``: files ``loss`` (reconstruction, nats) and ``excess``, one number a cell. A cell with more counts has a
larger loss; the excess is how far a cell lies above the median of cells with about as many, in robust standard
deviations. ``predictive``: counts simulated from the model beside the observed ones (posterior predictive check) of
``n_cells`` random cells; files ``gene``, ``zeros_``, ``mean_`` and ``variance_`` of ``observed`` and ``simulated``, one
value a gene. ``reencode``: every cell encoded again on the CPU; facts, the largest difference.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..jobs import OnProgress
from ._kind import Context, Facts, Kind, Options

PerCell = npt.NDArray[np.floating[Any]]
PerGene = npt.NDArray[np.float64]
BAD = 5.0  # excess of a cell that is fitted badly
# cells of a pass
_LOSS_CELLS = 256
_SIMULATED_CELLS = 128  # dense
_ENCODED_CELLS = 2048


def _cell_loss(context: Context, options: Options, progress: OnProgress) -> Facts:
    import torch

    progress(None, "loading the model")
    model = context.model
    n_obs = model.adata.n_obs
    model.module.eval()
    loss = np.empty(n_obs, np.float32)
    torch.manual_seed(0)  # one sample of the posterior a cell, the same each time
    with torch.inference_mode():
        for begin in range(0, n_obs, _LOSS_CELLS):
            progress(begin / n_obs, "asking the model about every cell")
            cells = np.arange(begin, min(n_obs, begin + _LOSS_CELLS))
            for tensors in model._make_data_loader(adata=model.adata, indices=cells, batch_size=_LOSS_CELLS):
                _, _, output = model.module(tensors)
                loss[cells] = sum(output.reconstruction_loss.values()).cpu().numpy()
    totals = np.asarray(model.adata.X.sum(axis=1)).ravel()
    excess = above_its_like(loss, totals)
    context.save("loss", loss)
    context.save("excess", excess)
    return {"median": float(np.median(loss)), "bad": int((excess > BAD).sum()), "n_obs": n_obs}


def above_its_like(loss: PerCell, totals: PerCell) -> npt.NDArray[np.float32]:
    """Loss above the median of cells with about as many counts, in robust standard deviations."""
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
    excess: npt.NDArray[np.float32] = ((loss - expected) / np.maximum(spread, floor)).astype(np.float32)
    return excess


def _predictive(context: Context, options: Options, progress: OnProgress) -> Facts:
    import torch

    progress(None, "loading the model")
    model, adata = context.model, context.adata
    n = min(int(options["n_cells"]), adata.n_obs)
    cells = np.sort(np.random.default_rng(0).choice(adata.n_obs, n, replace=False))
    torch.manual_seed(0)
    observed, simulated = _Moments(adata.n_vars), _Moments(adata.n_vars)
    for begin in range(0, n, _SIMULATED_CELLS):
        progress(begin / n, "simulating cells")
        part = cells[begin : begin + _SIMULATED_CELLS]
        observed.add(adata.X[part].toarray())
        simulated.add(
            model.posterior_predictive_sample(
                indices=part, batch_size=_SIMULATED_CELLS, silent=True
            ).todense()
        )
    context.save("gene", np.array(adata.var_names, dtype=str))
    for name, moments in (("observed", observed), ("simulated", simulated)):
        context.save(f"zeros_{name}", moments.zeros.astype(np.float32))
        context.save(f"mean_{name}", moments.mean.astype(np.float32))
        context.save(f"variance_{name}", moments.variance.astype(np.float32))
    return {"n_cells": n, "n_genes": adata.n_vars}


class _Moments:
    """Sums over cells for each of G genes, in float64, a block at a time."""

    def __init__(self, n_vars: int) -> None:
        self._n = 0
        self._zeros, self._sum, self._squares = np.zeros(n_vars), np.zeros(n_vars), np.zeros(n_vars)

    def add(self, counts_CG: npt.ArrayLike) -> None:
        block = np.asarray(counts_CG, dtype=np.float64)
        self._n += len(block)
        self._zeros += (block == 0).sum(axis=0)
        self._sum += block.sum(axis=0)
        self._squares += (block**2).sum(axis=0)

    @property
    def zeros(self) -> PerGene:
        return np.asarray(self._zeros / max(1, self._n))

    @property
    def mean(self) -> PerGene:
        return np.asarray(self._sum / max(1, self._n))

    @property
    def variance(self) -> PerGene:
        return np.asarray(np.maximum(self._squares / max(1, self._n) - self.mean**2, 0.0))


def _reencode(context: Context, options: Options, progress: OnProgress) -> Facts:
    progress(None, "loading the model")
    model, stored = context.model, context.latent
    model.to_device("cpu")
    n_obs = len(stored)
    largest, at, total = 0.0, 0, 0.0
    for begin in range(0, n_obs, _ENCODED_CELLS):
        progress(begin / n_obs, "encoding the cells again")
        cells = np.arange(begin, min(n_obs, begin + _ENCODED_CELLS))
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


CELL_LOSS = Kind("cell_loss", "How well each cell is explained", _cell_loss, weight=2.0)
PREDICTIVE = Kind(
    "predictive", "Simulated against observed counts", _predictive, {"n_cells": 1000}, weight=3.0
)
REENCODE = Kind("reencode", "The latent space computed again", _reencode)
