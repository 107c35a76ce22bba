"""Rows of a CSR matrix gathered into a minibatch, and reordered by gene.

Compiled by numba; runs without the GIL, beside the training step.
"""

# mypy: ignore-errors
# numba gives these functions types of its own, which a checker of Python types misreads.
from __future__ import annotations

import numpy as np
from numba import njit

plain = njit(cache=True, nogil=True, error_model="numpy")


@plain
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


@plain
def by_gene(indptr, indices, values, gene_indptr, cells, out):
    """CSR to CSC by counting sort. ``gene_indptr`` (G+1,) arrives as zeros."""
    for k in range(indices.shape[0]):
        gene_indptr[indices[k] + 1] += 1
    for g in range(gene_indptr.shape[0] - 1):
        gene_indptr[g + 1] += gene_indptr[g]
    for c in range(indptr.shape[0] - 1):
        for k in range(indptr[c], indptr[c + 1]):
            place = gene_indptr[indices[k]]
            cells[place] = c
            out[place] = values[k]
            gene_indptr[indices[k]] = place + 1
    for g in range(gene_indptr.shape[0] - 1, 0, -1):
        gene_indptr[g] = gene_indptr[g - 1]
    gene_indptr[0] = 0
