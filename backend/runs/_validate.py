"""Refuse a spec that cannot be trained, before time is spent: one sentence with the remedy."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from ..errors import BadInput
from ..types import DatasetRef, RunSpec

# field: (what people call it, kind, lowest, highest)
_RANGES: dict[str, tuple[str, type, float, float]] = {
    "batch_size": ("The minibatch size", int, 2, 1_000_000),
    "max_epochs": ("The number of epochs", int, 1, 100_000),
    "n_latent": ("The number of latent dimensions", int, 1, 1_000),
    "n_hidden": ("The number of hidden units", int, 1, 65_536),
    "n_layers": ("The number of layers", int, 1, 64),
    "seed": ("The seed", int, 0, 2**32 - 1),
    "check_val_every_n_epoch": ("The number of epochs between validations", int, 1, 100_000),
    "early_stopping_patience": ("The patience of early stopping", int, 1, 100_000),
    "lr": ("The learning rate", float, 1e-9, 10),
    "dropout_rate": ("The dropout rate", float, 0, 0.99),
    "lr_warmup": ("The part of the run over which the learning rate rises", float, 0, 0.99),
    "lr_end": ("The part of the learning rate left at the end", float, 0, 1),
    "norm_momentum": ("The momentum of the normalisation averages", float, 1e-6, 1),
    "train_size": ("The train fraction", float, 0.05, 1),
}
_CHOICES: dict[str, tuple[str, tuple[str, ...]]] = {
    "accelerator": ("The device", ("auto", "cpu", "mps", "cuda")),
    "gene_likelihood": ("The likelihood", ("zinb", "nb", "poisson")),
    "dispersion": ("The dispersion", ("gene", "gene-batch")),
    "lr_rule": ("The learning rate rule", ("linear", "sqrt", "fixed", "manual")),
    "lr_schedule": ("The schedule of the learning rate", ("constant", "linear", "cosine")),
    "output_start": ("The start of the output layer", ("random", "gene_means")),
    "precision": ("The precision", ("32-true", "16-mixed", "bf16-mixed", "64-true")),
}


def validate(spec: RunSpec, dataset: DatasetRef, engines: Iterable[str]) -> None:
    """Raise ``BadInput`` for the first thing that is wrong with ``spec``."""
    for field, (label, kind, low, high) in _RANGES.items():
        _check_number(label, getattr(spec, field), kind, low, high)
    if spec.n_epochs_kl_warmup is not None:
        _check_number("The number of KL warm-up epochs", spec.n_epochs_kl_warmup, int, 0, 1_000_000)
    for field, (label, choices) in {**_CHOICES, "engine": ("The engine", tuple(engines))}.items():
        if getattr(spec, field) not in choices:
            raise BadInput(
                f"{label} {getattr(spec, field)!r} is unknown. Choose one of: {', '.join(choices)}."
            )
    _check_columns(spec, dataset)
    n_train = math.ceil(spec.train_size * dataset.n_obs)
    if n_train < 2:
        raise BadInput(
            f"{dataset.name} has {dataset.n_obs} cells, too few to train on. Choose a larger data set."
        )
    if spec.early_stopping and n_train >= dataset.n_obs:
        raise BadInput("Early stopping needs validation cells. Lower the train fraction, for example to 0.9.")
    if spec.dispersion == "gene-batch" and spec.batch_key is None:
        raise BadInput("Dispersion per batch needs a batch key. Choose one, or dispersion per gene.")


def check_more_epochs(number: Any) -> None:
    """Raise ``BadInput`` for what cannot be added to a run."""
    if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= 100_000:
        raise BadInput(f"The number of epochs to add must be a whole number of 1 or more, not {number}.")


def _check_number(label: str, value: Any, kind: type, low: float, high: float) -> None:
    fits = isinstance(value, int if kind is int else (int, float)) and not isinstance(value, bool)
    if not fits or not math.isfinite(value) or not low <= value <= high:
        noun = "a whole number" if kind is int else "a number"
        raise BadInput(f"{label} must be {noun} between {low:g} and {high:g}, and is {value}.")


def _check_columns(spec: RunSpec, dataset: DatasetRef) -> None:
    covariates = (*spec.categorical_covariate_keys, *spec.continuous_covariate_keys)
    asked = [("batch key", spec.batch_key)] if spec.batch_key is not None else []
    for label, column in [*asked, *(("covariate", column) for column in covariates)]:
        if column not in dataset.obs_columns:
            there = ", ".join(dataset.obs_columns) or "none"
            raise BadInput(
                f"{dataset.name} has no column {column!r} to use as {label}. Columns there are: {there}."
            )
    used = [*covariates, *([spec.batch_key] if spec.batch_key else [])]
    twice = sorted({column for column in used if used.count(column) > 1})
    if twice:
        raise BadInput(
            f"The column {twice[0]!r} is used twice. Use it as batch key or as one covariate, not both."
        )
