"""From a spec to the record of a queued run: checked, the device decided, named."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol
from unicodedata import category

from ..types import Accelerator, DatasetRef, Notice, RunRecord, RunSpec, RunStatus, notice
from ..words import device_word
from ._validate import validate

USUAL_ENGINE = RunSpec(dataset_id="").engine
MAX_NAME = 120
_INVISIBLE = ("Cc", "Cf", "Cs")
_JOINERS = "\u200c\u200d"  # part of how some scripts, and some emoji, are written


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
    notices = dataset.notices
    if spec.accelerator == "auto":
        spec = spec.replace(accelerator=devices.resolve("auto").name)
        notices = (*notices, notice("device_chosen", device=spec.accelerator))
    elif spec.accelerator != "cpu":  # the CPU is always there, and asking about others imports torch
        devices.resolve(spec.accelerator)  # raises where it is missing
    return spec, notices


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
    """One line of visible characters: none that turn the direction of writing, or steer a terminal."""
    visible = "".join(" " if category(char) in _INVISIBLE and char not in _JOINERS else char for char in name)
    return " ".join(visible.split())[:MAX_NAME]
