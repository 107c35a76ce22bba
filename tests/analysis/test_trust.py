"""What is measured to judge a model: simulated counts, each cell's loss, the latent space encoded again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from backend.analysis._trust import above_its_like
from backend.datasets import open_prepared
from backend.types import DatasetRef
from tests.analysis.small_run import NASTY, G, N, SmallRun, on_copy, train_small


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, DatasetRef]:
    return train_small(tmp_path_factory.mktemp("small"))


@pytest.fixture
def small(trained: tuple[Path, DatasetRef], tmp_path: Path) -> Iterator[SmallRun]:
    run = on_copy(trained, tmp_path)
    yield run
    run.registry.close()


def test_simulated_counts_lie_beside_the_observed_ones(small: SmallRun) -> None:
    result = small.done("predictive", n_cells=N)
    dense = open_prepared(small.ref).X.toarray()
    np.testing.assert_allclose(result.array("zeros_observed"), (dense == 0).mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(result.array("variance_observed"), dense.var(axis=0), rtol=1e-4)
    apart = np.abs(result.array("zeros_simulated") - result.array("zeros_observed"))
    assert apart.mean() < 0.08, "a model trained on these cells makes cells like them"
    assert result.array("gene").tolist()[0] == NASTY
    assert result.facts == {"n_cells": N, "n_genes": G}


def test_the_sample_of_cells_can_be_smaller_and_blocks_do_not_matter(
    small: SmallRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.analysis._trust._SIMULATED_CELLS", 7)
    result = small.done("predictive", n_cells=30)
    assert result.facts["n_cells"] == 30
    assert np.isfinite(result.array("variance_simulated")).all()


def test_the_loss_of_each_cell_is_the_one_scvi_tools_computes(small: SmallRun) -> None:
    import scvi

    result = small.done("cell_loss")
    loss = result.array("loss")
    assert loss.shape == (N,)
    adata = open_prepared(small.ref)
    model = scvi.model.SCVI.load(str(small.run_dir / "model"), adata=adata, accelerator="cpu")
    theirs = model.get_reconstruction_error(return_mean=False)["reconstruction_loss"].numpy()
    np.testing.assert_allclose(np.abs(loss), np.abs(theirs), rtol=0.15)  # another sample of the posterior
    assert abs(loss.mean() / np.abs(theirs).mean() - 1) < 0.02
    model.deregister_manager(adata)


def test_the_excess_tells_badly_explained_cells_from_large_ones() -> None:
    rng = np.random.default_rng(0)
    totals = np.exp(rng.normal(8, 0.6, 3000))
    loss = 300 * np.log(totals) + rng.normal(0, 20, 3000)
    loss[:30] += 200
    excess = above_its_like(loss, totals)
    assert abs(np.corrcoef(np.log(totals[30:]), excess[30:])[0, 1]) < 0.1
    assert (excess[:30] > 5).mean() > 0.9
    assert (excess[30:] > 5).mean() < 0.002
    assert np.abs(np.median(excess)) < 0.1


def test_the_excess_of_cells_that_are_all_alike_is_nothing() -> None:
    assert above_its_like(np.full(20, 7.0), np.full(20, 100.0)).tolist() == [0.0] * 20


def test_encoding_again_gives_the_saved_latent_space(small: SmallRun) -> None:
    facts = small.done("reencode").facts
    assert facts["largest"] < 1e-5 * facts["spread"]
    assert facts["device"] == "cpu"


def test_a_latent_space_of_another_model_is_found_out(small: SmallRun) -> None:
    path = small.run_dir / "latent.npy"
    latent = np.load(path)
    latent[17, 1] += 0.5
    np.save(path, latent)
    facts = small.done("reencode").facts
    assert facts["largest"] == pytest.approx(0.5, rel=1e-3)
    assert facts["cell"] == 17
