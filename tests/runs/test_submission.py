"""A spec that cannot be trained is refused in one sentence; one that can gets a device and a name."""

from __future__ import annotations

import math
from typing import Any

import pytest

from backend.errors import BadInput, DeviceUnavailable, NotFound
from backend.types import RunSpec, notice
from backend.words import sentence
from tests.runs.conftest import Room
from tests.runs.fakes import DATASET


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"batch_size": 2}, r"minibatch size \(batch_size\) must be a whole number between 3 and .* is 2\."),
        ({"precision": "16-mixed"}, "precision"),
        ({"precision": "64-true"}, "precision"),
        ({"n_latent": 10**400}, "latent dimensions"),
        ({"lr": 10**400}, "learning rate"),
        ({"batch_size": 12.5}, "minibatch size .* must be a whole number"),
        ({"max_epochs": 0}, "epochs .* must be a whole number"),
        ({"max_epochs": True}, "epochs .* must be a whole number"),
        ({"lr": 0.0}, "learning rate .* must be a number"),
        ({"lr": math.nan}, "learning rate"),
        ({"lr": math.inf}, "learning rate"),
        ({"dropout_rate": 1.0}, "dropout"),
        ({"train_size": 0.0}, "training fraction"),
        ({"train_size": 1.1}, "training fraction"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**32}, "seed"),
        ({"n_latent": 0}, "latent dimensions"),
        ({"n_epochs_kl_warmup": -1}, "KL warm-up"),
        ({"gene_likelihood": "gauss"}, "'gauss' is unknown. Choose one of: zinb, nb, poisson"),
        ({"engine": "warp"}, "engine 'warp' is unknown"),
        ({"accelerator": "tpu"}, "device 'tpu' is unknown"),
        ({"precision": "8"}, "precision"),
        ({"batch_key": "donor"}, "no column 'donor' to use as batch key. Available columns: channel, phase"),
        ({"continuous_covariate_keys": ("age",)}, "no column 'age' to use as covariate"),
        ({"batch_key": "phase", "categorical_covariate_keys": ("phase",)}, "'phase' is used twice"),
        ({"early_stopping": True, "train_size": 1.0}, "needs validation cells"),
    ],
)
def test_a_spec_that_cannot_be_trained_is_refused(room: Room, wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        room.submit(**wrong)
    assert room.runs.list() == []
    assert not room.settings.runs_dir.exists()


def test_too_few_cells_are_refused(room: Room) -> None:
    room.datasets.there["d1"] = DATASET.replace(n_obs=1)
    with pytest.raises(BadInput, match="too few"):
        room.submit()


def test_an_unknown_data_set_is_not_found(room: Room) -> None:
    with pytest.raises(NotFound):
        room.runs.submit(RunSpec("other", accelerator="cpu"))


def test_a_missing_device_is_refused_with_the_remedy(room: Room) -> None:
    with pytest.raises(DeviceUnavailable, match="Buy one"):
        room.submit(accelerator="cuda")


def test_auto_is_resolved_and_announced(room: Room) -> None:
    record = room.submit(accelerator="auto")
    assert record.spec.accelerator == "cpu"
    assert notice("device_chosen", device="cpu") in record.notices


def test_what_preparing_changed_is_on_the_record(room: Room) -> None:
    room.datasets.there["d1"] = DATASET.replace(notices=(notice("empty_cells_dropped", n=12),))
    assert notice("empty_cells_dropped", n=12) in room.submit().notices


def test_default_names_are_readable_and_told_apart(room: Room) -> None:
    names = [room.submit(batch_size=512).name for _ in range(2)]
    names.append(room.submit(batch_size=512, engine="stock").name)
    assert names.pop().endswith(" · 512 · stock")
    assert names == ["PBMC 700 cells · CPU · 512", "PBMC 700 cells · CPU · 512 (2)"]


def test_a_given_name_is_kept_on_one_line(room: Room) -> None:
    spec = RunSpec("d1", accelerator="cpu")
    assert room.runs.submit(spec, name="  my\nfirst \t run ").name == "my first run"


def test_the_record_has_the_spec_as_executed(room: Room) -> None:
    record = room.submit(seed=7, batch_size=64)
    assert record.spec == room.train.specs[0]
    assert record.spec.dataset_name == "PBMC 700 cells"


def test_too_few_steps_for_the_running_averages_are_said_before_the_run(room: Room) -> None:
    short = {"max_epochs": 5, "norm_momentum": 0.01, "norm_recalibration": False}
    (lag,) = room.runs.cautions(RunSpec("d1", **short))
    assert lag == notice("averages_lag", severity="warning", steps=25, momentum=0.01)
    assert sentence(lag).endswith("Switch batch-norm recalibration on.")
    assert lag in room.submit(**short).notices
    assert room.runs.cautions(RunSpec("d1", **short | {"norm_recalibration": True})) == ()
