"""Quality control: what is measured equals scanpy's, and the cells that stay are those within the limits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest
import scanpy
from scipy import sparse

from backend.datasets import DatasetLibrary, measure_quality, prepare_source
from backend.errors import BadInput
from backend.quality import CLASSES, CellQuality, Samples, gene_classes, judge, outliers, suggestions
from backend.settings import Settings
from backend.types import Notice, PrepareSpec, find_notice
from backend.words import sentence
from tests.datasets.sample_files import ref, write, write_tenx

SYMBOLS = ["MT-ND1", "MT-CO1", "RPS6", "RPL10A", "RPS6KA1", "HBB", "HBA1", "HBEGF", "ACTB", "GAPDH"]
QUIET: Any = lambda *_: None  # noqa: E731


def sick_and_well(n_obs: int = 300, n_vars: int = 120, seed: int = 1) -> anndata.AnnData:
    """Cells of two samples; ten have most of their counts in mitochondrial genes, ten hardly any counts."""
    rng = np.random.default_rng(seed)
    names = SYMBOLS + [f"GENE{i}" for i in range(n_vars - len(SYMBOLS))]
    depth = rng.lognormal(0.0, 0.3, (n_obs, 1)) * 1.5
    dense = rng.poisson(depth * rng.gamma(1.0, 1.5, (1, n_vars)))
    dense[:10, :2] += 200
    dense[10:20] = 0
    dense[10:20, 8] = 2
    obs = pd.DataFrame(
        {"sample": pd.Categorical(np.where(np.arange(n_obs) % 3, "a", "b"))},
        index=[f"cell{i}" for i in range(n_obs)],
    )
    return anndata.AnnData(
        sparse.csr_matrix(dense.astype(np.float32)), obs=obs, var=pd.DataFrame(index=names)
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    sick_and_well().write_h5ad(tmp_path / "cells.h5ad")
    return tmp_path / "cells.h5ad"


def prepared(path: Path, folder: Path, spec: PrepareSpec) -> tuple[anndata.AnnData, tuple[Notice, ...]]:
    folder.mkdir()
    facts = prepare_source(ref(path), spec, folder, QUIET)
    return anndata.read_h5ad(folder / "data.h5ad"), tuple(map(Notice.from_dict, facts["notices"]))


@pytest.mark.parametrize("layout", [sparse.csr_matrix, sparse.csc_matrix, np.asarray])
def test_what_is_measured_equals_scanpy_however_it_is_stored(tmp_path: Path, layout: Any) -> None:
    adata = sick_and_well()
    dense = adata.X.toarray()
    write(tmp_path / "a.h5ad", layout(dense), obs=adata.obs, var=adata.var)
    found = measure_quality(ref(tmp_path / "a.h5ad"), PrepareSpec(), tmp_path, QUIET)
    masks = gene_classes(adata.var).masks
    for i, name in enumerate(CLASSES):
        adata.var[name] = masks[:, i]
    scanpy.pp.calculate_qc_metrics(adata, qc_vars=list(CLASSES), percent_top=None, log1p=False, inplace=True)
    cells = found.cells
    np.testing.assert_array_equal(cells.counts, adata.obs["total_counts"])
    np.testing.assert_array_equal(cells.genes, adata.obs["n_genes_by_counts"])
    for name, share in (("mt", cells.pct_mt), ("ribo", cells.pct_ribo), ("hb", cells.pct_hb)):
        np.testing.assert_allclose(share, adata.obs[f"pct_counts_{name}"], rtol=1e-6)
    assert found.report.class_genes == {"mt": 2, "ribo": 2, "hb": 2}
    for fewest in (1, 3, 50):
        assert found.rare_genes(fewest) == int((adata.var["n_cells_by_counts"] < fewest).sum())
    assert found.report.sample_columns == ("sample",)
    assert found.samples("sample").names == ("a", "b")


@pytest.mark.parametrize(
    ("names", "columns", "expected"),
    [
        (["mt-Nd1", "Mt-co1", "Rps6", "Hba-a1", "Hbb-bs", "Mtor"], {}, (2, 1, 2)),
        (["GRCh38_MT-ND1", "mm10___mt-Nd1", "GRCh38_ACTB", "MT1X"], {}, (2, 0, 0)),
        (["MT.ND1", "RPLP0", "RPSA", "HBP1", "HBS1L"], {}, (1, 2, 0)),
        (["nduo-1", "ctb-1", "rps-5", "rpl-22"], {}, (2, 2, 0)),
        (["ENSG00000198888.2", "ENSMUSG00000064351", "ENSG00000075624"], {}, (2, 0, 0)),
        (["ENSG00000198888", "ENSG00000244734"], {"feature_name": ["MT-ND1", "HBB"]}, (1, 0, 1)),
        (["1", "2"], {"gene": ["MT-ND1", "RPL3"], "n_cells": [3, 4]}, (1, 1, 0)),
        (["a", "b"], {}, (0, 0, 0)),
    ],
)
def test_genes_are_recognised_by_species_and_kind_of_name(
    names: list[str], columns: dict[str, list[Any]], expected: tuple[int, ...]
) -> None:
    assert tuple(gene_classes(pd.DataFrame(columns, index=names)).masks.sum(axis=0)) == expected


LIMITS: dict[str, dict[str, Any]] = {
    "min_counts": {"min_counts": 60},
    "max_counts": {"max_counts": 300},
    "min_genes": {"min_genes": 30},
    "max_genes": {"max_genes": 80},
    "max_pct_mt": {"max_pct_mt": 20.0},
    "max_mads": {"max_mads": 5.0, "qc_sample_key": "sample"},
    "all": {"min_counts": 60, "max_genes": 90, "max_pct_mt": 20.0, "max_mads": 4.0, "min_cells_per_gene": 3},
}


@pytest.mark.parametrize("name", LIMITS)
def test_the_cells_that_stay_are_those_within_the_limits(file: Path, tmp_path: Path, name: str) -> None:
    spec = PrepareSpec(drop_empty_cells=True, **LIMITS[name])
    adata, notices = prepared(file, tmp_path / "out", spec)
    every = anndata.read_h5ad(file)
    dense = every.X.toarray().astype(np.float64)
    total, genes = dense.sum(axis=1), (dense > 0).sum(axis=1)
    pct_mt = 100 * dense[:, :2].sum(axis=1) / total
    keep = total >= spec.min_counts
    keep &= genes >= spec.min_genes
    if spec.max_counts is not None:
        keep &= total <= spec.max_counts
    if spec.max_genes is not None:
        keep &= genes <= spec.max_genes
    if spec.max_pct_mt is not None:
        keep &= pct_mt <= spec.max_pct_mt
    if spec.max_mads is not None:
        for sample in ("a", "b") if spec.qc_sample_key else (None,):
            mine = np.ones(len(every), bool) if sample is None else (every.obs["sample"] == sample).to_numpy()
            for values in (np.log1p(total), np.log1p(genes), pct_mt):
                median = np.median(values[mine])
                mad = np.median(np.abs(values[mine] - median))
                below = (values < median - spec.max_mads * mad) & (values is not pct_mt)
                keep &= ~(mine & ((values > median + spec.max_mads * mad) | below))
    assert 0 < (~keep).sum() < len(keep)
    kept_genes = (dense[keep] > 0).sum(axis=0) >= spec.min_cells_per_gene
    assert list(adata.obs_names) == list(every.obs_names[keep])
    np.testing.assert_array_equal(adata.X.toarray(), dense[keep][:, kept_genes])
    np.testing.assert_array_equal(adata.obs["total_counts"], total[keep])
    told = find_notice(notices, "cells_filtered")
    assert told is not None
    assert (told.params["n"], told.params["of"]) == (int((~keep).sum()), len(every))
    assert sentence(told).startswith(f"Quality control removed {(~keep).sum()} of 300 cells: ")


def test_limits_that_remove_nobody_are_told_as_well(file: Path, tmp_path: Path) -> None:
    adata, notices = prepared(file, tmp_path / "out", PrepareSpec(max_counts=1_000_000))
    assert len(adata) == 300
    assert sentence(notices[0]) == (
        "Quality control removed 0 of 300 cells: 0 with more than 1,000,000 counts."
    )


def test_empty_cells_that_a_limit_removes_are_not_asked_about(tmp_path: Path) -> None:
    adata = sick_and_well()
    dense = adata.X.toarray()
    dense[12] = 0
    adata.X = dense
    adata.write_h5ad(tmp_path / "a.h5ad")
    kept, _ = prepared(tmp_path / "a.h5ad", tmp_path / "out", PrepareSpec(min_counts=60))
    assert len(kept) == 290


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"min_counts": 10**8}, "would remove all cells"),
        ({"max_mads": 5.0, "qc_sample_key": "lane"}, "There is no column lane"),
    ],
)
def test_limits_that_cannot_be_applied_are_refused(
    file: Path, tmp_path: Path, limits: dict[str, Any], said: str
) -> None:
    with pytest.raises(BadInput, match=said):
        prepared(file, tmp_path / "out", PrepareSpec(**limits))


def test_a_mitochondrial_limit_without_mitochondrial_genes_is_refused(tmp_path: Path) -> None:
    path = write_tenx(tmp_path / "a.h5", np.random.default_rng(0).poisson(1.0, (50, 30)) + 1)
    with pytest.raises(BadInput, match="No mitochondrial genes were recognised"):
        prepared(path, tmp_path / "out", PrepareSpec(max_pct_mt=5.0))


# --- suggestions --------------------------------------------------------------------------------------


def test_suggested_limits_are_those_that_outliers_are_judged_by() -> None:
    rng = np.random.default_rng(3)
    counts, genes = rng.lognormal(8, 0.5, 4000), rng.integers(200, 4000, 4000)
    zeros = np.zeros(4000)
    cells = CellQuality(counts, genes, counts * rng.beta(2, 50, 4000), zeros, zeros)
    samples = Samples(rng.integers(0, 2, 4000), ("a", "b"))
    spec = PrepareSpec(max_mads=2.0, qc_sample_key="sample")
    within = np.zeros(4000, bool)
    for number, limits in enumerate(suggestions(cells, samples, 2.0)):
        within |= (
            (samples.codes == number)
            & (counts >= limits.counts[1])
            & (counts <= limits.counts[2])
            & (genes >= limits.genes[1])
            & (genes <= limits.genes[2])
            & (cells.pct_mt <= limits.pct_mt[1])
        )
    passed = judge(cells, spec, samples, None).passed
    np.testing.assert_array_equal(within, passed)
    assert 0 < passed.sum() < 4000


def test_where_most_cells_agree_nobody_is_an_outlier() -> None:
    values = np.array([0.0] * 8 + [3.0, 9.0])
    assert not outliers(values, np.zeros(10, int), 3.0).any()


# --- doublets -----------------------------------------------------------------------------------------


def planted_doublets(n_obs: int = 600, n_doublets: int = 40, seed: int = 0) -> anndata.AnnData:
    """Cells of three types with marker genes of their own; the last ones are sums of two cells of two types."""
    rng = np.random.default_rng(seed)
    n_vars = 300
    rates = rng.gamma(1.0, 1.0, (3, n_vars))
    for kind in range(3):
        rates[kind, 100 * kind : 100 * kind + 60] *= 25
    kinds = rng.integers(0, 3, n_obs)
    dense = rng.poisson(rates[kinds])
    pairs = [(np.flatnonzero(kinds == i), np.flatnonzero(kinds == (i + 1) % 3)) for i in range(3)]
    doublets = [
        dense[rng.choice(pairs[i % 3][0])] + dense[rng.choice(pairs[i % 3][1])] for i in range(n_doublets)
    ]
    every = np.vstack([dense, *doublets])
    obs = pd.DataFrame({"lane": "one"}, index=[f"cell{i}" for i in range(len(every))])
    var = pd.DataFrame(index=[f"gene{i}" for i in range(n_vars)])
    return anndata.AnnData(sparse.csr_matrix(every.astype(np.float32)), obs=obs, var=var)


def test_planted_doublets_are_found_by_scores_that_are_scanpys(tmp_path: Path) -> None:
    adata = planted_doublets()
    second = planted_doublets(80, 0, seed=5)  # too small a sample to be scored
    second.obs["lane"] = "two"
    both = anndata.concat([adata, second], index_unique="-")
    both.write_h5ad(tmp_path / "a.h5ad")
    library = DatasetLibrary(Settings(workspace=tmp_path / "workspace"))
    library.start()
    try:
        source = library.import_file(tmp_path / "a.h5ad").source_id
        spec = PrepareSpec(qc_sample_key="lane")
        assert library.doublets(source, spec) is None
        library.wait(library.score_doublets(source, spec).job_id, 120)
        found = library.doublets(source, spec)
        assert found is not None
        scanpy.pp.scrublet(adata, threshold=0.3, random_state=0)
        np.testing.assert_allclose(found.scores[:640], adata.obs["doublet_score"], rtol=1e-6)
        assert np.isnan(found.scores[640:]).all()
        assert found.unscored == ("two",)
        limited = spec.replace(max_doublet_score=0.12)
        job = library.wait(library.prepare(source, limited).job_id, 120)
        dataset = library.dataset(job.result_id)
        removed = set(both.obs_names) - set(anndata.read_h5ad(dataset.path).obs_names)
        planted = set(both.obs_names[600:640])
        assert len(removed & planted) >= 0.8 * len(planted)
        assert len(removed - planted) <= 0.05 * 600
        assert [one.code for one in dataset.notices] == ["cells_filtered", "samples_unscored"]
    finally:
        library.close()


def test_the_library_measures_once_and_keeps_what_it_found(file: Path, tmp_path: Path) -> None:
    library = DatasetLibrary(Settings(workspace=tmp_path / "workspace"))
    library.start()
    try:
        source = library.import_file(file).source_id
        assert library.quality(source, PrepareSpec()) is None
        library.wait(library.measure(source, PrepareSpec()).job_id, 60)
        found = library.quality(source, PrepareSpec(min_counts=3))
        assert found is not None
        assert found.report.n_obs == 300
        again = library.measure(source, PrepareSpec(max_genes=4))
        assert again.is_over
        library.remove_source(source)
    finally:
        library.close()
