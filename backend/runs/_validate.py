"""Refuse a spec that cannot be trained on its cells, before time is spent: one sentence with the remedy."""

from __future__ import annotations

import math
from typing import Any

from ..errors import BadInput
from ..training import check_settings
from ..types import DatasetRef, RunSpec, settings_of


def validate(spec: RunSpec, dataset: DatasetRef) -> None:
    """Raise ``BadInput`` for the first thing that is wrong with ``spec``."""
    check_settings(spec)
    _check_columns(spec, dataset)
    n_train = math.ceil(spec.train_size * dataset.n_obs)
    if n_train < 2:
        raise BadInput(
            f"{dataset.name} has {dataset.n_obs} cells, too few to train on. Choose a larger data set."
        )
    if spec.early_stopping and n_train >= dataset.n_obs:
        raise BadInput(
            "Early stopping needs validation cells. Lower the training fraction, for example to 0.9."
        )


def check_more_epochs(number: Any) -> None:
    """Raise ``BadInput`` for what cannot be added to a run."""
    if settings_of(RunSpec)["max_epochs"].problem_with(number):
        raise BadInput(f"The number of epochs to add must be a whole number of 1 or more, not {number}.")


def _check_columns(spec: RunSpec, dataset: DatasetRef) -> None:
    covariates = (*spec.categorical_covariate_keys, *spec.continuous_covariate_keys)
    asked = [("batch key", spec.batch_key)] if spec.batch_key is not None else []
    for label, column in [*asked, *(("covariate", column) for column in covariates)]:
        if column not in dataset.obs_columns:
            there = ", ".join(dataset.obs_columns) or "none"
            raise BadInput(
                f"{dataset.name} has no column {column!r} to use as {label}. Columns there are: {there}."
            )
