"""A run of the fused engine is the stock run, only quicker: the same minibatches, the same losses, a plain model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from backend.types import DatasetRef, RunSpec
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
    assert fused.starts[0].engine == "fused"
    for name in SERIES:
        # Float32 sums in another order: equal to rounding at first, and parting slowly as training amplifies it.
        np.testing.assert_allclose(fused.series(name)[:1], told.series(name)[:1], rtol=1e-4, err_msg=name)
        np.testing.assert_allclose(fused.series(name), told.series(name), rtol=1e-3, err_msg=name)
    np.testing.assert_allclose(
        np.load(tmp_path / "fused/latent.npy"), np.load(tmp_path / "stock/latent.npy"), atol=1e-2
    )


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


def test_its_model_is_an_ordinary_one(spec: RunSpec, ref: DatasetRef, told: Told, tmp_path: Path) -> None:
    told.run(spec.replace(engine="stock"), ref, tmp_path / "stock")
    told.run(spec.replace(engine="fused"), ref, tmp_path / "fused")
    stock, fused = (
        torch.load(tmp_path / engine / "model/model.pt", weights_only=False)  # written by this test
        for engine in ("stock", "fused")
    )
    assert list(stock["model_state_dict"]) == list(fused["model_state_dict"])
    tensors = {n: t for n, t in fused["model_state_dict"].items() if isinstance(t, torch.Tensor)}
    assert "decoder.px_dropout_decoder.weight" in tensors
    for name, tensor in tensors.items():
        assert tensor.is_contiguous(), name
        assert tensor.untyped_storage().nbytes() == tensor.numel() * tensor.element_size(), name
    assert stock["attr_dict"].keys() == fused["attr_dict"].keys()


def test_what_it_cannot_compute_is_trained_by_stock_and_said(
    spec: RunSpec, ref: DatasetRef, told: Told, tmp_path: Path
) -> None:
    result = told.run(spec.replace(engine="fused", dispersion="gene-cell"), ref, tmp_path)
    assert result.outcome == "finished"
    assert told.starts[0].engine == "stock"
    assert any("stock engine" in notice and "gene-cell" in notice for notice in told.starts[0].notices)
