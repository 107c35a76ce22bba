"""Where the parts are wired together, and nowhere else.

    services = build_services(Settings.from_env()); install(services); services.start()
    current().runs.submit(spec)
    services.close()

``build_services`` starts nothing and touches no disk. ``start(server=False)`` is for a short-lived command
beside a running server: it takes no lock and leaves the queue and unfinished jobs to the server.
"""

from __future__ import annotations

import json
import logging
import os
import time
from dataclasses import dataclass, replace
from functools import partial

from .analysis import Analyses, AnalysisResult, Cells, FirstLook
from .checks import Checks
from .comparison import Comparer
from .datasets import DatasetLibrary
from .devices import Devices, cores, cuda_cards
from .errors import NotAllowed, WorkspaceLocked
from .exports import Exporter
from .groups import Groups
from .jobs import JobBoard
from .registry import RunRegistry
from .runs import Pictures, RunService
from .settings import Settings
from .storage import FileLock, is_full, no_space
from .training import (
    FORMER_PRESETS,
    PRESETS,
    QUICK_LOOK,
    USEFUL,
    available_engines,
    estimate_memory,
    former_preset,
    keep_compiled_code,
    learning_rate,
    let_idle_threads_sleep,
    max_epochs_heuristic,
    preset,
    training_cells,
    tune_allocator,
)
from .workers import Executor, LocalWorker, ProcessLink, ProcessWorker, Worker, desks, make_executor

__all__ = [
    "FORMER_PRESETS",
    "PRESETS",
    "QUICK_LOOK",
    "USEFUL",
    "AnalysisResult",  # what pages get from ``analyses``
    "Services",
    "available_engines",
    "build_services",
    "check_workspace",
    "current",
    "estimate_memory",
    "former_preset",
    "install",
    "learning_rate",
    "max_epochs_heuristic",
    "preset",
    "training_cells",
]

logger = logging.getLogger(__name__)


@dataclass
class Services:
    settings: Settings
    registry: RunRegistry
    jobs: JobBoard
    datasets: DatasetLibrary
    runs: RunService
    groups: Groups
    devices: Devices
    checks: Checks
    exports: Exporter
    analyses: Analyses
    cells: Cells
    comparer: Comparer
    pictures: Pictures
    executor: Executor
    lock: FileLock  # one server a workspace

    def start(self, *, server: bool = True, warm_up: bool = True) -> None:
        """Make everything ready. Quick: what takes seconds to import is imported on the compute thread.

        Raises
        ------
        WorkspaceLocked
            Another server uses the workspace.
        """
        make_workspace(self.settings)
        if server:
            self._take_lock()
        try:
            tune_allocator()
            keep_compiled_code(self.settings.cache_dir)
            let_idle_threads_sleep()
            self.registry.open()
            self.datasets.start(resume=server)
            if server and warm_up:
                self.executor.submit(self.runs.warm_up)
                look = FirstLook(self.analyses, self.cells, self.runs)
                self.runs.listen(ended=look.ended, queued=look.turn)
            self.runs.start(work=server)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Within about two seconds: a running training becomes ``interrupted`` and can be resumed."""
        self.runs.close()
        self.groups.close()
        self.jobs.close()
        self.executor.close(timeout=0.2)
        self.registry.close()
        self.lock.release()

    def _take_lock(self) -> None:
        if self.lock.acquire(json.dumps({"pid": os.getpid(), "since": time.time()})):
            return
        try:
            holder = json.loads(self.lock.read_note())
            since = time.strftime("%d %B, %H:%M", time.localtime(holder["since"]))
            who = f" (process {holder['pid']}, since {since})"
        except (ValueError, KeyError, TypeError):  # it is just being written
            who = ""
        raise WorkspaceLocked(
            f"Another scVI Studio server{who} uses the workspace {self.settings.workspace}. Use that one, "
            "stop it, or choose another workspace with SCVI_STUDIO_WORKSPACE."
        )


def make_workspace(settings: Settings) -> None:
    """Create its folders where they are not there. Raises ``NotAllowed`` or ``NoSpace``."""
    folder = settings.workspace
    try:
        for path in (folder, settings.runs_dir, settings.cache_dir):
            path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if is_full(error):
            raise no_space("the workspace", folder) from error
        raise NotAllowed(
            f"The workspace {folder} cannot be written ({error.strerror}). Choose another folder with "
            "SCVI_STUDIO_WORKSPACE."
        ) from error


def check_workspace(settings: Settings) -> None:
    """Raise what a start would: before a server is started, which says it among other lines."""
    make_workspace(settings)
    registry = RunRegistry(settings.registry_path)
    registry.open()
    registry.close()


def build_services(settings: Settings, *, executor: str = "thread") -> Services:
    settings = _with_threads_shared(settings)
    registry = RunRegistry(settings.registry_path)
    compute = make_executor(executor)
    jobs = JobBoard(settings.workspace / "jobs", compute, ensure_in_place=registry.ensure_in_place)
    datasets = DatasetLibrary(settings, jobs)
    devices = Devices(settings)
    checks = Checks(registry, jobs, devices, datasets.dataset, settings.threads)
    analyses = Analyses(settings, registry, datasets, jobs)
    comparer = Comparer(registry, analyses)
    worker = _make_worker(settings, compute)
    runs = RunService(settings, registry, datasets, compute, devices, jobs, worker=worker, checks=checks)
    return Services(
        settings=settings,
        registry=registry,
        jobs=jobs,
        datasets=datasets,
        runs=runs,
        groups=Groups(registry, runs, datasets, devices),
        devices=devices,
        checks=checks,
        exports=Exporter(settings, registry, datasets, analyses, comparer, jobs),
        analyses=analyses,
        cells=Cells(datasets, analyses, registry),
        pictures=Pictures(registry, datasets, settings.runs_dir),
        comparer=comparer,
        executor=compute,
        lock=FileLock(settings.lock_path),
    )


def _with_threads_shared(settings: Settings) -> Settings:
    """Worker processes share the threads that one training would have."""
    number = _number_of_workers(settings)
    if number < 2:
        return settings
    return replace(settings, threads=max(1, (settings.threads or cores()) // number))


def _number_of_workers(settings: Settings) -> int:
    """0: this process trains, one run after the other."""
    if settings.workers is not None:
        return settings.workers
    return len(cuda_cards()) if len(cuda_cards()) > 1 else 0


def _make_worker(settings: Settings, compute: Executor) -> Worker:
    number = _number_of_workers(settings)
    if not number:
        return LocalWorker(compute)
    on_cpu = settings.workers or 1
    return ProcessWorker(
        desks(on_cpu, cuda_cards(), settings.threads),
        partial(ProcessLink, folder=settings.workspace / "workers"),
    )


_installed: Services | None = None


def install(services: Services | None) -> Services | None:
    """Make ``services`` the ones of this process; returns those it had before."""
    global _installed
    before, _installed = _installed, services
    return before


def current() -> Services:
    """The services of this process."""
    assert _installed is not None, "install(services) was not called: the application's lifespan does that"
    return _installed
