"""From a spec to the record of a queued run: checked, the device decided, named."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from ..errors import BadInput
from ..training import check_settings, lagging_steps, training_cells
from ..types import Accelerator, DatasetRef, Notice, RunRecord, RunSpec, RunStatus, notice, settings_of
from ..words import device_word, visible
from ._columns import check_values

USUAL_ENGINE = RunSpec(dataset_id="").engine
MAX_NAME = 120


class Datasets(Protocol):
    def dataset(self, dataset_id: str) -> DatasetRef: ...


class Devices(Protocol):
    def resolve(self, name: str) -> Accelerator: ...

    def memory(self) -> tuple[int, int, int]:
        """Bytes used by this program, available, and there at all."""


class Checks(Protocol):
    def caution(self, accelerator: str) -> tuple[Notice, ...]: ...

    def busy(self) -> str: ...


class _NoChecks:
    """For a service that is not told of any checks of this computer."""

    def caution(self, accelerator: str) -> tuple[Notice, ...]:
        return ()

    def busy(self) -> str:
        return ""


NO_CHECKS = _NoChecks()


def make_record(
    spec: RunSpec,
    dataset: DatasetRef,
    devices: Devices,
    checks: Checks,
    *,
    run_id: str,
    now: float,
    name: str,
    taken: Iterable[str],
    origin: str,
    position: float,
) -> RunRecord:
    """The record of ``spec`` as it will be executed. Raises ``BadInput`` where it cannot be."""
    spec, notices = as_executed(spec, dataset, devices)
    notices = (*notices, *checks.caution(spec.accelerator))
    return RunRecord(
        run_id=run_id,
        spec=spec,
        status=RunStatus.QUEUED,
        name=clean_name(name) or default_name(spec, taken),
        created_at=now,
        origin=origin,
        position=position,
        n_obs=dataset.n_obs,
        n_vars=dataset.n_vars,
        notices=notices,
    )


def as_executed(spec: RunSpec, dataset: DatasetRef, devices: Devices) -> tuple[RunSpec, tuple[Notice, ...]]:
    """``spec`` with the device decided, and notices. Raises ``BadInput`` where it cannot be trained."""
    spec = spec.replace(dataset_name=dataset.name)
    validate(spec, dataset)
    notices = (*dataset.notices, *cautions(spec, dataset))
    if spec.accelerator == "auto":
        spec = spec.replace(accelerator=devices.resolve("auto").name)
        notices = (*notices, notice("device_chosen", device=spec.accelerator))
    elif spec.accelerator != "cpu":  # the CPU is always there, and asking about others imports torch
        devices.resolve(spec.accelerator)  # raises where it is missing
    return spec, notices


def cautions(spec: RunSpec, dataset: DatasetRef) -> tuple[Notice, ...]:
    """What to think of before ``spec`` is trained. Raises ``BadInput`` for a column that cannot be used."""
    found = check_values(spec, dataset)
    if steps := lagging_steps(spec, dataset.n_obs):
        lag = notice("averages_lag", severity="warning", steps=steps, momentum=spec.norm_momentum)
        return (*found, lag)
    return found


def default_name(spec: RunSpec, taken: Iterable[str]) -> str:
    """``PBMC 700 cells · CPU · 512``, with the engine where it is not the usual one, numbered where taken."""
    taken = set(taken)
    base = f"{spec.dataset_name[:80]} · {device_word(spec.accelerator)} · {spec.batch_size}"
    if spec.engine != USUAL_ENGINE:
        base += f" · {spec.engine}"
    name, number = base, 1
    while name in taken:
        number += 1
        name = f"{base} ({number})"
    return name


def clean_name(name: str) -> str:
    return " ".join(visible(name).split())[:MAX_NAME]


def validate(spec: RunSpec, dataset: DatasetRef) -> None:
    """Raise ``BadInput`` for the first thing that is wrong with ``spec``."""
    check_settings(spec)
    _check_columns(spec, dataset)
    n_train = training_cells(spec.train_size, dataset.n_obs)
    if n_train < 2:
        raise BadInput(
            f"{dataset.name} has {dataset.n_obs} cells, too few to train on. Choose a larger data set."
        )
    if spec.early_stopping and n_train >= dataset.n_obs:
        raise BadInput(
            "Early stopping needs validation cells. Lower the training fraction, for example to 0.9."
        )


def check_more_epochs(number: object) -> None:
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
                f"{dataset.name} has no column {column!r} to use as {label}. Available columns: {there}."
            )
