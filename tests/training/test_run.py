"""What a run tells, how it stops, and what it leaves behind."""

from __future__ import annotations

import gc
import logging
import threading
import weakref
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backend.errors import BadInput, OutOfMemory, TrainingFailed
from backend.training import available_engines
from backend.types import DatasetRef, MetricPoint, RunSpec, find_notice
from tests.training.conftest import Told, write_prepared


def test_every_epoch_is_told_with_loss_speed_time_and_memory(
    spec: RunSpec, ref: DatasetRef, told: Told, tmp_path: Path
) -> None:
    result = told.run(spec.replace(check_val_every_n_epoch=2, max_epochs=4), ref, tmp_path)
    for name in (
        "train_loss",
        "elbo_train",
        "kl_weight",
        "epoch_seconds",
        "cells_per_second",
        "memory_bytes",
    ):
        assert told.epochs(name) == [1, 2, 3, 4], name
    for name in ("validation_loss", "elbo_validation", "reconstruction_loss_validation"):
        assert told.epochs(name) == [2, 4], name
    assert told.series("kl_weight") == pytest.approx([0, 0.2, 0.4, 0.6])
    took, speed = told.series("epoch_seconds"), told.series("cells_per_second")
    assert [s * t for s, t in zip(speed, took, strict=True)] == pytest.approx([189] * 4)
    assert sum(took) <= result.elapsed
    steps = [p for p in told.points if p.name == "train_loss_step"]
    assert [p.step for p in steps] == list(range(1, 25))
    assert [p.epoch for p in steps] == [e for e in (1, 2, 3, 4) for _ in range(6)]
    assert np.mean([p.value for p in steps if p.epoch == 4]) == pytest.approx(
        told.series("train_loss")[-1], rel=0.02
    )
    assert told.phases == ["loading data", "building the model", "training", "saving"]


