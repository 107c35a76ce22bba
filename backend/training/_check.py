"""Refuse a spec that cannot be trained, before time is spent on it: one sentence with the remedy."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ..errors import BadInput
from ..types import Remedy, RunSpec, first_problem

if TYPE_CHECKING:
    from anndata import AnnData


def check_settings(spec: RunSpec) -> None:
    """Everything that can be told from the spec alone. Raises ``BadInput`` for the first thing that is wrong."""
    if problem := first_problem(spec):
        raise BadInput(problem)
    _require(
        spec.dispersion != "gene-batch" or spec.batch_key is not None,
        "A dispersion per batch needs a batch key. Choose one, or dispersion per gene.",
    )
    columns = (
        *spec.categorical_covariate_keys,
        *spec.continuous_covariate_keys,
        *filter(None, (spec.batch_key,)),
    )
    twice = sorted({column for column in columns if columns.count(column) > 1})
    _require(
        not twice,
        f"The column {twice[0]!r} is used twice. Use it as batch key or as one covariate, not both."
        if twice
        else "",
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
