"""The command line's preset, and single options that win over it."""

from __future__ import annotations

from typing import Any

import pytest

from backend.cli.args import parse
from backend.cli.course import course_of
from backend.errors import BadInput
from backend.training import PRESETS, preset
from backend.types import RunSpec, settings_of


def course(*options: str, n_obs: int = 700) -> dict[str, Any]:
    return course_of(parse(["train", "--demo", *options]), n_obs)


@pytest.mark.parametrize("n_obs", [700, 90_000])
def test_without_options_the_course_is_the_recommended_one(n_obs: int) -> None:
    assert course(n_obs=n_obs) == preset("recommended", n_obs)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_taken_for_the_number_of_cells(name: str) -> None:
    assert course("--preset", name, n_obs=90_000) == preset(name, 90_000)


def test_the_rate_of_scvi_tools_follows_the_minibatch_size_unless_given() -> None:
    plain = ("--preset", "scvi-tools")
    assert course(*plain, "--batch-size", "512")["lr"] == 0.004
    given = course(*plain, "--batch-size", "512", "--lr", "0.5")
    assert (given["lr"], given["lr_rule"]) == (0.5, "manual")


def test_what_is_given_wins_over_the_preset() -> None:
    options = ("--max-epochs", "3", "--batch-size", "256", "--kl-warmup", "0", "--lr-end", "0.1")
    changes = {"max_epochs": 3, "batch_size": 256, "n_epochs_kl_warmup": None, "lr_end": 0.1}
    off = {"norm_recalibration": False}
    expected = preset("recommended", 700) | changes | off
    assert course(*options, "--no-norm-recalibration") == expected
    automatic = course("--lr", "auto", "--batch-size", "256")
    assert (automatic["lr"], automatic["lr_rule"]) == (0.002, "linear")


def test_the_kl_warm_up_ends_within_a_run_of_other_length() -> None:
    assert course("--max-epochs", "8")["n_epochs_kl_warmup"] == 4
    assert course("--max-epochs", "8", "--preset", "scvi-tools")["n_epochs_kl_warmup"] == 400


def test_the_rate_follows_the_minibatch_that_exists() -> None:
    auto = ("--batch-size", "65536", "--lr", "auto")
    assert course(*auto)["lr"] == 0.00492188  # of the 630 cells there are to train on
    assert course(*auto, "--train-size", "0.5")["lr"] == 0.00273438


@pytest.mark.parametrize(
    "name", sorted(set(settings_of(RunSpec)) - {"dataset_id", "dataset_name", "lr_rule"})
)
def test_every_setting_has_an_option(name: str) -> None:
    one = settings_of(RunSpec)[name]
    option = {
        "n_epochs_kl_warmup": "--kl-warmup",
        "categorical_covariate_keys": "--categorical-covariates",
        "continuous_covariate_keys": "--continuous-covariates",
    }.get(name, f"--{name.replace('_', '-')}")
    texts = {int: "7", float: "0.5", bool: None, tuple: "a,b", str: [*one.choices, "a"][-1]}
    text = texts[one.kind] if not one.choices else list(one.choices)[-1]
    args = parse(["train", "--demo", option, *([text] if text is not None else [])])
    assert getattr(args, name) == (one.read(text) if text is not None else True)


def test_a_choice_may_be_named_by_its_label() -> None:
    assert course("--precision", "bfloat16")["precision"] == "bf16-mixed"


def test_every_part_of_the_course_has_an_option() -> None:
    options = (
        *("--lr-schedule", "linear", "--lr-warmup", "0.2", "--norm-momentum", "0.05"),
        *("--output-start", "gene_means", "--kl-warmup", "7"),
    )
    assert (
        course(*options).items()
        >= {
            "lr_schedule": "linear",
            "lr_warmup": 0.2,
            "norm_momentum": 0.05,
            "output_start": "gene_means",
            "n_epochs_kl_warmup": 7,
        }.items()
    )


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--preset", "turbo"), "invalid choice: 'turbo'"),
        (("--lr-schedule", "staircase"), "'staircase' is unknown. Choose one of: constant, linear, cosine"),
        (("--lr-warmup", "2"), "a number between 0 and 0.99, and is '2'"),
        (("--kl-warmup", "-1"), "a whole number between 0 and"),
    ],
)
def test_what_cannot_be_is_refused(options: tuple[str, ...], says: str) -> None:
    with pytest.raises(BadInput, match=says):
        course(*options)
