"""The form's values in the address bar: what was chosen survives a reload, nonsense does not."""

from __future__ import annotations

import pytest

from pages.train.draft import (
    SETTINGS,
    existing_columns,
    for_dataset,
    from_params,
    starting_spec,
    to_params,
    within_limits,
)
from tests.pages.scene import dataset, report

START = starting_spec(dataset(), report("demo"), "cpu")


def test_adviser_chooses_the_batch_key() -> None:
    assert START.batch_key == "sample"


def test_batch_key_that_preparing_left_out_is_not_chosen() -> None:
    assert starting_spec(dataset(obs_columns=("donor",)), report("demo"), "cpu").batch_key is None


def test_untouched_form_leaves_only_the_data_set_in_the_address() -> None:
    assert to_params(START, START) == {"dataset": "demo-ready"}


@pytest.mark.parametrize(
    "changes",
    [
        {"batch_size": 1024, "lr_rule": "sqrt"},
        {"lr": 0.0042, "lr_rule": "manual"},
        {"batch_key": None},
        {"batch_key": "cell_type", "categorical_covariate_keys": ("sample",)},
        {"categorical_covariate_keys": ("a", "b"), "continuous_covariate_keys": ("percent_mito",)},
        {"early_stopping": True, "early_stopping_patience": 7},
        {"n_epochs_kl_warmup": None},
        {"gene_likelihood": "nb", "n_latent": 30, "dropout_rate": 0.25, "train_size": 0.8, "seed": 12},
    ],
)
def test_every_choice_survives_a_reload(changes: dict[str, object]) -> None:
    spec = START.replace(**changes)
    assert from_params(to_params(spec, START), START) == spec


@pytest.mark.parametrize(
    "params",
    [
        {"batch_size": "many"},
        {"max_epochs": "nan"},
        {"lr": "inf"},
        {"n_latent": "inf"},
        {"n_latent": "1e400"},
        {"precision": "64-true"},
        {"engine": "warp"},
        {"lr_rule": "cubic"},
        {"gene_likelihood": "<script>"},
        {"unknown": "1"},
    ],
)
def test_nonsense_in_the_address_is_ignored(params: dict[str, str]) -> None:
    assert from_params(params, START) == START


@pytest.mark.parametrize("name", [name for name, one in SETTINGS.items() if one.is_number])
def test_numbers_are_brought_inside_their_limits(name: str) -> None:
    one = SETTINGS[name]
    assert getattr(from_params({name: "-99"}, START), name) == one.ge
    assert getattr(from_params({name: "1e12"}, START), name) == one.le


def test_a_run_with_values_the_form_does_not_offer_still_opens() -> None:
    spec = within_limits(START.replace(precision="64-true", batch_size=2, train_size=1.5))
    assert (spec.precision, spec.batch_size, spec.train_size) == ("32-true", 3, 1.0)


def test_another_data_set_brings_its_own_columns() -> None:
    other = dataset("other", name="Other", obs_columns=("donor",))
    spec = for_dataset(START.replace(n_latent=30, categorical_covariate_keys=("cell_type",)), other, None)
    assert (spec.dataset_id, spec.batch_key, spec.categorical_covariate_keys) == ("other", None, ())
    assert spec.n_latent == 30


def test_columns_that_are_gone_are_dropped() -> None:
    spec = START.replace(batch_key="gone", categorical_covariate_keys=("sample", "gone"))
    kept = existing_columns(spec, dataset())
    assert (kept.batch_key, kept.categorical_covariate_keys) == (None, ("sample",))


@pytest.mark.parametrize("name", ["batch", "batch_key"])
def test_a_link_names_the_batch_by_either_name(name: str) -> None:
    assert from_params({"dataset": "demo-ready", name: "donor"}, START).batch_key == "donor"
    assert from_params({"dataset": "demo-ready", name: ""}, START).batch_key is None
