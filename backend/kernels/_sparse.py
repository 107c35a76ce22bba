"""The CPU kernels of the sparse encoder layer (numba), by gene: every weight row is touched once a minibatch."""

# mypy: ignore-errors
# numba gives these functions types of its own, which a checker of Python types misreads.
from __future__ import annotations

import numpy as np
from numba import njit

fast = njit(cache=True, nogil=True, error_model="numpy", fastmath=True)


@fast
def multiply(low, high, gene_ptr, cells, values, weight, out):
    """out[:, low:high] = X @ weight[:, low:high]; threads share the columns, so that none writes where another does."""
    out[:, low:high] = np.float32(0.0)
    for g in range(gene_ptr.shape[0] - 1):
        w = weight[g, low:high]
        for k in range(gene_ptr[g], gene_ptr[g + 1]):
            y, v = out[cells[k], low:high], values[k]
            for h in range(w.shape[0]):
                y[h] += v * w[h]


@fast
def multiply_transposed(low, high, gene_ptr, cells, values, d_out, d_weight):
    """d_weight[low:high] = X.T @ d_out, genes low..high."""
    for g in range(low, high):
        d = d_weight[g]
        d[:] = np.float32(0.0)
        for k in range(gene_ptr[g], gene_ptr[g + 1]):
            y, v = d_out[cells[k]], values[k]
            for h in range(d.shape[0]):
                d[h] += v * y[h]
