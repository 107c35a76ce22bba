"""The CPU kernels on CSR matrices (numba): a minibatch's rows gathered and multiplied.

Gathering runs without the GIL, beside the training step. The encoder's first layer goes cell by cell, a block of genes
at a time: the block's weights, or their gradients, stay in the second-level cache while all cells pass. Genes must
ascend within a cell. Indices are unsigned, since numba wraps signed ones.
"""

# mypy: ignore-errors
# numba gives these functions types of its own, which a checker of Python types misreads.
from __future__ import annotations

import numpy as np

from ._compiled import exact, finite

u32, u64 = np.uint32, np.uint64
BLOCK = 256  # genes


@exact
def gather_rows(cells, indptr, indices, values, out_indptr, out_indices, out_values, library):
    """Copy the rows ``cells`` into buffers of the right length, genes ascending; ``library`` gets each row's sum."""
    position = 0
    out_indptr[0] = 0
    for i in range(cells.shape[0]):
        total, begin, ascending = 0.0, position, True
        for k in range(indptr[cells[i]], indptr[cells[i] + 1]):
            out_indices[position] = indices[k]
            out_values[position] = values[k]
            total += values[k]
            ascending &= position == begin or out_indices[position - 1] < indices[k]
            position += 1
        if not ascending:
            order = np.argsort(out_indices[begin:position])
            out_indices[begin:position] = out_indices[begin:position][order]
            out_values[begin:position] = out_values[begin:position][order]
        library[i] = total
        out_indptr[i + 1] = position


@finite
def multiply(low, high, indptr, indices, values, weight, out):
    """out[low:high] = X[low:high] @ weight."""
    n_vars, width = weight.shape[0], u64(weight.shape[1])
    reached = indptr[low:high].copy()
    out[low:high] = np.float32(0.0)
    for start in range(0, n_vars, BLOCK):
        end = u64(min(start + BLOCK, n_vars))
        for i in range(low, high):
            c, k, last = u64(i), u64(reached[i - low]), u64(reached[i - low])
            while last < u64(indptr[i + 1]) and u64(indices[last]) < end:
                last += u64(1)
            reached[i - low] = last
            while k + u64(3) < last:  # four weight rows for each time that the sum is read and written
                k1, k2, k3 = k + u64(1), k + u64(2), k + u64(3)
                g, g1, g2, g3 = u32(indices[k]), u32(indices[k1]), u32(indices[k2]), u32(indices[k3])
                v, v1, v2, v3 = values[k], values[k1], values[k2], values[k3]
                for h in range(width):
                    out[c, h] += (
                        v * weight[g, h] + v1 * weight[g1, h] + v2 * weight[g2, h] + v3 * weight[g3, h]
                    )
                k += u64(4)
            while k < last:
                g, v = u32(indices[k]), values[k]
                for h in range(width):
                    out[c, h] += v * weight[g, h]
                k += u64(1)


@finite
def multiply_transposed(low, high, indptr, indices, values, d_out, d_weight):
    """d_weight[low:high] = (X.T @ d_out)[low:high]; threads share the genes, so that none writes where another does."""
    n_obs, width = d_out.shape[0], u64(d_out.shape[1])
    reached = np.empty(n_obs, np.int64)
    for i in range(n_obs):
        row = indices[indptr[i] : indptr[i + 1]]
        reached[i] = indptr[i] + np.searchsorted(row, low)
    d_weight[low:high] = np.float32(0.0)
    for start in range(low, high, BLOCK):
        end = u64(min(start + BLOCK, high))
        for i in range(n_obs):
            c, k = u64(i), u64(reached[i])
            while k < u64(indptr[i + 1]) and u64(indices[k]) < end:
                g, v = u32(indices[k]), values[k]
                for h in range(width):
                    d_weight[g, h] += v * d_out[c, h]
                k += u64(1)
            reached[i] = k
