"""Counts kept on the card give the minibatches that the mapped file gives; the processor plays the card."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pytest
import torch
from scipy import sparse
from scvi.model import SCVI

from backend.training._minibatches import CsrCells


@pytest.mark.parametrize("size_factors", [False, True])
def test_resident_counts_make_the_same_minibatches(size_factors: bool) -> None:
    rng = np.random.default_rng(0)
    counts = rng.poisson(0.4, (60, 30)).astype(np.float32)
    counts[7] = 0
    adata = ad.AnnData(sparse.csr_matrix(counts))
    adata.obs["donor"] = np.array(list("abc") * 20)
    adata.obs["size"] = rng.uniform(0.5, 2, 60)
    adata.obs["age"] = rng.normal(size=60)
    SCVI.setup_anndata(
        adata,
        batch_key="donor",
        size_factor_key="size" if size_factors else None,
        continuous_covariate_keys=["age"],
    )
    model = SCVI(adata, n_hidden=8)
    mapped, resident = CsrCells(model), CsrCells(model)
    resident.settle(torch.device("cpu"))
    for cells in (np.array([3, 7, 59, 0]), np.array([7]), rng.permutation(60)):
        one, other = mapped.minibatch(cells), resident.minibatch(cells)
        for name in ("indptr", "indices", "values"):
            assert torch.equal(getattr(one.counts, name), getattr(other.counts, name))
        torch.testing.assert_close(one.inputs.values, other.inputs.values)
        for name in ("scale", "batch", "labels", "continuous"):
            torch.testing.assert_close(getattr(one, name), getattr(other, name))
