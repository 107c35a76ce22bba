"""How long a run will take and whether it fits into memory, before it starts. Never blocks the caller.

The speed comes from an earlier run of the same shape, else from a short calibration kept in the registry.
A missing calibration is made on the compute thread when that has nothing else to do; of several wanted
meanwhile only the newest is made, so that playing with a form does not pile up work.
"""

from __future__ import annotations

import hashlib
import json
import math
import threading
from collections.abc import Callable
from statistics import median_low

from .. import training
from ..devices import environment
from ..errors import Conflict, DeviceUnavailable
from ..jobs import JobBoard, JobContext, Request, Work
from ..registry import RunRegistry
from ..types import DatasetRef, Estimate, JobState, Pace, RunRecord, RunSpec, RunStatus
from ..workers import Executor
from ._submission import Devices

Calibrate = Callable[[RunSpec, int, int, float], Pace]

AREA = "calibration"
_RECENT = 5  # runs that tell how long start-up and saving take; the middle one, as one may have paused
_VALIDATION_COST = 0.35  # of a training step: forward only
_MODEL = ("n_hidden", "n_layers", "n_latent", "gene_likelihood", "dispersion")
_SHAPE = ("engine", "accelerator", "batch_size", "precision", *_MODEL)
_MACHINE = ("cpu", "cores")
_VERSIONS = (*_MACHINE, "torch", "scvi-tools")


class Estimator:
    def __init__(
        self,
        registry: RunRegistry,
        executor: Executor,
        devices: Devices,
        threads: int | None,
        calibrate: Calibrate | None,
        jobs: JobBoard,
    ) -> None:
        self._registry = registry
        self._executor = executor
        self._devices = devices
        self._calibrate = calibrate or self._calibrate_here
        self._threads = threads
        self._used = 0  # memory of this program, seen when nothing was computed
        self._lock = threading.Lock()
        self._wanted: Work | None = None  # the newest asked for while another is measured
        self._jobs = jobs
        jobs.employ(AREA, self._measure, on_compute_thread=True)

    def estimate(self, spec: RunSpec, dataset: DatasetRef) -> Estimate:
        try:
            device = self._devices.resolve(spec.accelerator)
        except DeviceUnavailable:
            seconds, around, source = None, None, "unknown"
        else:
            spec = spec.replace(accelerator=device.name)  # what "auto" stands for
            seconds, around, source = self._seconds(spec, dataset, device.device_name)
        used, available, _ = self._devices.memory()
        if self._executor.idle:
            self._used = used
        return Estimate(
            seconds_per_epoch=seconds,
            seconds_total=None if seconds is None else seconds * spec.max_epochs,
            memory_bytes=training.estimate_memory(spec, dataset, self._used),
            memory_available=available,
            memory_used=used,
            source=source,
            seconds_around=around,
        )

    @property
    def measuring(self) -> bool:
        """Whether a measurement is under way."""
        return self._jobs.active(AREA, or_waiting=True) is not None

    def _seconds(
        self, spec: RunSpec, dataset: DatasetRef, device: str
    ) -> tuple[float | None, float | None, str]:
        """Of an epoch, around all epochs, and where that is known from."""
        earlier = self._earlier_runs(spec)
        recent = [seconds for run in earlier[:_RECENT] if (seconds := _around(run)) is not None]
        around = median_low(recent) if recent else None
        like = next((run for run in earlier if _same_shape(run, spec, dataset)), None)
        if like is not None and like.seconds_per_epoch is not None:
            share = _steps(spec, dataset.n_obs) / _steps(like.spec, like.n_obs)
            return like.seconds_per_epoch * share, around, "earlier run"
        key = self._key(spec, dataset, device)
        known = self._registry.recall(key)
        if known is not None:
            seconds = known["seconds_per_step"] * _steps(spec, dataset.n_obs)
            return seconds, known.get("seconds_around") if around is None else around, "calibration"
        return None, None, "measuring" if self._measure_soon(key, spec, dataset) else "unknown"

    def _earlier_runs(self, spec: RunSpec) -> list[RunRecord]:
        """On this computer with the same engine and device, newest first."""
        here = environment()
        return [
            run
            for run in self._registry.list(status={RunStatus.FINISHED, RunStatus.STOPPED})
            if run.seconds_per_epoch is not None
            and (run.spec.engine, run.spec.accelerator) == (spec.engine, spec.accelerator)
            and all(run.environment.get(name, here[name]) == here[name] for name in _MACHINE)
        ]

    def _key(self, spec: RunSpec, dataset: DatasetRef, device: str) -> str:
        here = environment()
        facts = {name: getattr(spec, name) for name in _SHAPE} | {name: here[name] for name in _VERSIONS}
        facts |= {"n_vars": dataset.n_vars, "threads": self._threads, "device": device}
        return "calibration " + json.dumps(facts, sort_keys=True)

    def _measure_soon(self, key: str, spec: RunSpec, dataset: DatasetRef) -> bool:
        """Whether it is, or will be, measured."""
        job_id = f"calibration-{hashlib.sha256(key.encode()).hexdigest()[:16]}"
        cells = {"n_obs": dataset.n_obs, "n_vars": dataset.n_vars, "density": dataset.density}
        request = {"key": key, "spec": spec.to_dict(), **cells}
        work = Work(AREA, job_id, AREA, "Measuring the speed of this computer", request)
        with self._lock:
            known = self._jobs.find(job_id)
            if known is not None and known.state is JobState.FAILED:
                return False  # hopeless: not tried again
            if self.measuring:
                self._wanted = None if known is not None and not known.is_over else work
                return True
            if not self._executor.idle or not self._executor.alive:
                return False  # a run is being trained: measuring beside it would mislead and disturb
        return self._begin(work)

    def _begin(self, work: Work) -> bool:
        try:
            self._jobs.begin(work, hidden=True)
        except Conflict:  # the server is shutting down
            return False
        return True

    def _measure(self, request: Request, job: JobContext) -> str:
        spec, n_obs = RunSpec.from_dict(request["spec"]), request["n_obs"]
        try:
            pace = self._calibrate(spec, n_obs, request["n_vars"], request["density"])
            found = {"seconds_per_step": pace.epoch / _steps(spec, n_obs), "seconds_around": pace.around}
            self._registry.remember(request["key"], found)
        finally:
            with self._lock:
                wanted, self._wanted = self._wanted, None
            if wanted is not None:  # after the runs that came meanwhile
                self._begin(wanted)
        return ""

    def _calibrate_here(self, spec: RunSpec, n_obs: int, n_vars: int, density: float) -> Pace:
        training.use_threads(self._threads)
        return training.calibrate(spec, n_obs, n_vars, density)


def _same_shape(run: RunRecord, spec: RunSpec, dataset: DatasetRef) -> bool:
    same = all(getattr(run.spec, name) == getattr(spec, name) for name in _SHAPE)
    return same and run.n_vars == dataset.n_vars and run.n_obs > 0


def _around(run: RunRecord) -> float | None:
    """Seconds that an earlier run took besides its epochs at their steady pace; pauses count as well."""
    if run.started_at is None or run.ended_at is None or run.seconds_per_epoch is None:
        return None
    return max(0.0, run.ended_at - run.started_at - run.seconds_per_epoch * run.epoch)


def _steps(spec: RunSpec, n_obs: int) -> float:
    """Minibatches of one epoch, those of validation counted by what they cost."""
    n_train = math.ceil(n_obs * spec.train_size)
    validation = math.ceil((n_obs - n_train) / spec.batch_size) / spec.check_val_every_n_epoch
    return math.ceil(n_train / spec.batch_size) + _VALIDATION_COST * validation
