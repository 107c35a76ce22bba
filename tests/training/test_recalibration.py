"""Batch-norm recalibration: the averages that evaluation uses are recomputed, kept where no worse; training stays."""

from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
import scvi
import torch
from scipy import sparse

from backend.datasets import open_prepared
from backend.training import lagging_steps, preset
from backend.training._recalibration import recalibrate, some_training_cells
from backend.types import DatasetRef, RunSpec
from tests.training.conftest import Told, prepare

# big steps, few of them: running averages with a momentum of 0.01 are left far behind
LAGGING = {"lr": 0.03, "max_epochs": 4, "n_epochs_kl_warmup": None}
AVERAGES = ("running_mean", "running_var")


@pytest.fixture(scope="module")
def ref(tmp_path_factory: pytest.TempPathFactory) -> DatasetRef:
    """Three kinds of cells, so that there is something to learn."""
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 3, 210)
    rates = rng.gamma(0.5, 4.0, (3, 40))[kind]
    obs = pd.DataFrame(
        {"batch": pd.Categorical(rng.choice(["a", "b"], 210))}, index=[f"c{i}" for i in range(210)]
    )
    cells = anndata.AnnData(X=sparse.csr_matrix(rng.poisson(rates + 0.1).astype(np.float32)), obs=obs)
    return prepare(cells, tmp_path_factory.mktemp("kinds") / "data.h5ad")


@pytest.mark.parametrize("engine", ["stock", "fused"])
def test_a_lagging_model_is_better_by_it_and_its_training_the_same(
    spec: RunSpec, ref: DatasetRef, told: Told, tmp_path: Path, engine: str
) -> None:
    spec = spec.replace(engine=engine, **LAGGING)
    plain = Told()
    plain.run(spec, ref, tmp_path / "plain")
    told.run(spec.replace(norm_recalibration=True), ref, tmp_path / "recalibrated")
    for name in ("train_loss", "train_loss_step"):
        assert told.series(name) == plain.series(name)
    assert all(
        after < before
        for after, before in zip(told.series("elbo_validation"), plain.series("elbo_validation"), strict=True)
    )


def test_both_engines_come_to_the_same(spec: RunSpec, ref: DatasetRef, told: Told, tmp_path: Path) -> None:
    spec = spec.replace(norm_recalibration=True, **LAGGING)
    fused = Told()
    told.run(spec, ref, tmp_path / "stock")
    fused.run(spec.replace(engine="fused"), ref, tmp_path / "fused")
    assert fused.series("elbo_validation") == pytest.approx(told.series("elbo_validation"), rel=1e-5)
    latents = [np.load(tmp_path / engine / "latent.npy") for engine in ("stock", "fused")]
    np.testing.assert_allclose(*latents, atol=1e-3)


@pytest.mark.parametrize("engine", ["stock", "fused"])
def test_plain_scvi_tools_opens_the_model_and_gives_its_latent_space(
    spec: RunSpec, ref: DatasetRef, told: Told, tmp_path: Path, engine: str
) -> None:
    told.run(spec.replace(engine=engine, norm_recalibration=True, **LAGGING), ref, tmp_path)
    model = scvi.model.SCVI.load(str(tmp_path / "model"), adata=open_prepared(ref), accelerator="cpu")
    norms = {layer.momentum for layer in model.module.modules() if hasattr(layer, "momentum")}
    assert norms == {0.01}
    latent = model.get_latent_representation()
    model.deregister_manager(model.adata)
    np.testing.assert_allclose(latent, np.load(tmp_path / "latent.npy"), atol=1e-5)


@pytest.mark.parametrize("engine", ["stock", "fused"])
@pytest.mark.parametrize("every", [1, 3])
def test_an_interrupted_run_comes_to_the_same(
    spec: RunSpec, ref: DatasetRef, told: Told, tmp_path: Path, engine: str, every: int
) -> None:
    spec = spec.replace(engine=engine, norm_recalibration=True, check_val_every_n_epoch=every, **LAGGING)
    whole = Told()
    whole.run(spec, ref, tmp_path / "whole")
    told.run(spec, ref, tmp_path / "parts", should_stop=told.stop_when_asked(15))  # in epoch 3 of 6 steps
    told.run(spec, ref, tmp_path / "parts", resume=True)
    latents = [np.load(tmp_path / way / "latent.npy") for way in ("whole", "parts")]
    np.testing.assert_array_equal(*latents)


def test_without_validation_cells_it_is_done_at_the_end(
    spec: RunSpec, ref: DatasetRef, told: Told, tmp_path: Path
) -> None:
    spec = spec.replace(train_size=1.0, **LAGGING)
    told.run(spec, ref, tmp_path / "plain")
    told.run(spec.replace(norm_recalibration=True), ref, tmp_path / "recalibrated")
    assert averages(tmp_path / "plain") != averages(tmp_path / "recalibrated")


def averages(run_dir: Path) -> list[float]:
    state = torch.load(run_dir / "model/model.pt", weights_only=False)["model_state_dict"]
    return [value.sum().item() for name, value in state.items() if name.endswith(AVERAGES)]


@pytest.mark.parametrize(("after", "kept"), [(1.0, True), (0.9, True), (1.1, False), (np.nan, False)])
def test_averages_that_make_the_elbo_worse_are_not_kept(after: float, kept: bool) -> None:
    module = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2, momentum=0.01))
    module[1].running_mean.fill_(7.0)
    elbos = iter([1.0, after])
    cells = torch.randn(50, 3)
    assert recalibrate(module, lambda: module(cells), lambda: next(elbos)) == kept
    expected = module[0](cells).mean(0) if kept else torch.full((2,), 7.0)
    torch.testing.assert_close(module[1].running_mean, expected)
    assert module[1].momentum == 0.01
    assert module.training


def test_minibatches_of_the_averages_are_equally_large() -> None:
    assert [len(some_training_cells(np.arange(n))) for n in (10, 256, 257, 1000, 9000)] == [
        *(10, 256, 256, 768, 2048)
    ]


def test_a_run_too_short_for_its_running_averages_is_known() -> None:
    short = RunSpec("d", max_epochs=5)
    assert lagging_steps(short, 2638) == 95  # 2,375 training cells in 19 steps, 5 times; 300 would do
    assert lagging_steps(short.replace(max_epochs=16), 2638) == 0
    assert lagging_steps(short.replace(norm_momentum=0.1), 2638) == 0
    assert lagging_steps(short.replace(norm_recalibration=True), 2638) == 0
    assert not any(lagging_steps(short.replace(**preset("recommended", n)), n) for n in (50, 700, 10**6))