def test_step_points_of_a_long_epoch_are_thinned(
    spec: RunSpec, ref: DatasetRef, told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from backend.training import _watch

    monkeypatch.setattr(_watch, "_STEP_POINTS", 3)
    told.run(spec.replace(max_epochs=2), ref, tmp_path)
    assert [p.step for p in told.points if p.step] == [2, 4, 6, 8, 10, 12]


def test_the_start_says_where_and_with_what(
    spec: RunSpec, ref: DatasetRef, told: Told, tmp_path: Path
) -> None:
    result = told.run(spec.replace(accelerator="auto", max_epochs=1), ref, tmp_path)
    (start,) = told.starts
    assert (start.engine, start.n_obs, start.n_vars, start.first_epoch) == ("stock", 210, 40, 1)
    if start.device == "cpu":
        assert find_notice(result.notices, "no_gpu", "gpu_only_by_hand")
    assert start.device_name
    assert {"python", "torch", "scvi-tools", "lightning", "anndata", "numpy", "platform", "cpu"} <= set(
        start.environment
    )


def test_stop_ends_after_the_minibatch_and_keeps_a_model(
    spec: RunSpec, ref: DatasetRef, told: Told, tmp_path: Path
) -> None:
    result = told.run(spec.replace(max_epochs=50), ref, tmp_path, should_stop=told.stop_when_asked(8))
    assert (result.outcome, result.epochs) == ("stopped", 1)
    assert max(p.step for p in told.points if p.step) == 7  # 6 in the first epoch
    assert told.epochs("train_loss") == [1]  # the second epoch was not whole
    assert told.epochs("validation_loss") == [1]
    assert (tmp_path / "model" / "model.pt").exists()
    assert np.isfinite(np.load(tmp_path / "latent.npy")).all()


def test_stop_in_the_first_minibatch_and_at_the_end_of_an_epoch(
    spec: RunSpec, ref: DatasetRef, told: Told, tmp_path: Path
) -> None:
    early = told.run(
        spec.replace(early_stopping=True), ref, tmp_path / "1", should_stop=told.stop_when_asked(1)
    )
    assert (early.outcome, early.epochs, told.series("train_loss")) == ("stopped", 0, [])
    assert (tmp_path / "1" / "latent.npy").exists()
    told = Told()
    whole = told.run(spec, ref, tmp_path / "2", should_stop=told.stop_when_asked(6))
    assert (whole.outcome, whole.epochs) == ("stopped", 1)
    assert told.epochs("validation_loss") == [1]
    told = Told()
    last = told.run(spec.replace(max_epochs=1), ref, tmp_path / "3", should_stop=told.stop_when_asked(6))
    assert last.outcome == "finished"  # there was nothing left to stop


@pytest.mark.parametrize("engine", ["stock", "fused"])
def test_a_hopeless_rate_diverges_and_says_what_to_try(
    spec: RunSpec, ref: DatasetRef, told: Told, tmp_path: Path, engine: str
) -> None:
    result = told.run(spec.replace(lr=10.0, engine=engine), ref, tmp_path)
    assert result.outcome == "diverged"
    assert result.problem is not None
    assert result.problem.code == "diverged"
    (lower,) = result.problem.remedies  # it was on the CPU already
    assert lower.changes == {"lr": 0.00025, "lr_rule": "manual"}  # the usual rate, not a quarter of that one
    assert not (tmp_path / "model").exists()  # no good epoch, no model


@pytest.mark.parametrize("engine", ["stock", "fused"])
def test_divergence_falls_back_on_the_last_good_epoch(
    spec: RunSpec, ref: DatasetRef, told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    import torch
    from scvi.train import TrainingPlan

    from backend.network import Losses, Minibatch, Network, Update

    spec = spec.replace(engine=engine)
    good = Told()
    good.run(spec.replace(max_epochs=2), ref, tmp_path / "good")
    if engine == "stock":
        step = TrainingPlan.training_step

        def broken(plan: TrainingPlan, batch: dict, batch_idx: int) -> torch.Tensor:
            loss = step(plan, batch, batch_idx)
            return loss * float("nan") if plan.global_step == 14 else loss

        monkeypatch.setattr(TrainingPlan, "training_step", broken)
    else:
        explicit, steps = Network.step, iter(range(10**9))

        def spoilt(network: Network, cells: Minibatch, kl_weight: float, *update: Update) -> Losses:
            losses = explicit(network, cells, kl_weight, *update)
            return replace(losses, loss=losses.loss * float("nan")) if next(steps) == 14 else losses

        monkeypatch.setattr(Network, "step", spoilt)
    result = told.run(spec, ref, tmp_path / "bad")
    assert (result.outcome, result.epochs) == ("diverged", 2)
    assert "epoch 2" in result.problem.message
    assert told.series("train_loss") == good.series("train_loss")
    np.testing.assert_array_equal(np.load(tmp_path / "bad/latent.npy"), np.load(tmp_path / "good/latent.npy"))


def test_weights_ruined_by_the_last_step_of_an_epoch_are_not_kept(
    spec: RunSpec, ref: DatasetRef, told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch
    from scvi.train import TrainingPlan

    def ruin(plan: TrainingPlan, *args: object) -> None:
        if plan.global_step == 12:
            with torch.no_grad():
                next(plan.parameters()).fill_(float("inf"))

    monkeypatch.setattr(TrainingPlan, "on_train_batch_end", ruin)
    result = told.run(
        spec.replace(train_size=1.0), ref, tmp_path
    )  # no validation to notice it: 7 steps an epoch
    assert (result.outcome, result.epochs) == ("diverged", 1)
    assert np.isfinite(np.load(tmp_path / "latent.npy")).all()


def test_a_metric_that_cannot_be_taken_does_not_end_the_run(
    spec: RunSpec, ref: DatasetRef, told: Told, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(point: MetricPoint) -> None:
        raise OSError("disk")

    with caplog.at_level(logging.WARNING, "backend.training"):
        assert told.run(spec, ref, tmp_path, on_metric=refuse).outcome == "finished"
    assert len(caplog.records) == 1


def test_a_run_is_silent_and_leaves_only_its_own_files(
    spec: RunSpec,
    ref: DatasetRef,
    told: Told,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    elsewhere = tmp_path / "cwd"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    told.run(spec.replace(early_stopping=True, early_stopping_patience=1), ref, tmp_path / "run")
    assert capfd.readouterr() == ("", "")
    assert not list(elsewhere.iterdir())
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [
        "checkpoint",
        "frames",
        "latent.npy",
        "model",
        "split.npz",
    ]


def test_runs_in_another_thread_and_lets_go_of_the_cells(
    spec: RunSpec, ref: DatasetRef, told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import scvi

    from backend import datasets

    opened: list[weakref.ref] = []
    original = datasets.open_prepared

    def remember(ref: DatasetRef):
        adata = original(ref)
        opened.append(weakref.ref(adata))
        return adata

    monkeypatch.setattr(datasets, "open_prepared", remember)
    stores = (scvi.model.SCVI._setup_adata_manager_store, scvi.model.SCVI._per_instance_manager_store)
    before = [len(store) for store in stores]
    outcome: list[str] = []
    thread = threading.Thread(target=lambda: outcome.append(told.run(spec, ref, tmp_path).outcome))
    thread.start()
    thread.join()
    assert outcome == ["finished"]
    gc.collect()
    assert opened[0]() is None
    assert [len(store) for store in stores] == before


def test_the_collection_at_the_end_of_a_run_does_not_walk_the_libraries(
    spec: RunSpec, ref: DatasetRef, told: Told, tmp_path: Path
) -> None:
    """It took 0.35 s, for which the next run waited."""
    import scvi  # noqa: F401 - a server has it by its first run

    told.run(spec.replace(max_epochs=1), ref, tmp_path)
    assert gc.get_freeze_count() > 100_000


@pytest.mark.parametrize("likelihood", ["nb", "poisson"])
def test_bfloat16_and_the_other_likelihoods_train(
    spec: RunSpec, ref: DatasetRef, told: Told, tmp_path: Path, likelihood: str
) -> None:
    spec = spec.replace(precision="bf16-mixed", gene_likelihood=likelihood, max_epochs=1)
    assert told.run(spec, ref, tmp_path).outcome == "finished"
    assert np.isfinite(np.load(tmp_path / "latent.npy")).all()


@pytest.mark.parametrize("engine", ["stock", "fused"])
@pytest.mark.parametrize(
    ("n_obs", "train_size", "batch_size"), [(181, 0.9, 54), (100, 1.0, 33), (37, 0.9, 33), (10, 0.9, 128)]
)
def test_awkward_sizes_train(
    spec: RunSpec, told: Told, tmp_path: Path, n_obs: int, train_size: float, batch_size: int, engine: str
) -> None:
    ref = write_prepared(tmp_path / "data.h5ad", n_obs=n_obs, n_vars=12)
    spec = spec.replace(engine=engine, train_size=train_size, batch_size=batch_size, max_epochs=1)
    assert told.run(spec, ref, tmp_path / "run").outcome == "finished"
    assert np.load(tmp_path / "run" / "latent.npy").shape == (n_obs, 3)


@pytest.mark.parametrize(
    ("error", "expected", "remedy"),
    [
        (MemoryError(), OutOfMemory, {"batch_size": 16, "lr": 0.000125}),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
            OutOfMemory,
            {"batch_size": 16, "lr": 0.000125},
        ),
        (RuntimeError("something\nodd"), TrainingFailed, None),
    ],
)
def test_what_torch_raises_becomes_a_sentence(
    spec: RunSpec,
    ref: DatasetRef,
    told: Told,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    expected: type[Exception],
    remedy: dict | None,
) -> None:
    from scvi.train import TrainingPlan

    step = TrainingPlan.training_step

    def fail(plan: TrainingPlan, batch: dict, batch_idx: int):
        if plan.global_step == 8:
            raise error
        return step(plan, batch, batch_idx)

    monkeypatch.setattr(TrainingPlan, "training_step", fail)
    with pytest.raises(expected) as caught:
        told.run(spec, ref, tmp_path)
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is error
    if remedy:
        assert caught.value.remedies[0].changes == remedy
    assert (tmp_path / "checkpoint" / "epoch-000001.ckpt").exists()  # the good epoch can be resumed from


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"engine": "warp"}, "engine 'warp'"),
        ({"batch_size": 2}, "minibatch size"),
        ({"lr": float("nan")}, "learning rate"),
        ({"lr": 0}, "learning rate"),
        ({"max_epochs": 0}, "epoch"),
        ({"train_size": 1.5}, "fraction"),
        ({"dropout_rate": 1.0}, "dropout"),
        ({"n_latent": 0}, "n_latent"),
        ({"gene_likelihood": "gauss"}, "gene_likelihood"),
        ({"precision": "16-mixed"}, "precision"),
        ({"lr": float("inf")}, "learning rate"),
        ({"seed": 10**400}, "seed"),
        ({"dispersion": "gene-batch", "batch_key": None}, "batch key"),
        ({"batch_key": "nowhere"}, "nowhere"),
        ({"continuous_covariate_keys": ("donor",)}, "numbers"),
        ({"accelerator": "abacus"}, "abacus"),
    ],
)
def test_what_cannot_be_trained_is_refused_first(
    spec: RunSpec, ref: DatasetRef, told: Told, tmp_path: Path, changes: dict, words: str
) -> None:
    with pytest.raises(BadInput, match=words):
        told.run(spec.replace(**changes), ref, tmp_path)
    assert not told.starts


def test_missing_values_in_a_batch_column_come_with_a_remedy(
    spec: RunSpec, ref: DatasetRef, told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from backend import datasets

    original = datasets.open_prepared

    def with_gaps(ref: DatasetRef):
        adata = original(ref)
        adata.obs.loc[adata.obs.index[:3], "batch"] = None
        adata.obs.loc[adata.obs.index[:3], "stress"] = float("nan")
        return adata

    monkeypatch.setattr(datasets, "open_prepared", with_gaps)
    with pytest.raises(BadInput) as caught:
        told.run(spec, ref, tmp_path)
    assert caught.value.remedies[0].changes == {"fill_missing": ["batch"]}
    with pytest.raises(BadInput, match="stress"):
        told.run(spec.replace(batch_key=None, continuous_covariate_keys=("stress",)), ref, tmp_path)


def test_too_few_cells_are_refused(spec: RunSpec, told: Told, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="too few"):
        told.run(spec, write_prepared(tmp_path / "data.h5ad", n_obs=2, n_vars=5), tmp_path / "run")


def test_stock_is_always_there() -> None:
    assert "stock" in available_engines()
