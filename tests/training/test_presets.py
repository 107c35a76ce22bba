"""What a preset sets, and that the fast one deserves its name."""

from __future__ import annotations

from pathlib import Path

import anndata
import pytest

from backend.datasets import DatasetLibrary
from backend.errors import BadInput
from backend.settings import Settings
from backend.training import PRESETS, check_settings, max_epochs_heuristic, preset
from backend.types import RunSpec
from tests.training.conftest import Told, prepare, write_prepared


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("n_obs", [10, 700, 15_000, 30_000, 90_000, 5_000_000])
def test_every_preset_makes_a_spec_that_can_be_trained(name: str, n_obs: int) -> None:
    spec = RunSpec("d1").replace(**preset(name, n_obs))
    check_settings(spec)  # refuses nothing
    assert 1 <= spec.max_epochs <= 400
    assert spec.max_epochs <= max(25, max_epochs_heuristic(n_obs))


def test_fast_trains_fewer_cells_than_fit_into_its_minibatch(told: Told, tmp_path: Path) -> None:
    ref = write_prepared(tmp_path / "few.h5ad", n_obs=12)
    spec = RunSpec("d1", accelerator="cpu", engine="stock").replace(**preset("fast", 12))
    assert told.run(spec, ref, tmp_path / "run").outcome == "finished"
    assert told.epochs("train_loss") == list(range(1, spec.max_epochs + 1))


def test_only_fast_sets_more_than_the_epochs() -> None:
    assert preset("quick", 700) == {"max_epochs": 5}
    assert preset("useful", 700) == {"max_epochs": 25}
    assert preset("thorough", 700) == {"max_epochs": max_epochs_heuristic(700)}
    assert preset("fast", 700).keys() > {"max_epochs", "batch_size", "lr", "lr_schedule", "output_start"}


def test_fast_makes_minibatches_larger_where_there_are_more_cells() -> None:
    sizes = [preset("fast", n_obs)["batch_size"] for n_obs in (700, 9_999, 10_000, 20_000, 40_000, 10**6)]
    assert sizes == [128, 128, 256, 512, 1024, 1024]


def test_fast_goes_through_many_cells_fewer_times_and_never_more_often_than_thorough() -> None:
    epochs = [preset("fast", n_obs)["max_epochs"] for n_obs in (700, 90_000, 200_000, 10**6, 5 * 10**6)]
    assert epochs == [10, 10, 5, 4, 2]
    for n_obs in (700, 200_000, 5 * 10**6):
        assert preset("fast", n_obs)["max_epochs"] <= preset("thorough", n_obs)["max_epochs"]


def test_a_preset_there_is_not_is_refused() -> None:
    with pytest.raises(BadInput, match="quick, fast, useful, thorough, not 'turbo'"):
        preset("turbo", 700)


def test_fast_reaches_in_a_few_epochs_what_the_usual_values_reach_in_25(told: Told, tmp_path: Path) -> None:
    demo = DatasetLibrary(Settings(tmp_path / "workspace")).demo()
    ref = prepare(anndata.read_h5ad(demo.path), tmp_path / "demo.h5ad")
    usual, fast = RunSpec("d1", accelerator="cpu", max_epochs=25), preset("fast", ref.n_obs)
    told.run(usual, ref, tmp_path / "usual")
    target = told.series("elbo_validation")[-1]
    quick = Told()
    quick.run(usual.replace(**fast), ref, tmp_path / "fast")
    elbo = quick.series("elbo_validation")
    assert next(epoch for epoch, value in enumerate(elbo, 1) if value <= target) <= 5
    assert elbo[-1] < target - 10  # and goes on to a better model than that
