"""The training form's values before they become a run: defaults, limits, and their form in the address bar.

    spec = starting_spec(dataset, report, accelerator="cpu")
    spec = from_params(st.query_params.to_dict(), spec)     # nonsense in the address is ignored
    st.query_params.from_dict(to_params(spec, starting_spec(...)))   # only what differs

Pure: no widgets, no disk. A reload or a shared link brings the same form back.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from backend.services import OUTPUT_STARTS, SCHEDULES, USEFUL
from backend.types import DatasetRef, DatasetReport, RunSpec

MINIBATCH_SIZES = (128, 256, 512, 1024, 2048, 4096)
LR_RULES = ("linear", "sqrt", "fixed", "manual")
LIKELIHOODS = ("zinb", "nb", "poisson")
PRECISIONS = ("32-true", "bf16-mixed")

# What the widgets accept; a value from an address or an older run is brought inside.
LIMITS: dict[str, tuple[float, float]] = {
    "batch_size": (2, 65536),
    "max_epochs": (1, 10_000),
    "lr": (1e-6, 1.0),
    "n_latent": (2, 200),
    "n_hidden": (8, 2048),
    "n_layers": (1, 10),
    "dropout_rate": (0.0, 0.9),
    "train_size": (0.5, 0.98),
    "seed": (0, 2**31 - 1),
    "check_val_every_n_epoch": (1, 1000),
    "early_stopping_patience": (1, 1000),
    "n_epochs_kl_warmup": (0, 10_000),
    "lr_warmup": (0.0, 0.9),
    "lr_end": (0.0, 1.0),
    "norm_momentum": (0.001, 1.0),
}
CHOICES: dict[str, tuple[str, ...]] = {
    "lr_rule": LR_RULES,
    "gene_likelihood": LIKELIHOODS,
    "precision": PRECISIONS,
    "lr_schedule": SCHEDULES,
    "output_start": OUTPUT_STARTS,
}
_TEXTS = ("accelerator", "engine", "batch_key")
_LISTS = ("categorical_covariate_keys", "continuous_covariate_keys")
_DATASET = "dataset"


def starting_spec(dataset: DatasetRef, report: DatasetReport | None, accelerator: str) -> RunSpec:
    """What the form shows before anybody touched it: the adviser's batch key, scvi-tools' own values."""
    batch_key = report.batch_key if report else None
    return RunSpec(
        dataset_id=dataset.dataset_id,
        dataset_name=dataset.name,
        accelerator=accelerator,
        max_epochs=USEFUL,
        batch_key=batch_key if batch_key in dataset.obs_columns else None,
    )


def within_limits(spec: RunSpec) -> RunSpec:
    """``spec`` with every number brought inside its limits and every choice one of the offered."""
    changes: dict[str, Any] = {}
    for name, (low, high) in LIMITS.items():
        value = getattr(spec, name)
        if value is not None and not low <= value <= high:
            changes[name] = type(value)(min(max(value, low), high)) if value == value else low
    for name, options in CHOICES.items():
        if getattr(spec, name) not in options:
            changes[name] = getattr(RunSpec(dataset_id=""), name)
    return spec.replace(**changes) if changes else spec


def for_dataset(spec: RunSpec, dataset: DatasetRef, report: DatasetReport | None) -> RunSpec:
    """``spec`` moved to another dataset: its columns are that dataset's, everything else stays."""
    fresh = starting_spec(dataset, report, spec.accelerator)
    return spec.replace(
        dataset_id=dataset.dataset_id,
        dataset_name=dataset.name,
        batch_key=fresh.batch_key,
        categorical_covariate_keys=(),
        continuous_covariate_keys=(),
    )


def existing_columns(spec: RunSpec, dataset: DatasetRef) -> RunSpec:
    """``spec`` without columns that ``dataset`` does not have."""
    have = set(dataset.obs_columns)
    return spec.replace(
        batch_key=spec.batch_key if spec.batch_key in have else None,
        categorical_covariate_keys=tuple(key for key in spec.categorical_covariate_keys if key in have),
        continuous_covariate_keys=tuple(key for key in spec.continuous_covariate_keys if key in have),
    )


def to_params(spec: RunSpec, start: RunSpec) -> dict[str, str | list[str]]:
    """What differs from ``start``, and always the dataset, for the address bar."""
    params: dict[str, str | list[str]] = {_DATASET: spec.dataset_id}
    for name in (*LIMITS, *CHOICES, *_TEXTS, "early_stopping"):
        value = getattr(spec, name)
        if name == "lr" and spec.lr_rule != "manual":  # follows from the rule
            continue
        if value != getattr(start, name):
            params[name] = "" if value is None else str(value)
    for name in _LISTS:
        if getattr(spec, name) != getattr(start, name):
            params[name] = list(getattr(spec, name))
    return params


def from_params(params: Mapping[str, str | Sequence[str]], start: RunSpec) -> RunSpec:
    """``start`` with what ``params`` says; anything that is not a value of its kind is left out."""
    changes: dict[str, Any] = {}
    if "batch_key" not in params and "batch" in params:  # the shorter name, in links people write
        params = {**params, "batch_key": params["batch"]}
    for name in LIMITS:
        text = params.get(name)
        if isinstance(text, str):
            number = _number(text, whole=not isinstance(getattr(RunSpec(dataset_id=""), name), float))
            if number is not None:
                changes[name] = number
            elif name == "n_epochs_kl_warmup" and text == "":
                changes[name] = None
    for name in (*CHOICES, *_TEXTS):
        text = params.get(name)
        if isinstance(text, str):
            changes[name] = text if text or name != "batch_key" else None
    if isinstance(params.get("early_stopping"), str):
        changes["early_stopping"] = params["early_stopping"] == "True"
    for name in _LISTS:
        value = params.get(name)
        if value is not None:
            changes[name] = (value,) if isinstance(value, str) else tuple(value)
    return within_limits(start.replace(**changes))


def dataset_in(params: Mapping[str, Any]) -> str | None:
    value = params.get(_DATASET)
    return value if isinstance(value, str) else None


def _number(text: str, *, whole: bool) -> float | int | None:
    try:
        value = float(text)
    except ValueError:
        return None
    if not math.isfinite(value):
        return None
    return int(value) if whole else value
