"""Gathering rows, ordering them by gene, and the sparse layer against plain dense arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from backend.kernels import (
    CsrCounts,
    GeneOrder,
    KernelOptions,
    _numba,
    _reference,
    _torch,
    by_gene,
    gather_rows,
    sparse_linear,
)


def matrix(n_obs: int, n_vars: int, density: float = 0.2) -> sp.csr_matrix:
    X = sp.random(
        n_obs, n_vars, density, format="csr", dtype=np.float32, random_state=np.random.default_rng(3)
    )
    X.sort_indices()
    return X


def ordered(X: sp.csr_matrix) -> GeneOrder:
    indptr = np.zeros(X.shape[1] + 1, np.int64)
    cells, values = np.empty(X.nnz, np.int32), np.empty(X.nnz, np.float32)
    by_gene(X.indptr, X.indices, X.data, indptr, cells, values)
    return GeneOrder(*(torch.from_numpy(a) for a in (indptr, cells, values)), X.shape[0])


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


def test_ordering_by_gene_is_scipys_csc():
    X = matrix(20, 30)
    found, wanted = ordered(X), X.tocsc()
    np.testing.assert_array_equal(found.indptr, wanted.indptr)
    np.testing.assert_array_equal(found.cells, wanted.indices)
    np.testing.assert_array_equal(found.values, wanted.data)


def csr(X: sp.csr_matrix) -> CsrCounts:
    arrays = X.indptr.astype(np.int64), X.indices, X.data
    return CsrCounts(*(torch.from_numpy(a) for a in arrays), X.shape[1])


def test_inputs_by_gene_are_the_same_by_cell():
    X = matrix(20, 30)
    found, wanted = ordered(X).by_cell(), csr(X)
    for name in ("indptr", "indices", "values"):
        assert torch.equal(getattr(found, name), getattr(wanted, name)), name


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (9, 1), (33, 57), (5, 700)], ids=str)
@pytest.mark.parametrize("threads", [1, 3])
def test_products_agree_with_dense_ones(shape, threads):
    inputs = csr(matrix(*shape, density=0.5))
    torch.manual_seed(0)
    weight, d_out = torch.randn(shape[1], 24), torch.randn(shape[0], 24)
    for implementation, options in ((_numba, {"threads": threads}), (_torch, {})):
        torch.testing.assert_close(
            implementation.multiply(inputs, weight, **options), _reference.multiply(inputs, weight)
        )
        torch.testing.assert_close(
            implementation.multiply_transposed(inputs, d_out, **options),
            _reference.multiply_transposed(inputs, d_out),
        )


@pytest.mark.parametrize("with_covariates", [False, True])
@pytest.mark.parametrize("order", [csr, ordered])
def test_the_sparse_layer_has_the_gradient_of_a_dense_one(order, with_covariates):
    X = matrix(11, 17)
    torch.manual_seed(0)
    covariates = torch.randn(11, 3) if with_covariates else None
    width = 17 + (3 if with_covariates else 0)
    weight = torch.randn(width, 6).t().requires_grad_()
    dense = torch.from_numpy(X.toarray())
    if covariates is not None:
        dense = torch.cat((dense, covariates), dim=1)
    out = sparse_linear(weight, order(X), covariates, KernelOptions())
    torch.testing.assert_close(out, dense @ weight.t())
    upstream = torch.randn(11, 6)
    (found,) = torch.autograd.grad(out, weight, upstream)
    torch.testing.assert_close(found, upstream.t() @ dense)
