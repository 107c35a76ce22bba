"""What was tried on this computer before it is trusted: accelerators, and bfloat16 on the data at hand.

    checks.check_device("mps"); checks.state("mps"); checks.device("mps")
    checks.measure_precision(spec); checks.precision(spec)
    checks.caution("mps")       # what a run on it should carry as a warning

One check at a time on the compute thread; what it found is kept in the registry, for as long as device and versions
stay the same.
"""

from __future__ import annotations

import gc
import json
import logging
from collections.abc import Callable
from typing import Any, Protocol

from .devices import environment
from .jobs import JobBoard, JobContext, OnProgress, Request, Work
from .registry import RunRegistry
from .training import check_device, give_back_memory, measure_precision, use_threads
from .types import (
    Accelerator,
    DatasetRef,
    DeviceCheck,
    Job,
    JobState,
    Notice,
    PrecisionEffect,
    RunSpec,
    notice,
)

logger = logging.getLogger(__name__)

__all__ = ["Checks"]

AREA = "check"
PRECISION = "precision"  # the subject of that check; those of a device have its name
_VERSIONS = ("cpu", "cores", "torch", "numba", "scvi-tools")
_MODEL = ("n_hidden", "n_layers", "n_latent", "gene_likelihood", "dispersion", "batch_key")
_PRECISION = ("dataset_id", "engine", "accelerator", "batch_size", *_MODEL)


class CheckDevice(Protocol):
    def __call__(self, name: str, device_name: str, on_step: OnProgress, /) -> DeviceCheck: ...


class MeasurePrecision(Protocol):
    def __call__(self, spec: RunSpec, dataset: DatasetRef, on_step: OnProgress, /) -> PrecisionEffect: ...


class Devices(Protocol):
    def accelerators(self) -> list[Accelerator]: ...

    def resolve(self, name: str) -> Accelerator: ...

    def bfloat16_obstacle(self, name: str) -> str: ...


class Checks:
    def __init__(
        self,
        registry: RunRegistry,
        jobs: JobBoard,
        devices: Devices,
        dataset: Callable[[str], DatasetRef],
        threads: int | None,
        *,
        check: CheckDevice = check_device,
        measure: MeasurePrecision = measure_precision,
    ) -> None:
        self._registry = registry
        self._jobs = jobs
        self._devices = devices
        self._dataset = dataset
        self._threads = threads
        self._check = check
        self._measure = measure
        jobs.employ(AREA, self._perform, on_compute_thread=True)

    # --- devices ---

    def device(self, name: str) -> DeviceCheck | None:
        """What the last check of ``cpu``, ``mps`` or ``cuda`` found; None where it was never made as it is now."""
        found = self._registry.recall(self._device_key(self._accelerator(name)))
        return None if found is None else DeviceCheck.from_dict(found)

    def check_device(self, name: str) -> Job:
        """Ask for a check. One that waits or is under way is not begun twice. Raises ``DeviceUnavailable``."""
        accelerator = self._devices.resolve(name)
        return self._begin(accelerator.name, f"Checking the {accelerator.label}", {})

    def recommendation(self) -> DeviceCheck | None:
        """Of the devices that passed, the one that trains fastest, with the minibatch size to use there."""
        passed = [
            found
            for accelerator in self._devices.accelerators()
            if accelerator.available and (found := self.device(accelerator.name)) and found.batch_size
        ]
        return max(passed, key=lambda found: found.speed("fused", found.batch_size) or 0.0, default=None)

    def caution(self, name: str) -> tuple[Notice, ...]:
        """What a run on the device should carry as a warning: that it failed its check, or never had one."""
        found = self.device(name)
        if found is None:
            if name == "cpu":
                return ()  # where the reference runs as well
            return (notice("device_unchecked", severity="warning", device=name),)
        if found.passed:
            return ()
        wrong = sorted({f"{one.likelihood} ({one.engine})" for one in found.findings if not one.passed})
        failed = notice(
            "device_failed_check",
            severity="warning",
            device=name,
            checked_at=found.checked_at,
            wrong=tuple(wrong),
        )
        return (failed,)

    # --- precision ---

    def bfloat16_obstacle(self, accelerator: str) -> str:
        """Why bfloat16 is not offered on a device, as a sentence; empty where it is."""
        return self._devices.bfloat16_obstacle(accelerator)

    def precision(self, spec: RunSpec) -> PrecisionEffect | None:
        """What bfloat16 would change for a run like this; None where it was not measured yet."""
        found = self._registry.recall(self._precision_key(spec))
        return None if found is None else PrecisionEffect.from_dict(found)

    def measure_precision(self, spec: RunSpec) -> Job:
        self._dataset(spec.dataset_id)  # which must be there
        return self._begin(PRECISION, "Measuring bfloat16", {"spec": spec.to_dict()})

    # --- the one under way ---

    def state(self, subject: str) -> Job | None:
        """Of a check that waits, is under way, or could not be done; None otherwise."""
        job = self._jobs.find(_job_id(subject))
        return None if job is None or job.state in (JobState.DONE, JobState.CANCELED) else job

    def cancel(self, subject: str) -> None:
        """End it at its next step; one that waits never begins. A message of failure is taken away."""
        self._jobs.dismiss(_job_id(subject))

    def busy(self) -> str:
        """What the compute thread does for a check, for the page; empty where it does nothing."""
        job = self._jobs.active(AREA)
        if job is None:
            return ""
        return "measuring bfloat16" if job.subject == PRECISION else "checking a device"

    # --- inside ---

    def _begin(self, subject: str, title: str, more: Request) -> Job:
        request = {"subject": subject, **more}
        return self._jobs.begin(Work(AREA, _job_id(subject), AREA, title, request, subject=subject))

    def _perform(self, request: Request, job: JobContext) -> str:
        use_threads(self._threads)
        try:
            if request["subject"] == PRECISION:
                spec = RunSpec.from_dict(request["spec"])
                effect = self._measure(spec, self._dataset(spec.dataset_id), job.report)
                self._registry.remember(self._precision_key(spec), effect.to_dict())
            else:
                accelerator = self._devices.resolve(request["subject"])
                found = self._check(accelerator.name, accelerator.device_name, job.report)
                self._registry.remember(self._device_key(accelerator), found.to_dict())
                logger.info("check of %s: %s", accelerator.name, "passed" if found.passed else "FAILED")
        finally:
            _tidy()
        return ""

    def _accelerator(self, name: str) -> Accelerator:
        return next(one for one in self._devices.accelerators() if one.name == name)

    def _device_key(self, accelerator: Accelerator) -> str:
        facts = {"device": accelerator.name, "name": accelerator.device_name, "threads": self._threads}
        return "device check " + self._with_versions(facts)

    def _precision_key(self, spec: RunSpec) -> str:
        facts = {name: getattr(spec, name) for name in _PRECISION}
        return "precision " + self._with_versions(facts)

    @staticmethod
    def _with_versions(facts: dict[str, Any]) -> str:
        here = environment()
        return json.dumps(facts | {name: here.get(name, "") for name in _VERSIONS}, sort_keys=True)


def _job_id(subject: str) -> str:
    return f"check-{subject}"


def _tidy() -> None:
    """Models and trainers refer to each other in circles: without a collection a gigabyte stays for long."""
    gc.collect()
    give_back_memory()
