"""Runs trained in processes of their own that are quick to start, and what must hold of them afterwards.

The libraries are imported once, by a process that every training is forked from.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path

from backend.services import Services, build_services
from backend.settings import Settings
from backend.types import MetricPoint, Notice, RunRecord, RunSpec, RunStatus

Curve = list[tuple[str, int, float]]
CURVES = ("train_loss", "validation_loss")
_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(["tests.chaos.preloaded"])


def settings_of(workspace: Path) -> Settings:
    return Settings(workspace, threads=1, checkpoint_seconds=0.2)


def opened(workspace: Path) -> Services:
    services = build_services(settings_of(workspace))
    services.start(server=False)
    return services


def prepared(services: Services) -> str:
    """The id of the built-in data set, ready to train on."""
    demo = services.datasets.demo()
    services.datasets.wait(services.datasets.inspect(demo.source_id).job_id, timeout=120)
    report = services.datasets.report(demo.source_id)
    assert report is not None
    job = services.datasets.prepare(demo.source_id, report.recommended)
    return services.datasets.wait(job.job_id, timeout=120).result_id


def spec_of(dataset_id: str, epochs: int, seed: int = 0) -> RunSpec:
    return RunSpec(dataset_id, accelerator="cpu", max_epochs=epochs, seed=seed)


def start(target: Callable[..., None], *args: object) -> BaseProcess:
    process = _forks.Process(target=target, args=args, daemon=True)
    process.start()
    return process


def go_on(
    workspace: Path, run_id: str, hook: Callable[[str | MetricPoint | Notice], None] | None = None
) -> None:
    """Train a run to its end, from wherever it is: what somebody does after a crash."""
    _quiet()
    services = opened(workspace)
    if services.runs.get(run_id).status in (RunStatus.INTERRUPTED, RunStatus.FAILED):
        services.runs.resume(run_id)
    services.runs.run_here(run_id, hook)
    services.close()
    os._exit(0)  # an exit in good order takes longer than the training


def _quiet() -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)


def curve(services: Services, run_id: str) -> Curve:
    """Every epoch point as it is recorded, those that come twice as well."""
    points = services.runs.metrics_since(run_id, names=CURVES).points
    return sorted((point.name, point.epoch, point.value) for point in points)


def faults(services: Services, record: RunRecord, expected: Curve) -> list[str]:
    """What is wrong with a run that should have finished as the undisturbed one did."""
    found = []
    run_dir = services.runs.run_dir(record.run_id)
    if record.status is not RunStatus.FINISHED:
        why = record.problem.message if record.problem else ""
        return [f"{record.name} is {record.status} at epoch {record.epoch}: {why}"]
    if curve(services, record.run_id) != expected:
        found.append(f"{record.name}: its curve is not that of the undisturbed run")
    if not (run_dir / "model" / "model.pt").is_file() or not (run_dir / "latent.npy").is_file():
        found.append(f"{record.name}: no model or no latent space")
    if leftovers := [path.name for path in run_dir.rglob(".tmp-*")]:
        found.append(f"{record.name}: left behind {leftovers}")
    return found
