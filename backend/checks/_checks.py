"""``Checks``: ask for a check, watch it, read what it found, today or on another day.

checks.check_device("mps"); checks.state("mps"); checks.device("mps")
checks.measure_precision(spec); checks.precision(spec)
checks.caution("mps")       # what a run on it should carry as a warning
"""

from __future__ import annotations

import gc
import json
import logging
from collections.abc import Callable
from typing import Any

from ..devices import environment
from ..registry import RunRegistry
from ..training import check_device, give_back_memory, measure_precision, use_threads
from ..types import Accelerator, CheckState, DatasetRef, DeviceCheck, Notice, PrecisionEffect, RunSpec, notice
from ..workers import Executor
from ._under_way import UnderWay

logger = logging.getLogger(__name__)

CheckDevice = Callable[..., DeviceCheck]
MeasurePrecision = Callable[..., PrecisionEffect]

PRECISION = "precision"  # the subject of that check; those of a device have its name
_VERSIONS = ("cpu", "cores", "torch", "numba", "scvi-tools")
_MODEL = ("n_hidden", "n_layers", "n_latent", "gene_likelihood", "dispersion", "batch_key")
_PRECISION = ("dataset_id", "engine", "accelerator", "batch_size", *_MODEL)


class Checks:
    def __init__(
        self,
        registry: RunRegistry,
        executor: Executor,
        devices: Any,
        dataset: Callable[[str], DatasetRef],
        threads: int | None,
        *,
        check: CheckDevice = check_device,
        measure: MeasurePrecision = measure_precision,
    ) -> None:
        self._registry = registry
        self._devices = devices
        self._dataset = dataset
        self._threads = threads
        self._check = check
        self._measure = measure
        self._under_way = UnderWay(executor)

    # --- devices ---

    def device(self, name: str) -> DeviceCheck | None:
        """What the last check of ``cpu``, ``mps`` or ``cuda`` found; None where it was never made as it is now."""
        found = self._registry.recall(self._device_key(self._accelerator(name)))
        return None if found is None else DeviceCheck.from_dict(found)

    def check_device(self, name: str) -> CheckState:
        """Ask for a check. One that waits or is under way is not begun twice. Raises ``DeviceUnavailable``."""
        accelerator = self._devices.resolve(name)
        key = self._device_key(accelerator)

        def work(on_step: Callable[[float, str], None]) -> None:
            use_threads(self._threads)
            try:
                found = self._check(accelerator.name, accelerator.device_name, on_step)
            finally:
                _tidy()
            self._registry.remember(key, found.to_dict())
            logger.info("check of %s: %s", name, "passed" if found.passed else "FAILED")

        return self._under_way.begin(accelerator.name, work)

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
        return str(self._devices.bfloat16_obstacle(accelerator))

    def precision(self, spec: RunSpec) -> PrecisionEffect | None:
        """What bfloat16 would change for a run like this; None where it was not measured yet."""
        found = self._registry.recall(self._precision_key(spec))
        return None if found is None else PrecisionEffect.from_dict(found)

    def measure_precision(self, spec: RunSpec) -> CheckState:
        dataset, key = self._dataset(spec.dataset_id), self._precision_key(spec)

        def work(on_step: Callable[[float, str], None]) -> None:
            use_threads(self._threads)
            try:
                self._registry.remember(key, self._measure(spec, dataset, on_step).to_dict())
            finally:
                _tidy()

        return self._under_way.begin(PRECISION, work)

    # --- the one under way ---

    def state(self, subject: str) -> CheckState | None:
        """Of a check that waits, is under way, or could not be done; None otherwise."""
        return self._under_way.state(subject)

    def cancel(self, subject: str) -> None:
        self._under_way.cancel(subject)

    def busy(self) -> str:
        """What the compute thread does for a check, for the page; empty where it does nothing."""
        return self._under_way.busy()

    def close(self) -> None:
        """End what is under way at its next step."""
        self._under_way.close()

    # --- inside ---

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


def _tidy() -> None:
    """Models and trainers refer to each other in circles: without a collection a gigabyte stays for long."""
    gc.collect()
    give_back_memory()
