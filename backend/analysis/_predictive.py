"""Counts simulated from the model beside the observed ones, gene by gene (posterior predictive check).

Option: ``n_cells``, drawn at random. Files, one value a gene, over the same cells: ``gene``, ``zeros_observed``,
``zeros_simulated`` (fractions), ``mean_observed``, ``mean_simulated``, ``variance_observed``, ``variance_simulated``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ._context import Context
from ._kind import Kind, Options, Progress

_CELLS = 128  # dense at once


def perform(context: Context, options: Options, progress: Progress) -> dict[str, Any]:
    import torch

    progress(None, "loading the model")
    model, adata = context.model, context.adata
    n = min(int(options["n_cells"]), adata.n_obs)
    cells = np.sort(np.random.default_rng(0).choice(adata.n_obs, n, replace=False))
    torch.manual_seed(0)
    observed, simulated = _Moments(adata.n_vars), _Moments(adata.n_vars)
    for begin in range(0, n, _CELLS):
        progress(begin / n, "simulating cells")
        part = cells[begin : begin + _CELLS]
        observed.add(adata.X[part].toarray())
        simulated.add(
            model.posterior_predictive_sample(indices=part, batch_size=_CELLS, silent=True).todense()
        )
    context.save("gene", np.array(adata.var_names, dtype=str))
    for name, moments in (("observed", observed), ("simulated", simulated)):
        context.save(f"zeros_{name}", moments.zeros.astype(np.float32))
        context.save(f"mean_{name}", moments.mean.astype(np.float32))
        context.save(f"variance_{name}", moments.variance.astype(np.float32))
    return {"n_cells": n, "n_genes": adata.n_vars}


class _Moments:
    """Sums over cells, in float64, a block at a time."""

    def __init__(self, n_vars: int) -> None:
        self._n = 0
        self._zeros, self._sum, self._squares = np.zeros(n_vars), np.zeros(n_vars), np.zeros(n_vars)

    def add(self, block: np.ndarray) -> None:
        block = np.asarray(block, dtype=np.float64)
        self._n += len(block)
        self._zeros += (block == 0).sum(axis=0)
        self._sum += block.sum(axis=0)
        self._squares += (block**2).sum(axis=0)

    @property
    def zeros(self) -> np.ndarray:
        return self._zeros / max(1, self._n)

    @property
    def mean(self) -> np.ndarray:
        return self._sum / max(1, self._n)

    @property
    def variance(self) -> np.ndarray:
        return np.maximum(self._squares / max(1, self._n) - self.mean**2, 0.0)


KIND = Kind(
    "predictive", "Simulated against observed counts", perform, defaults={"n_cells": 1000}, weight=3.0
)
