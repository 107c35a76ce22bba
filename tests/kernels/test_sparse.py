"""Gathering rows, and the sparse layer's products against plain dense arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from backend.kernels import CsrCounts, _numba, _reference, _torch, gather_rows


def matrix(n_obs: int, n_vars: int, density: float = 0.2) -> sp.csr_matrix:
    X = sp.random(
        n_obs, n_vars, density, format="csr", dtype=np.float32, random_state=np.random.default_rng(3)
    )
    X.sort_indices()
    return X


def test_rows_are_gathered_in_the_order_asked_with_their_totals():
    X = matrix(20, 30)
    cells = np.array([7, 0, 7, 19])
    wanted = X[cells]
    indptr, indices = np.empty(5, np.int64), np.empty(wanted.nnz, np.int32)
    values, library = np.empty(wanted.nnz, np.float32), np.empty(4, np.float32)
    gather_rows(cells, X.indptr, X.indices, X.data, indptr, indices, values, library)
    assert (sp.csr_matrix((values, indices, indptr), wanted.shape) != wanted).nnz == 0
    np.testing.assert_allclose(library, wanted.sum(1).A1, rtol=1e-6)


def test_genes_of_a_row_come_ascending_however_they_are_stored():
    indptr, indices = np.array([0, 3, 5]), np.array([4, 0, 2, 1, 3], np.int32)
    values = np.array([5, 1, 3, 2, 4], np.float32)
    found = np.empty(3, np.int64), np.empty(5, np.int32), np.empty(5, np.float32)
    gather_rows(np.array([1, 0]), indptr, indices, values, *found, np.empty(2, np.float32))
    np.testing.assert_array_equal(found[1], [1, 3, 0, 2, 4])
    np.testing.assert_array_equal(found[2], [2, 4, 1, 3, 5])


def csr(X: sp.csr_matrix) -> CsrCounts:
    arrays = X.indptr.astype(np.int64), X.indices, X.data
    return CsrCounts(*(torch.from_numpy(a) for a in arrays), X.shape[1])


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (9, 1), (33, 57), (5, 700)], ids=str)
@pytest.mark.parametrize("threads", [1, 3])
def test_products_agree_with_dense_ones(shape, threads):
    inputs = csr(matrix(*shape, density=0.5))
    torch.manual_seed(0)
    weight, d_out = torch.randn(shape[1], 24), torch.randn(shape[0], 24)
    found, wanted = torch.empty_like(weight), torch.empty_like(weight)
    for implementation, options in ((_numba, {"threads": threads}), (_torch, {})):
        torch.testing.assert_close(
            implementation.multiply(inputs, weight, **options), _reference.multiply(inputs, weight)
        )
        torch.testing.assert_close(
            implementation.multiply_transposed(inputs, d_out, found, **options),
            _reference.multiply_transposed(inputs, d_out, wanted),
        )
