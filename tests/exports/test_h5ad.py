"""The cells to take away: they open in scanpy, keep the conventions of the file that was brought, and lose nothing."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from backend.types import Groups, Labels, PrepareSpec, RunSpec
from tests.exports.conftest import Workshop, raw_file


def cellxgene_file(
    path: Path, *, empty: bool = False, n_obs: int = 50, stored: Callable[[Any], Any] = sparse.csr_matrix
) -> anndata.AnnData:
    """As CELLxGENE asks for: normalised X, raw counts in .raw, ontology terms, notes in uns."""
    rng = np.random.default_rng(5)
    table = rng.poisson(1.0, (n_obs, 30)).astype(np.float32)
    if empty:
        table[7] = 0
    counts = sparse.csr_matrix(table)
    obs = pd.DataFrame(
        {
            "cell_type_ontology_term_id": pd.Categorical(rng.choice(["CL:0000084", "CL:0000236"], n_obs)),
            "is_primary_data": True,
        },
        index=[f"cell{n}" for n in range(n_obs)],
    )
    var = pd.DataFrame({"feature_is_filtered": False}, index=[f"ENSG{n:011}" for n in range(30)])
    var.iloc[0, 0] = True
    cells = anndata.AnnData(counts, obs=obs, var=var.drop(columns="feature_is_filtered"))
    cells.raw = cells.copy()
    cells.X = stored(counts.log1p())
    cells.var = var
    cells.uns = {"schema_version": "5.2.0", "title": "A title", "default_embedding": "X_umap"}
    cells.obsm["X_umap"] = rng.normal(size=(n_obs, 2))
    cells.write_h5ad(path)
    return cells


def same(a: Any, b: Any) -> bool:
    return (sparse.csr_matrix(a) != sparse.csr_matrix(b)).nnz == 0


@pytest.mark.parametrize(
    ("empty", "stored"),
    [
        (False, sparse.csr_matrix),
        (True, sparse.csr_matrix),
        (True, sparse.csc_matrix),
        (True, sparse.csr_matrix.toarray),
    ],
    ids=["all cells", "without an empty cell", "stored by genes", "dense"],
)
def test_a_file_with_counts_in_raw_gets_them_back_there(
    workshop: Workshop, tiny: RunSpec, tmp_path: Path, empty: bool, stored: Callable[[Any], Any]
) -> None:
    n_obs = 4200 if empty else 50  # more than are copied at once
    before = cellxgene_file(tmp_path / "atlas.h5ad", empty=empty, n_obs=n_obs, stored=stored)
    choices = PrepareSpec(counts="raw/X", drop_empty_cells=empty, n_top_genes=10)
    dataset = workshop.prepare(tmp_path / "atlas.h5ad", choices)
    workshop.pretend(tiny)
    adata = anndata.read_h5ad(workshop.exporter.of_run("r1", "data.h5ad"))
    if empty:
        before = before[[n for n in range(n_obs) if n != 7]].copy()
    assert adata.n_obs == dataset.n_obs == before.n_obs
    assert same(adata.X, before.X)
    assert same(adata.raw.X, before.raw.X)
    pd.testing.assert_frame_equal(adata.obs, before.obs, check_names=False)
    assert adata.var["feature_is_filtered"].tolist() == before.var["feature_is_filtered"].tolist()
    assert list(adata.raw.var_names) == list(before.raw.var_names)
    assert adata.raw.var["highly_variable"].sum() == 10
    assert set(adata.var_names[adata.var["highly_variable"]]) <= set(
        adata.raw.var_names[adata.raw.var["highly_variable"]]
    )
    assert {k: adata.uns[k] for k in before.uns} == dict(before.uns)
    assert adata.uns["scvi_studio"]["counts_in"] == "raw/X"
    np.testing.assert_array_equal(adata.obsm["X_umap"], before.obsm["X_umap"])


def test_without_the_file_that_was_brought_the_counts_are_in_x(
    workshop: Workshop, tiny: RunSpec, tmp_path: Path
) -> None:
    before = cellxgene_file(tmp_path / "atlas.h5ad")
    workshop.prepare(tmp_path / "atlas.h5ad", PrepareSpec(counts="raw/X"))
    workshop.pretend(tiny)
    (tmp_path / "atlas.h5ad").unlink()
    adata = anndata.read_h5ad(workshop.exporter.of_run("r1", "data.h5ad"))
    assert same(adata.X, before.raw.X)
    assert adata.raw is None
    assert adata.uns["scvi_studio"]["counts_in"] == "X"


def test_map_and_clusters_come_along_once_they_are_there(
    workshop: Workshop, tiny: RunSpec, tmp_path: Path
) -> None:
    before = cellxgene_file(tmp_path / "atlas.h5ad")
    workshop.prepare(tmp_path / "atlas.h5ad", PrepareSpec(counts="raw/X"))
    workshop.pretend(tiny)
    assert "scvi_cluster" not in anndata.read_h5ad(workshop.exporter.of_run("r1", "data.h5ad")).obs
    xy = np.arange(100, dtype=np.float32).reshape(50, 2)
    workshop.find_out("umap", xy, n_neighbors=15, min_dist=0.3)
    workshop.find_out("leiden", np.arange(50, dtype=np.int32) % 3, n_neighbors=15, resolution=0.7)
    adata = anndata.read_h5ad(workshop.exporter.of_run("r1", "data.h5ad"))
    np.testing.assert_array_equal(adata.obsm["X_umap"], xy)
    np.testing.assert_array_equal(adata.obsm["X_umap_before"], before.obsm["X_umap"])
    assert adata.obs["scvi_cluster"].tolist() == [str(n % 3 + 1) for n in range(50)]
    assert adata.obs.columns.tolist() == [*before.obs.columns, "scvi_cluster"]
    assert len(set(adata.uns["scvi_cluster_colors"])) == 3
    workshop.named = Labels(("T <b>", "B", "T <b>"), {"resolution": 0.7})
    (workshop.settings.runs_dir / "r1" / "analysis" / "labels.json").write_text("[]")
    adata = anndata.read_h5ad(workshop.exporter.of_run("r1", "data.h5ad"))
    assert adata.obs["scvi_label"].tolist() == [("T <b>", "B", "T <b>")[n % 3] for n in range(50)]
    assert adata.obs["scvi_label"].cat.categories.tolist() == [
        "T <b>",
        "B",
    ]  # as the clusters, not by the alphabet


def test_names_given_to_cells_are_columns(workshop: Workshop, tiny: RunSpec, tmp_path: Path) -> None:
    cellxgene_file(tmp_path / "atlas.h5ad")
    workshop.prepare(tmp_path / "atlas.h5ad", PrepareSpec(counts="raw/X"))
    workshop.pretend(tiny)
    codes = np.array([0, 1, -1, 1, 0] * 10, np.int32)
    workshop.given = {"mine <b>": Groups(codes, ("T", "B"), (20, 20))}
    obs = anndata.read_h5ad(workshop.exporter.of_run("r1", "data.h5ad")).obs
    assert obs["mine <b>"].cat.categories.tolist() == ["T", "B"]
    assert obs["mine <b>"].cat.codes.tolist() == codes.tolist()


def test_it_survives_being_written_and_read_again(workshop: Workshop, tiny: RunSpec, tmp_path: Path) -> None:
    import scanpy

    workshop.prepare(
        raw_file(tmp_path / "cells.h5ad"),
        PrepareSpec("layers/counts", drop_empty_cells=True, make_names_unique=True),
    )
    workshop.pretend(tiny, name="<b>=1+1</b>\n/slash")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first = scanpy.read_h5ad(workshop.exporter.of_run("r1", "data.h5ad"))
        first.write_h5ad(tmp_path / "again.h5ad")
        second = scanpy.read_h5ad(tmp_path / "again.h5ad")
    assert same(first.X, second.X)
    pd.testing.assert_frame_equal(first.obs, second.obs)
    pd.testing.assert_frame_equal(first.var, second.var)
    np.testing.assert_array_equal(first.obsm["X_scVI"], second.obsm["X_scVI"])
    assert first.uns["scvi_studio"]["name"] == second.uns["scvi_studio"]["name"] == "<b>=1+1</b>\n/slash"


def test_cells_that_the_choice_of_genes_left_without_counts_are_not_in_it(
    workshop: Workshop, tiny: RunSpec, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    table = rng.poisson(rng.gamma(0.3, 4.0, (80, 40))).astype(np.float32)
    table[11], table[30] = 0, 0
    table[[11, 30], 39] = 1  # one gene that hardly varies
    table[:, 39] = 1
    obs = pd.DataFrame(index=[f"cell{n}" for n in range(80)])
    anndata.AnnData(sparse.csr_matrix(table), obs=obs).write_h5ad(tmp_path / "cells.h5ad")
    dataset = workshop.prepare(tmp_path / "cells.h5ad", PrepareSpec(n_top_genes=20))
    assert dataset.n_obs == 78
    workshop.pretend(tiny)
    adata = anndata.read_h5ad(workshop.exporter.of_run("r1", "data.h5ad"))
    kept = [n for n in range(80) if n not in (11, 30)]
    assert same(adata.raw.X, table[kept])
    assert same(adata.X, adata.raw[:, adata.raw.var["highly_variable"]].X)
    assert adata.n_vars == 20
    assert list(adata.obs_names) == [f"cell{n}" for n in kept]
    assert adata.obsm["X_scVI"].shape == (78, 4)
