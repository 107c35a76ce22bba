"""The rate step by step, where a model begins, and that scvi-tools' own values change nothing."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from backend import network
from backend.datasets import open_prepared
from backend.errors import BadInput
from backend.training import share_of_rate
from backend.training._course import begin, rate_callbacks
from backend.training._model import build_model, release_model, seed_everything
from backend.types import DatasetRef, RunSpec
from tests.training.conftest import Told

COURSE = {
    "lr_schedule": "cosine",
    "lr_warmup": 0.2,
    "norm_momentum": 0.1,
    "output_start": "gene_means",
    "n_epochs_kl_warmup": 2,
}


def test_a_rate_without_schedule_is_the_rate() -> None:
    assert [share_of_rate(step, 10, "constant") for step in range(12)] == [1.0] * 12


def test_the_rate_rises_in_equal_parts_and_then_falls() -> None:
    linear = [share_of_rate(step, 10, "linear", warmup=0.2) for step in range(11)]
    assert linear == pytest.approx([1 / 4, 2 / 4, 1, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8, 0])
    cosine = [share_of_rate(step, 8, "cosine") for step in (0, 2, 4, 6, 8)]
    assert cosine == pytest.approx([1, (1 + math.sqrt(0.5)) / 2, 0.5, (1 - math.sqrt(0.5)) / 2, 0])


def test_the_rate_ends_where_it_should_and_stays_there() -> None:
    for schedule in ("linear", "cosine"):
        assert share_of_rate(5, 10, schedule, end=0.5) == pytest.approx(0.75)
        assert share_of_rate(10, 10, schedule, end=0.5) == share_of_rate(99, 10, schedule, end=0.5) == 0.5


def test_a_run_of_one_step_has_a_rate() -> None:
    assert share_of_rate(0, 1, "cosine", warmup=0.2) > 0


@pytest.mark.parametrize("engine", ["stock", "fused"])
def test_the_optimizer_gets_the_rate_of_the_schedule(
    spec: RunSpec, ref: DatasetRef, told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    rates: list[float] = []
    stock, fused = torch.optim.Adam.step, network.Adam.begin

    def listen(optimizer: torch.optim.Adam, closure: object = None) -> object:
        rates.append(optimizer.param_groups[0]["lr"])
        return stock(optimizer, closure)

    def listen_to_fused(optimizer: network.Adam, lr: float) -> None:
        rates.append(lr)
        fused(optimizer, lr)

    monkeypatch.setattr(torch.optim.Adam, "step", listen)
    monkeypatch.setattr(network.Adam, "begin", listen_to_fused)
    told.run(spec.replace(engine=engine, **COURSE), ref, tmp_path)
    assert rates == [spec.lr * share_of_rate(i, 18, "cosine", 0.2) for i in range(18)]  # 3 epochs of 6 steps
    assert told.series("learning_rate") == pytest.approx([rates[5], rates[11], rates[17]])


@pytest.mark.parametrize("engine", ["stock", "fused"])
def test_a_run_with_a_schedule_resumes_to_the_history_of_an_uninterrupted_one(
    spec: RunSpec, ref: DatasetRef, told: Told, tmp_path: Path, engine: str
) -> None:
    spec = spec.replace(engine=engine, max_epochs=4, **COURSE)
    whole = Told()
    whole.run(spec, ref, tmp_path / "whole")
    told.run(spec, ref, tmp_path / "parts", should_stop=told.stop_when_asked(15))  # in epoch 3 of 6 steps
    told.points = [p for p in told.points if p.epoch <= 2]
    told.run(spec, ref, tmp_path / "parts", resume=True)
    for name in ("train_loss", "validation_loss", "learning_rate", "train_loss_step"):
        assert told.series(name) == whole.series(name), name
    np.testing.assert_array_equal(
        np.load(tmp_path / "parts/latent.npy"), np.load(tmp_path / "whole/latent.npy")
    )


def test_a_longer_run_has_its_own_schedule(
    spec: RunSpec, ref: DatasetRef, told: Told, tmp_path: Path
) -> None:
    told.run(spec.replace(max_epochs=2, **COURSE), ref, tmp_path)
    told.run(spec.replace(max_epochs=4, **COURSE), ref, tmp_path, resume=True)
    ends = [(step, steps) for step, steps in ((5, 12), (11, 12), (17, 24), (23, 24))]
    assert told.series("learning_rate") == pytest.approx(
        [spec.lr * share_of_rate(step, steps, "cosine", 0.2) for step, steps in ends]
    )


@pytest.mark.parametrize("likelihood", ["zinb", "poisson"])
def test_output_biases_begin_at_the_share_of_each_gene(
    spec: RunSpec, ref: DatasetRef, likelihood: str
) -> None:
    adata = open_prepared(ref)
    cells = np.arange(150)[::-1]
    model = build_model(spec.replace(gene_likelihood=likelihood), adata)
    try:
        begin(model, spec.replace(**COURSE), cells)
        bias = model.module.decoder.px_scale_decoder[0].bias
        seen = np.asarray(adata.X[:150].sum(axis=0)).ravel() + 0.5
        np.testing.assert_allclose(torch.softmax(bias, -1).detach(), seen / seen.sum(), rtol=1e-4)
        momenta = {layer.momentum for layer in model.module.modules() if hasattr(layer, "momentum")}
        assert momenta == {0.1}
    finally:
        release_model(model)


def test_scvi_tools_values_leave_model_and_optimizer_alone(spec: RunSpec, ref: DatasetRef) -> None:
    seed_everything(0)
    model = build_model(spec, open_prepared(ref))
    try:
        before = {name: value.clone() for name, value in model.module.state_dict().items()}
        begin(model, spec, np.arange(150))
        after = model.module.state_dict()
        assert all(torch.equal(value, after[name]) for name, value in before.items())
        assert {layer.momentum for layer in model.module.modules() if hasattr(layer, "momentum")} == {0.01}
        assert rate_callbacks(spec) == []
    finally:
        release_model(model)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"lr_schedule": "staircase"}, "learning-rate schedule .* one of: constant, linear, cosine"),
        ({"lr_warmup": 1.0}, "warm-up fraction"),
        ({"lr_end": -0.1}, "final learning-rate fraction"),
        ({"norm_momentum": 0.0}, "batch-norm momentum"),
        ({"output_start": "zeros"}, "output-bias initialisation .* one of: random, gene_means"),
    ],
)
def test_a_course_that_cannot_be_is_refused(
    spec: RunSpec, ref: DatasetRef, told: Told, tmp_path: Path, changes: dict, words: str
) -> None:
    with pytest.raises(BadInput, match=words):
        told.run(spec.replace(**changes), ref, tmp_path)


def test_a_spec_keeps_its_course_and_an_older_one_has_scvi_tools_values(spec: RunSpec) -> None:
    there = json.loads(json.dumps(spec.replace(**COURSE).to_dict()))
    assert RunSpec.from_dict(there) == spec.replace(**COURSE)
    for name in ("lr_schedule", "lr_warmup", "lr_end", "norm_momentum", "output_start"):
        del there[name]
    assert RunSpec.from_dict(there) == spec.replace(n_epochs_kl_warmup=2)
