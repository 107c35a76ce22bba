"""Refuse a spec that cannot be trained, before time is spent on it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ..errors import BadInput
from ..types import Remedy, RunSpec
from ._schedule import OUTPUT_STARTS, SCHEDULES

if TYPE_CHECKING:
    from anndata import AnnData

LIKELIHOODS = ("zinb", "nb", "poisson")
DISPERSIONS = ("gene", "gene-batch", "gene-cell")
PRECISIONS = ("32-true", "bf16-mixed")


def check_numbers(spec: RunSpec) -> None:
    """Everything that can be told from the spec alone."""
    _require(
        spec.batch_size >= 3, "The minibatch size must be at least 3: smaller ones cannot be normalised."
    )
    _require(
        math.isfinite(spec.lr) and spec.lr > 0, f"The learning rate must be above 0, and is {spec.lr:g}."
    )
    _require(spec.max_epochs >= 1, "At least one epoch is needed.")
    _require(0 < spec.train_size <= 1, "The training fraction must be above 0 and at most 1.")
    _require(0 <= spec.dropout_rate < 1, "The dropout rate must be at least 0 and below 1.")
    _require(spec.check_val_every_n_epoch >= 1, "Validation can run every epoch at most, so the least is 1.")
    _require(0 <= spec.seed < 2**32, "The seed must be between 0 and 4,294,967,295.")
    _require(0 <= spec.lr_warmup < 1, "The learning rate can rise over a share of the run from 0 to below 1.")
    _require(0 <= spec.lr_end <= 1, "The learning rate can end at a share of itself from 0 to 1.")
    _require(
        0 < spec.norm_momentum <= 1,
        "The momentum of the normalisation averages must be above 0 and at most 1.",
    )
    for name in ("n_latent", "n_hidden", "n_layers", "early_stopping_patience"):
        _require(getattr(spec, name) >= 1, f"{name} must be at least 1.")
    if spec.n_epochs_kl_warmup is not None:
        _require(spec.n_epochs_kl_warmup >= 0, "The KL warm-up cannot last a negative number of epochs.")
    for name, choices in (
        ("gene_likelihood", LIKELIHOODS),
        ("dispersion", DISPERSIONS),
        ("precision", PRECISIONS),
        ("lr_schedule", SCHEDULES),
        ("output_start", OUTPUT_STARTS),
    ):
        value = getattr(spec, name)
        _require(value in choices, f"{name} is one of {', '.join(choices)}, not {value!r}.")
    _require(
        spec.dispersion != "gene-batch" or spec.batch_key is not None,
        "A dispersion per batch needs a batch key.",
    )


def check_columns(spec: RunSpec, adata: AnnData) -> None:
    """The obs columns that the spec names are there and can be used."""
    for key in filter(None, (spec.batch_key, *spec.categorical_covariate_keys)):
        _require_column(adata, key)
        if adata.obs[key].isna().any():
            fill = Remedy('Fill missing values with "unknown"', "prepare", {"fill_missing": [key]})
            raise BadInput(f"The column {key!r} has missing values.", remedies=(fill,))
    for key in spec.continuous_covariate_keys:
        _require_column(adata, key)
        column = adata.obs[key]
        _require(column.dtype.kind in "iufb", f"The column {key!r} does not hold numbers.")
        _require(
            bool(column.notna().all()) and math.isfinite(float(column.abs().max())),
            f"The column {key!r} has missing or infinite values.",
        )


def _require_column(adata: AnnData, key: str) -> None:
    _require(key in adata.obs, f"The data set has no column {key!r}.")


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise BadInput(message)
