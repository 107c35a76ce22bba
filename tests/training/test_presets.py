"""What a preset sets, and that the recommended one deserves its name."""

from __future__ import annotations

from pathlib import Path

import anndata
import pytest

from backend.datasets import DatasetLibrary
from backend.errors import BadInput
from backend.settings import Settings
from backend.training import (
    FORMER_PRESETS,
    PRESETS,
    check_settings,
    former_preset,
    max_epochs_heuristic,
    preset,
)
from backend.types import RunSpec
from tests.training.conftest import Told, prepare, write_prepared


@pytest.mark.parametrize("name", [*PRESETS, *FORMER_PRESETS])
@pytest.mark.parametrize("n_obs", [10, 700, 15_000, 30_000, 90_000, 5_000_000])
def test_every_preset_makes_a_spec_that_can_be_trained(name: str, n_obs: int) -> None:
    sets = preset(name, n_obs) if name in PRESETS else former_preset(name, n_obs)
    spec = RunSpec("d1").replace(**sets)
    check_settings(spec)  # refuses nothing
    assert 1 <= spec.max_epochs <= 400
    assert sets.keys() == preset("recommended", n_obs).keys()  # choosing another leaves nothing behind


def test_the_recommended_course_trains_fewer_cells_than_fit_into_its_minibatch(
    told: Told, tmp_path: Path
) -> None:
    ref = write_prepared(tmp_path / "few.h5ad", n_obs=12)
    spec = RunSpec("d1", accelerator="cpu", engine="stock").replace(**preset("recommended", 12))
    assert told.run(spec, ref, tmp_path / "run").outcome == "finished"
    assert told.epochs("train_loss") == list(range(1, spec.max_epochs + 1))


def test_the_defaults_of_scvi_tools_are_those_to_the_letter() -> None:
    for n_obs in (700, 90_000):
        expected = RunSpec("d1", max_epochs=max_epochs_heuristic(n_obs))
        assert RunSpec("d1").replace(**preset("scvi-tools", n_obs)) == expected


def test_minibatches_are_larger_where_there_are_more_cells() -> None:
    numbers = (700, 2_000, 9_999, 10_000, 20_000, 40_000, 10**6)
    sizes = [preset("recommended", n_obs)["batch_size"] for n_obs in numbers]
    assert sizes == [64, 128, 128, 256, 512, 1024, 1024]


def test_many_cells_are_gone_through_fewer_times_and_never_more_often_than_by_scvi_tools() -> None:
    numbers = (700, 50_000, 90_000, 200_000, 10**6, 5 * 10**6)
    epochs = [preset("recommended", n_obs)["max_epochs"] for n_obs in numbers]
    assert epochs == [20, 20, 11, 5, 4, 2]
    assert all(
        preset("quick", n_obs)["max_epochs"] <= preset("recommended", n_obs)["max_epochs"]
        for n_obs in numbers
    )


@pytest.mark.parametrize("name", ["recommended", "quick"])
def test_the_kl_weight_is_whole_before_the_run_ends(name: str) -> None:
    for n_obs in (700, 90_000, 10**6):
        sets = preset(name, n_obs)
        assert sets["n_epochs_kl_warmup"] < sets["max_epochs"]


def test_a_preset_there_is_not_is_refused() -> None:
    with pytest.raises(BadInput, match="recommended, quick, scvi-tools, not 'turbo'"):
        preset("turbo", 700)


def test_the_recommended_course_reaches_in_a_few_epochs_what_the_usual_values_reach_in_25(
    told: Told, tmp_path: Path
) -> None:
    demo = DatasetLibrary(Settings(tmp_path / "workspace")).demo()
    ref = prepare(anndata.read_h5ad(demo.path), tmp_path / "demo.h5ad")
    usual = RunSpec("d1", accelerator="cpu", max_epochs=25)
    told.run(usual, ref, tmp_path / "usual")
    target = told.series("elbo_validation")[-1]
    ours = Told()
    ours.run(usual.replace(**preset("recommended", ref.n_obs)), ref, tmp_path / "recommended")
    elbo = ours.series("elbo_validation")
    assert next(epoch for epoch, value in enumerate(elbo, 1) if value <= target) <= 5
    assert elbo[-1] < target - 10  # and goes on to a better model than that
