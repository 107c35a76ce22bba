"""What bfloat16 changes is measured on the data themselves, by the engine that will train."""

from __future__ import annotations

import pytest
import torch

from backend.training import _precision, measure_precision
from backend.types import DatasetRef, RunSpec


@pytest.mark.parametrize("engine", ["fused", "stock"])
def test_it_changes_the_loss_little_and_is_not_nothing(spec: RunSpec, ref: DatasetRef, engine: str) -> None:
    shares: list[float] = []
    state = torch.get_rng_state()
    effect = measure_precision(spec.replace(engine=engine), ref, lambda share, phase: shares.append(share))
    assert 0 < abs(effect.loss_change) < 1e-2
    assert 1e-5 < effect.gradient_change < 0.2
    assert effect.speed > 0
    assert effect.cells == spec.batch_size
    assert shares == sorted(shares)
    assert torch.equal(torch.get_rng_state(), state)


def test_the_same_precision_twice_changes_nothing(
    spec: RunSpec, ref: DatasetRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    def both_exact(*arguments):
        exact, _, minibatch = _precision._fused_trial(*arguments)
        return exact, exact, minibatch

    monkeypatch.setattr(_precision, "_stock_trial", both_exact)
    effect = measure_precision(spec, ref, lambda share, phase: None)
    assert (effect.loss_change, effect.gradient_change) == (0, 0)


def test_minibatches_larger_than_the_data_are_all_of_the_data(spec: RunSpec, ref: DatasetRef) -> None:
    effect = measure_precision(spec.replace(engine="fused", batch_size=4096), ref, lambda share, phase: None)
    assert effect.cells == ref.n_obs
