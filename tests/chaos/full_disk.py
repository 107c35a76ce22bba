"""A disk of 60 MB, full at eight stages of a run: nothing is lost, nothing stalls once there is room again."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from backend.types import MetricPoint, Notice, RunStatus
from tests.chaos import runner
from tests.chaos.trial import Trial

EPOCHS = 30
HOLD = 3.0  # seconds that the disk stays full
PATIENCE = 300.0

Event = str | MetricPoint | Notice


@dataclass(frozen=True)
class Stage:
    """Fills the disk of ``place`` as soon as a phase, or an epoch, is told."""

    place: Path
    at: str | int

    def __call__(self, event: Event) -> None:
        epoch = event.epoch if isinstance(event, MetricPoint) and event.step is None else None
        if self.at in (event, epoch) and not (self.place / "filled").exists():
            (self.place / "filled").touch()
            fill(self.place)


STAGES: dict[str, str | int] = {
    "before it is queued": "",
    "while the data are read": "loading data",
    "while the model is built": "building the model",
    "before the first minibatch": "training",
    "in the first epoch": 1,
    "in the middle": EPOCHS // 2,
    "in the last epoch": EPOCHS,
    "while the model is saved": "saving",
}


def run(trial: Trial) -> None:
    stages = dict([*STAGES.items()][::3]) if trial.short else STAGES
    tried = 0
    with disk(trial.folder / "disk") as place:
        if place is None:
            trial.lose("could not be tried: a disk cannot be mounted here (needs root, or a user namespace)")
            return
        workspace = place / "workspace"
        services = runner.opened(workspace)
        try:
            dataset_id = runner.prepared(services)
            undisturbed = services.runs.submit(runner.spec_of(dataset_id, EPOCHS), name="undisturbed").run_id
            _wait(runner.start(runner.go_on, workspace, undisturbed), trial, "the undisturbed run")
            reference = runner.curve(services, undisturbed)
            for name, at in stages.items():
                tried += 1
                run_id = _submit_on(services, place, dataset_id, name, at, trial)
                process = runner.start(runner.go_on, workspace, run_id, Stage(place, at))
                _until_full(place, process, at)
                time.sleep(HOLD)
                services.runs.list()  # pages only read
                (place / "filler").unlink(missing_ok=True)
                (place / "filled").unlink(missing_ok=True)
                process.join(PATIENCE)
                trial.require(
                    process.exitcode is not None, f"{name}: the run stalls though there is room again"
                )
                process.kill()
                services.runs.start(work=False)
                record = services.runs.get(run_id)
                if record.status in (
                    RunStatus.FAILED,
                    RunStatus.INTERRUPTED,
                ):  # it was said, and Resume works
                    trial.add("resumed")
                    _wait(runner.start(runner.go_on, workspace, run_id), trial, name)
                    record = services.runs.get(run_id)
                else:
                    trial.add("went on by themselves")
                for fault in runner.faults(services, record, reference):
                    trial.lose(f"{name}: {fault}")
                services.runs.delete(run_id)
        finally:
            services.close()
    trial.count("stages", tried)
    trial.count("lost", len(trial.losses))


def _submit_on(
    services: runner.Services, place: Path, dataset_id: str, name: str, at: object, trial: Trial
) -> str:
    spec = runner.spec_of(dataset_id, EPOCHS)
    if at:
        return services.runs.submit(spec, name=name).run_id
    fill(place)
    try:
        services.runs.submit(spec, name=name)
    except Exception as error:
        trial.require("disk" in str(error), f"{name}: {error!r}")
    else:
        trial.add("queued on a full disk")
    (place / "filler").unlink()
    queued = services.runs.queue()
    return queued[0].run_id if queued else services.runs.submit(spec, name=name).run_id


def fill(place: Path) -> None:
    """To the last byte."""
    with (place / "filler").open("wb", buffering=0) as filler:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while filler.write(bytes(size)):
                    pass
            except OSError:
                continue


@contextmanager
def disk(place: Path) -> Iterator[Path | None]:
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=60m", "scvi-studio-chaos", str(place)]
    try:
        mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except OSError:
        mounted = False
    try:
        yield place if mounted else None
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(place)], check=False)


def _wait(process: runner.BaseProcess, trial: Trial, what: str) -> None:
    process.join(PATIENCE)
    trial.require(process.exitcode == 0, f"{what} did not end by itself, code {process.exitcode}")
    process.kill()


def _until_full(place: Path, process: runner.BaseProcess, at: object) -> None:
    deadline = time.monotonic() + PATIENCE
    while at and process.exitcode is None and not (place / "filled").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
