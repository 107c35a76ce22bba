"""The exported script comes to the very cells and genes of the run: other features, rounding, quality control."""

from __future__ import annotations

from pathlib import Path

import anndata
import h5py
import numpy as np
import pytest

from backend.types import PrepareSpec, RunSpec, find_notice
from tests.exports.conftest import Workshop, execute


@pytest.mark.parametrize("where", ["X", "raw/X"])
def test_other_features_rounding_and_renamed_columns_are_repeated(
    workshop: Workshop, tiny: RunSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    rng = np.random.default_rng(0)
    counts = rng.poisson(1.0, (120, 60)).astype(np.float64)
    cells = anndata.AnnData(counts + rng.normal(0, 1e-6, counts.shape))
    cells.var["feature_types"] = ["Gene Expression", "Antibody Capture", "gene_expression"] * 20
    cells.obs["a_b"] = ["x", "y"] * 60
    if where == "raw/X":
        cells.raw = cells
        cells.X = np.log1p(counts)
    source = tmp_path / "input.h5ad"
    cells.write_h5ad(source)
    with h5py.File(source, "r+") as h5:
        h5.move("obs/a_b", "obs/a/b")
        h5["obs"].attrs["column-order"] = np.array(["a/b"], dtype=object)
    dataset = workshop.prepare(source, PrepareSpec(counts=where))
    assert dataset.n_vars == 40
    workshop.train(tiny.replace(max_epochs=1, batch_key="a_b"))
    code = workshop.exporter.of_run("r1", "reproduce.py").read_text()
    names = execute(code, monkeypatch, tmp_path, str(source))
    np.testing.assert_array_equal(names["latent"], workshop.latent())


LIMITS = PrepareSpec(
    counts="layers/counts",
    drop_empty_cells=True,
    min_counts=12,
    max_counts=60,
    min_genes=8,
    max_genes=30,
    max_pct_mt=30.0,
    max_mads=2.5,
    max_doublet_score=0.2,
    qc_sample_key="donor",
    min_cells_per_gene=5,
)


@pytest.mark.parametrize("given", ["the file that was brought", "the file of the run's page"])
def test_quality_control_of_the_script_keeps_exactly_the_cells_of_the_run(
    workshop: Workshop, tiny: RunSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    rng = np.random.default_rng(0)
    n_obs, n_vars = 400, 60
    dense = rng.poisson(rng.gamma(1.5, 0.4, (n_obs, 1)) * rng.gamma(1.0, 1.0, (1, n_vars)))
    dense[20:40, 0] += 14
    donor = np.array(["a", "b", None], dtype=object)[rng.integers(0, 3, n_obs)]
    adata = anndata.AnnData(
        dense.astype(np.float32),
        obs={"donor": donor},
        var={"gene_symbol": ["MT-ND1", "MT-CO1", *(f"G{i}" for i in range(n_vars - 2))]},
        layers={"counts": dense.astype(np.float64)},
    )
    adata.write_h5ad(tmp_path / "cells.h5ad")
    dataset = workshop.prepare(tmp_path / "cells.h5ad", LIMITS)
    assert 100 < dataset.n_obs < n_obs
    told = find_notice(dataset.notices, "cells_filtered")
    assert told is not None
    assert 0 not in told.params["each"][:-1]  # type: ignore[index]
    workshop.train(tiny)
    script = workshop.exporter.of_run("r1", "reproduce.py").read_text()
    path = tmp_path / "cells.h5ad"
    if given != "the file that was brought":
        path = workshop.exporter.of_run("r1", "data.h5ad")
    names = execute(script, monkeypatch, tmp_path, str(path))
    ours = anndata.read_h5ad(dataset.path)
    assert list(names["adata"].obs_names) == list(ours.obs_names)
    assert list(names["adata"].var_names) == list(ours.var_names)
    np.testing.assert_array_equal(names["latent"], workshop.latent())
    methods = workshop.exporter.of_run("r1", "methods.txt").read_text()
    assert "Quality control removed" in methods
    assert "with more than 30 % mitochondrial counts" in methods
    assert "Scrublet (Wolock et al., 2019)" in methods
