"""A run of the fused engine is the stock run, only quicker: the same minibatches, the same losses, a plain model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scvi.train import TrainingPlan
from torch.distributions import Normal

from backend.types import DatasetRef, RunSpec, notice
from tests.training.conftest import Told

SERIES = (
    "train_loss",
    "validation_loss",
    "elbo_train",
    "kl_local_validation",
    "reconstruction_loss_validation",
)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {
            "gene_likelihood": "nb",
            "dispersion": "gene-batch",
            "n_layers": 2,
            "categorical_covariate_keys": ("donor",),
            "continuous_covariate_keys": ("stress",),
        },
        {"gene_likelihood": "poisson", "train_size": 0.7},
    ],
    ids=["default", "covariates", "poisson"],
)
def test_its_history_is_that_of_a_stock_run(
    spec: RunSpec, ref: DatasetRef, told: Told, tmp_path: Path, changes: dict
) -> None:
    spec = spec.replace(**changes)
    fused = Told()
    told.run(spec.replace(engine="stock"), ref, tmp_path / "stock")
    result = fused.run(spec.replace(engine="fused"), ref, tmp_path / "fused")

    assert result.outcome == "finished"
    assert (fused.starts[0].engine, fused.starts[0].implementation) == ("fused", "CPU kernels (numba)")
    assert (told.starts[0].engine, told.starts[0].implementation) == ("stock", "scvi-tools")
    for name in SERIES:
        # Float32 sums in another order: equal to rounding at first, and parting slowly as training amplifies it.
        np.testing.assert_allclose(fused.series(name)[:1], told.series(name)[:1], rtol=1e-4, err_msg=name)
        np.testing.assert_allclose(fused.series(name), told.series(name), rtol=1e-3, err_msg=name)
    np.testing.assert_allclose(
        np.load(tmp_path / "fused/latent.npy"), np.load(tmp_path / "stock/latent.npy"), atol=1e-2
    )


@pytest.mark.parametrize("batch_size", [31, 37, 94], ids=["one-left", "half-left", "few-left"])
def test_the_losses_of_an_epoch_whose_last_minibatch_is_smaller_are_those_of_stock(
    batch_size: int, spec: RunSpec, ref: DatasetRef, tmp_path: Path
) -> None:
    """Lightning averages over minibatches by their size, so each engine has to say the same sizes."""
    shown = ("train_loss", "validation_loss", "elbo_train", "elbo_validation")
    told = {}
    for engine in ("stock", "fused"):
        told[engine] = Told()
        ragged = spec.replace(engine=engine, batch_size=batch_size, train_size=0.7, max_epochs=2)
        told[engine].run(ragged, ref, tmp_path / engine)
    for name in shown:
        assert told["fused"].series(name) == pytest.approx(told["stock"].series(name), rel=1e-6), name


def test_where_the_kernels_cannot_be_compiled_stock_trains_and_says_so(
    spec: RunSpec, ref: DatasetRef, told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cannot() -> None:
        raise RuntimeError("LLVM knows no such processor")

    monkeypatch.setattr("backend.kernels.compile_kernels", cannot)
    result = told.run(spec.replace(engine="fused", max_epochs=1), ref, tmp_path)
    assert (result.outcome, told.starts[0].engine) == ("finished", "stock")
    assert notice("kernels_not_compiled") in told.starts[0].notices


def test_it_resumes_to_the_history_of_an_uninterrupted_run(
    spec: RunSpec, ref: DatasetRef, told: Told, tmp_path: Path
) -> None:
    spec = spec.replace(engine="fused", max_epochs=4)
    whole = Told()
    whole.run(spec, ref, tmp_path / "whole")
    told.run(spec.replace(max_epochs=2), ref, tmp_path / "parts")
    told.run(spec, ref, tmp_path / "parts", resume=True)
    for name in SERIES:
        assert told.series(name) == whole.series(name), name


def assert_ordinary(model_dir: Path) -> list[str]:
    """Every tensor of the saved model has contiguous memory of its own; returns the names in it."""
    state = torch.load(model_dir / "model.pt", weights_only=False)["model_state_dict"]  # written by this test
    tensors = {n: t for n, t in state.items() if isinstance(t, torch.Tensor)}
    assert "decoder.px_dropout_decoder.weight" in tensors
    for name, tensor in tensors.items():
        assert tensor.is_contiguous(), name
        assert tensor.untyped_storage().nbytes() == tensor.numel() * tensor.element_size(), name
    return list(state)


def test_its_model_is_an_ordinary_one(spec: RunSpec, ref: DatasetRef, told: Told, tmp_path: Path) -> None:
    told.run(spec.replace(engine="stock"), ref, tmp_path / "stock")
    told.run(spec.replace(engine="fused"), ref, tmp_path / "fused")
    assert assert_ordinary(tmp_path / "stock/model") == assert_ordinary(tmp_path / "fused/model")
    stock, fused = (
        torch.load(tmp_path / engine / "model/model.pt", weights_only=False)["attr_dict"]
        for engine in ("stock", "fused")
    )
    assert stock.keys() == fused.keys()


def test_its_model_is_an_ordinary_one_where_the_loop_raised(
    spec: RunSpec, ref: DatasetRef, told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = TrainingPlan.training_step

    def broken(plan: TrainingPlan, batch: dict, batch_idx: int) -> torch.Tensor:
        if plan.global_step == 14:
            Normal(torch.tensor(float("nan")), 1.0)  # what a network full of NaN ends in
        return step(plan, batch, batch_idx)

    monkeypatch.setattr(TrainingPlan, "training_step", broken)
    result = told.run(spec.replace(engine="fused"), ref, tmp_path)
    assert (result.outcome, result.epochs) == ("diverged", 2)
    assert_ordinary(tmp_path / "model")


def test_what_it_cannot_compute_is_trained_by_stock_and_said(
    spec: RunSpec, ref: DatasetRef, told: Told, tmp_path: Path
) -> None:
    result = told.run(spec.replace(engine="fused", dispersion="gene-cell"), ref, tmp_path)
    assert result.outcome == "finished"
    assert told.starts[0].engine == "stock"
    assert notice("engine_fell_back", option="dispersion='gene-cell'") in told.starts[0].notices


def test_bfloat16_rounds_the_products_and_nothing_else(
    spec: RunSpec, ref: DatasetRef, told: Told, tmp_path: Path
) -> None:
    spec = spec.replace(engine="fused")
    told.run(spec, ref, tmp_path / "float32")
    rounded = Told()
    rounded.run(spec.replace(precision="bf16-mixed"), ref, tmp_path / "bfloat16")
    assert (rounded.starts[0].engine, rounded.starts[0].notices) == ("fused", ())
    for name in SERIES:
        assert rounded.series(name) != told.series(name), name  # it does something
        np.testing.assert_allclose(rounded.series(name), told.series(name), rtol=2e-2, err_msg=name)
    state = torch.load(tmp_path / "bfloat16/model/model.pt", weights_only=False)["model_state_dict"]
    tensors = [value for value in state.values() if isinstance(value, torch.Tensor)]
    assert {tensor.dtype for tensor in tensors if tensor.is_floating_point()} == {torch.float32}
