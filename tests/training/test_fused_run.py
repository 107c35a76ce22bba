"""A run of the fused engine is the stock run, only quicker: the same minibatches, the same losses, a plain model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.distributions import Normal

from backend.network import Losses, Minibatch, Network, Update
from backend.training import _engines
from backend.types import DatasetRef, RunSpec, notice
from tests.training.conftest import Told

SERIES = (
    "train_loss",
    "validation_loss",
    "elbo_train",
    "kl_local_validation",
    "reconstruction_loss_validation",
)

OF_THE_MACHINE = {"epoch_seconds", "cells_per_second", "memory_bytes", "frame_seconds"}


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
        {"gene_likelihood": "poisson", "train_size": 0.7, "dropout_rate": 0.0},
        {"lr_schedule": "cosine", "lr_warmup": 0.2, "norm_momentum": 0.1, "output_start": "gene_means"},
        {"batch_size": 31, "train_size": 0.7, "check_val_every_n_epoch": 3},
        {"batch_size": 94, "train_size": 0.55},
    ],
    ids=["default", "covariates", "poisson", "schedule", "one-left", "few-left"],
)
def test_ten_epochs_are_those_of_a_stock_run(
    spec: RunSpec, ref: DatasetRef, told: Told, tmp_path: Path, changes: dict
) -> None:
    """Both losses as well: an epoch's are weighed by the sizes of its minibatches, of which the last is smaller."""
    spec = spec.replace(max_epochs=10, lr=1e-3, **changes)
    fused = Told()
    told.run(spec.replace(engine="stock"), ref, tmp_path / "stock")
    result = fused.run(spec.replace(engine="fused"), ref, tmp_path / "fused")

    assert result.outcome == "finished"
    assert (fused.starts[0].engine, fused.starts[0].implementation) == ("fused", "CPU kernels (numba)")
    assert (told.starts[0].engine, told.starts[0].implementation) == ("stock", "scvi-tools")
    names = {point.name for point in told.points} - {
        "epoch_seconds",
        "cells_per_second",
        "memory_bytes",
        "frame_seconds",
    }
    assert names >= set(SERIES)
    for name in sorted(names):
        assert fused.epochs(name) == told.epochs(name), name
        tolerance = {"rtol": 3e-6, "atol": 0} if name == "train_loss_step" else {"rtol": 1e-6, "atol": 0}
        np.testing.assert_allclose(fused.series(name), told.series(name), err_msg=name, **tolerance)
    np.testing.assert_allclose(
        np.load(tmp_path / "fused/latent.npy"), np.load(tmp_path / "stock/latent.npy"), atol=1e-4
    )


def test_devices_other_than_the_cpu_take_the_same_step(
    spec: RunSpec, ref: DatasetRef, told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told.run(spec.replace(engine="fused"), ref, tmp_path / "numba")
    monkeypatch.setitem(_engines.KERNELS, "cpu", "torch")
    other = Told()
    other.run(spec.replace(engine="fused"), ref, tmp_path / "torch")
    for name in SERIES:
        np.testing.assert_allclose(other.series(name), told.series(name), rtol=1e-6, err_msg=name)


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
    step, steps = Network.step, iter(range(10**9))

    def broken(network: Network, cells: Minibatch, kl_weight: float, *update: Update) -> Losses:
        if next(steps) == 14:
            Normal(torch.tensor(float("nan")), 1.0)  # what a network full of NaN ends in
        return step(network, cells, kl_weight, *update)

    monkeypatch.setattr(Network, "step", broken)
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
