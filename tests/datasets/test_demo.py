"""The built-in data set is rebuilt exactly, or not at all."""

from __future__ import annotations

import warnings

import anndata
import numpy as np
import pytest
from scipy.sparse import csr_matrix

from backend.datasets._public import build_demo, bundled_file, demo_counts
from backend.errors import BadFile


def normalised(counts: np.ndarray, totals: np.ndarray) -> anndata.AnnData:
    """What scanpy ships, made from known counts."""
    raw = np.round(np.log1p(1e4 * counts / totals[:, None]), 3).astype(np.float32)
    adata = anndata.AnnData(csr_matrix(raw))
    adata.obs["n_counts"] = totals.astype(np.float32)
    adata.raw = adata.copy()
    return adata


@pytest.fixture(scope="module")
def demo() -> anndata.AnnData:
    return build_demo()


def test_counts_are_whole_numbers_that_give_the_published_values_again(demo: anndata.AnnData) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the shipped file is in an old encoding
        shipped = anndata.read_h5ad(bundled_file())
    values = demo.X.data
    assert np.array_equal(values, np.rint(values))
    assert values.min() == 1
    again = np.log1p(1e4 * demo.X.toarray() / shipped.obs["n_counts"].to_numpy(np.float64)[:, None])
    assert np.abs(np.round(again, 3) - shipped.raw.X.toarray()).max() < 0.0011


def test_the_demo_keeps_cell_types_embedding_and_channels(demo: anndata.AnnData) -> None:
    assert demo.shape == (700, 765)
    assert demo.obs["bulk_labels"].nunique() == 10
    assert "louvain" in demo.obs
    assert demo.obsm["X_umap"].shape == (700, 2)
    assert demo.obs["channel"].nunique() == 8


def test_known_counts_come_back_from_their_normalised_form() -> None:
    rng = np.random.default_rng(0)
    counts = rng.poisson(2.0, (30, 40)).astype(float)
    totals = counts.sum(axis=1) + 500
    assert np.array_equal(demo_counts(normalised(counts, totals)).toarray(), counts)


def test_values_that_are_no_counts_are_refused() -> None:
    shipped = normalised(np.full((5, 4), 3.0), np.full(5, 900.0))
    shipped.raw.X.data[2] += 0.02
    with pytest.raises(BadFile, match="cannot be rebuilt"):
        demo_counts(shipped)


def test_counts_too_large_to_tell_apart_after_rounding_are_refused() -> None:
    with pytest.raises(BadFile, match="cannot be rebuilt"):
        demo_counts(normalised(np.full((3, 3), 5_000.0), np.full(3, 15_000.0)))
