"""Selecting variable genes: as scanpy does it, and the next best way where its curve does not fit."""

import warnings

import anndata
import numpy as np
import pandas as pd
import pytest
import scanpy
from scipy import sparse

from backend.datasets import _matrices, _seurat, prepare_source
from backend.errors import BadInput
from backend.types import PrepareSpec, notice
from tests.datasets.sample_files import ref, selected, told, write


def varied(n_obs: int = 300, n_vars: int = 120, seed: int = 0) -> np.ndarray:
    """Counts in which every sixth gene varies more than its mean explains."""
    rng = np.random.default_rng(seed)
    rate = rng.gamma(1.0, 2.0, n_vars) + 0.3
    groups = rng.integers(0, 3, n_obs)
    rates = np.tile(rate, (n_obs, 1))
    rates[:, ::6] *= rng.gamma(0.5, 2.0, (3, len(rate[::6])))[groups]
    dense = rng.poisson(rates).astype(np.float32)
    dense[:, 1] += 1  # no cell is empty
    return dense


def batches(sizes):
    labels = np.concatenate([[f"b{i}"] * size for i, size in enumerate(sizes)])
    return pd.DataFrame({"batch": pd.Categorical(labels)}, index=[f"c{i}" for i in range(sum(sizes))])


@pytest.fixture
def select(tmp_path):
    """Prepare all genes, then a selection from that file."""

    def run(dense, spec, obs=None, full=True):
        source = write(tmp_path / "a.h5ad", sparse.csr_matrix(dense), **({} if obs is None else {"obs": obs}))
        for name in ("full", "out"):
            (tmp_path / name).mkdir()
        whole = tmp_path / "full/data.h5ad" if full else None
        if full:
            prepare_source(
                ref(source), PrepareSpec(drop_empty_cells=True), tmp_path / "full", lambda *_: None
            )
        facts = prepare_source(ref(source), spec, tmp_path / "out", lambda *_: None, full=whole)
        assert [file.name for file in (tmp_path / "out").iterdir()] == ["data.h5ad"]
        return anndata.read_h5ad(tmp_path / "out/data.h5ad"), facts

    return run


@pytest.mark.parametrize("key", [None, "batch"])
@pytest.mark.parametrize("block", [500, 10**6])
def test_the_same_genes_and_measures_as_scanpy(select, monkeypatch, key, block):
    monkeypatch.setattr(_matrices, "BLOCK_ENTRIES", block)
    monkeypatch.setattr(_seurat, "BLOCK_ENTRIES", block)
    dense, obs = varied(), batches([150, 150])
    adata, facts = select(dense, PrepareSpec(n_top_genes=20, hvg_batch_key=key), obs)
    truth = anndata.AnnData(
        sparse.csr_matrix(dense), obs=obs, var=pd.DataFrame(index=[f"gene{i}" for i in range(120)])
    )
    scanpy.pp.highly_variable_genes(truth, flavor="seurat_v3", n_top_genes=20, batch_key=key)
    assert list(adata.var_names) == list(truth.var_names[truth.var["highly_variable"]])
    np.testing.assert_array_equal(adata.X.toarray(), dense[:, truth.var["highly_variable"]])
    assert told(facts) == [selected(per_batch=bool(key), batches=2 if key else 0)]
    for measure in ("means", "variances", "variances_norm", "highly_variable_rank"):
        np.testing.assert_allclose(
            adata.var[measure], truth.var.loc[truth.var["highly_variable"], measure], rtol=1e-6
        )


def test_what_was_changed_before_the_selection_is_still_said(select):
    dense = varied()
    dense[5] = 0
    _, facts = select(dense, PrepareSpec(n_top_genes=20, drop_empty_cells=True))
    assert told(facts) == [notice("empty_cells_dropped", n=1), selected()]


def test_without_a_file_of_all_genes_one_is_made_on_the_way(select):
    adata, facts = select(varied(), PrepareSpec(n_top_genes=20), full=False)
    assert (adata.n_vars, facts["n_vars"]) == (20, 20)


def test_missing_batches_count_as_one_batch(select):
    obs = batches([150, 150])
    obs.loc[obs.index[:60], "batch"] = None
    _, facts = select(varied(), PrepareSpec(n_top_genes=20, hvg_batch_key="batch"), obs)
    assert told(facts) == [selected(per_batch=True, batches=3)]


def test_a_tiny_batch_does_not_stop_the_selection_nor_the_process(select):
    _, facts = select(varied(), PrepareSpec(n_top_genes=20, hvg_batch_key="batch"), batches([150, 149, 1]))
    assert told(facts) == [selected(per_batch=True, batches=3, left_out=1)]


def test_batches_that_are_all_too_small_are_set_aside(select):
    obs = batches([1] * 300)
    _, facts = select(varied(), PrepareSpec(n_top_genes=20, hvg_batch_key="batch"), obs)
    assert told(facts) == [selected(fell_back=True)]


def test_a_wider_curve_is_tried_where_the_usual_one_fails(select, monkeypatch):
    import skmisc.loess

    real = skmisc.loess.loess

    def strict(x, y, span, degree):
        if span < 0.5:
            raise ValueError("svddc failed in l2fit.")
        return real(x, y, span=span, degree=degree)

    monkeypatch.setattr(skmisc.loess, "loess", strict)
    adata, facts = select(varied(), PrepareSpec(n_top_genes=20))
    assert adata.n_vars == 20
    assert told(facts) == [selected(wider_fits=1)]


def test_where_no_curve_fits_variance_to_mean_decides(select, monkeypatch):
    monkeypatch.setattr(_seurat, "_expected_deviation", lambda *_: (0.0, None))
    dense = varied()
    adata, facts = select(dense, PrepareSpec(n_top_genes=20))
    ratio = dense.var(0, ddof=1) / dense.mean(0)
    assert set(adata.var_names) == {f"gene{i}" for i in np.argsort(-ratio)[:20]}
    assert told(facts) == [selected(method="variance_to_mean", fell_back=True)]


def test_a_handful_of_cells_still_gives_a_selection(select):
    dense = varied(12, 30)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # the user must not see numpy complain either
        adata, _ = select(dense, PrepareSpec(n_top_genes=5, hvg_batch_key="batch"), batches([6, 6]))
    assert adata.n_vars == 5


def test_cells_without_counts_in_the_selection_are_dropped_and_said(select):
    dense = varied()
    dense[10] = 0
    dense[10, 1] = 1  # only in a gene that does not vary
    dense[:, 1] = 1
    adata, facts = select(dense, PrepareSpec(n_top_genes=10))
    assert "c10" not in adata.obs_names
    assert "cell10" not in adata.obs_names
    assert adata.n_obs == 299
    assert notice("selection_emptied_cells", n=1) in told(facts)


def test_asking_for_more_genes_than_there_are_keeps_all(select):
    adata, facts = select(varied(), PrepareSpec(n_top_genes=5000))
    assert adata.n_vars == 120
    assert told(facts)[0].code == "all_genes_kept"


@pytest.mark.parametrize(
    "spec", [PrepareSpec(n_top_genes=0), PrepareSpec(n_top_genes=9, hvg_batch_key="nothing")]
)
def test_senseless_wishes_are_refused(select, spec):
    with pytest.raises(BadInput):
        select(varied(), spec)
