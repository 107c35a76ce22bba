"""The training form's values before they become a run: where they start, and their form in the address bar.

    spec = starting_spec(dataset, report, accelerator="cpu")
    spec = from_params(st.query_params.to_dict(), spec)     # nonsense in the address is ignored
    st.query_params.from_dict(to_params(spec, starting_spec(...)))   # only what differs

Pure: no widgets, no disk. A reload or a shared link brings the same form back. Limits and choices are those that the
settings declare.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping, Sequence
from typing import Any

from backend.services import preset
from backend.types import DatasetRef, DatasetReport, RunSpec, Setting, settings_of

SETTINGS = settings_of(RunSpec)
MINIBATCH_SIZES = (128, 256, 512, 1024, 2048, 4096)
_DATASET = "dataset"
_IN_ADDRESS = {name: one for name, one in SETTINGS.items() if name not in ("dataset_id", "dataset_name")}


def starting_spec(
    dataset: DatasetRef, report: DatasetReport | None, accelerator: str, course: str = "recommended"
) -> RunSpec:
    """What the form shows before anybody touched it: the recommended course, the adviser's batch key."""
    batch_key = report.batch_key if report else None
    return RunSpec(
        dataset_id=dataset.dataset_id,
        dataset_name=dataset.name,
        accelerator=accelerator,
        batch_key=batch_key if batch_key in dataset.obs_columns else None,
    ).replace(**preset(course, dataset.n_obs))


def within_limits(spec: RunSpec) -> RunSpec:
    """``spec`` with every number brought inside its limits and every choice one that there is."""
    values = {name: one.nearest(getattr(spec, name)) for name, one in _IN_ADDRESS.items()}
    return spec.replace(**values)


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
    for name, one in _IN_ADDRESS.items():
        value = getattr(spec, name)
        if value == getattr(start, name) or (
            name == "lr" and spec.lr_rule != "manual"
        ):  # it follows the rule
            continue
        params[name] = list(value) if one.kind is tuple else "" if value is None else str(value)
    return params


def from_params(params: Mapping[str, str | Sequence[str]], start: RunSpec) -> RunSpec:
    """``start`` with what ``params`` says; anything that is not a value of its kind is left out."""
    changes: dict[str, Any] = {}
    if "batch_key" not in params and "batch" in params:  # the shorter name, in links people write
        params = {**params, "batch_key": params["batch"]}
    for name, one in _IN_ADDRESS.items():
        value = params.get(name)
        if value is None:
            continue
        if one.kind is tuple:
            changes[name] = (value,) if isinstance(value, str) else tuple(value)
        elif isinstance(value, str):
            with contextlib.suppress(ValueError):
                changes[name] = _read(one, value)
    return start.replace(**changes)


def dataset_in(params: Mapping[str, Any]) -> str | None:
    value = params.get(_DATASET)
    return value if isinstance(value, str) else None


def _read(one: Setting, text: str) -> Any:
    try:
        return one.read(text)
    except ValueError:
        if not one.is_number or not math.isfinite(number := float(text)):
            raise
        return one.nearest(number)
