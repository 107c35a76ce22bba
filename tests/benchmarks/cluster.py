"""8 runs, one thread each, on two worker processes and on one; Cancel; a worker that is killed; losses compared."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from backend.services import Services, build_services
from backend.settings import Settings
from backend.types import PrepareSpec, RunRecord, RunSpec, RunStatus
from tests.benchmarks._report import Row

RUNS = 8
EPOCHS = 40
CELLS, GENES = 4_000, 1_000


def measure() -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="studio-bench-") as folder:
        with serving(Path(folder), 0) as services:
            made = services.datasets.wait(services.datasets.simulate(CELLS, GENES).job_id).result_id
            job = services.datasets.prepare(made, PrepareSpec())
            dataset_id = services.datasets.wait(job.job_id).result_id
            here = [train_all(services, spec(dataset_id), 1)[1][0]]
        seconds: dict[int, float] = {}
        losses: dict[int, list[list[float]]] = {}
        for workers in (1, 2):
            with serving(Path(folder), workers) as services:
                warm_up(services, dataset_id, workers)
                seconds[workers], runs = train_all(services, spec(dataset_id), RUNS)
                losses[workers] = [curve(services, run) for run in runs]
        with serving(Path(folder), 2) as services:
            (there,) = train_all(services, spec(dataset_id), 1)[1]
            same = curve(services, there) == curve(services, here[0])
            cancels = [cancel(services, dataset_id) for _ in range(5)]
            again = [kill(services, dataset_id) for _ in range(3)]
    assert same, "a worker's losses are not those of the server"
    assert losses[1] == losses[2], "losses depend on how many workers there are"
    return [
        Row(f"{RUNS} runs, one worker", "s", (seconds[1],)),
        Row(f"{RUNS} runs, two workers", "s", (seconds[2],)),
        Row("two workers over one", "", (seconds[2] / seconds[1],), 0.55),
        Row("Cancel obeyed", "s", tuple(cancels), 1.0, "max"),
        Row("kill -9 of a worker to training again", "s", tuple(again), 10.0, "max"),
    ]


@contextmanager
def serving(folder: Path, workers: int) -> Iterator[Services]:
    services = build_services(Settings(folder, workers=workers, threads=max(1, workers)))
    services.start(warm_up=False)
    try:
        yield services
    finally:
        services.close()


def spec(dataset_id: str, *, epochs: int = EPOCHS) -> RunSpec:
    return RunSpec(dataset_id, accelerator="cpu", engine="fused", batch_size=128, max_epochs=epochs)


def warm_up(services: Services, dataset_id: str, workers: int) -> None:
    train_all(services, spec(dataset_id, epochs=1), workers)


def train_all(services: Services, one: RunSpec, number: int) -> tuple[float, list[RunRecord]]:
    """Seconds from the first to the last, and the records."""
    began = time.perf_counter()
    ids = [services.runs.submit(one.replace(seed=seed)).run_id for seed in range(number)]
    until(lambda: all(services.runs.get(run_id).status.is_over for run_id in ids))
    passed = time.perf_counter() - began
    runs = [services.runs.get(run_id) for run_id in ids]
    assert all(run.status is RunStatus.FINISHED for run in runs), [run.problem for run in runs]
    return passed, runs


def curve(services: Services, run: RunRecord) -> list[float]:
    history = services.registry.history(run.run_id)
    return history["train_loss"] + history["elbo_validation"]


def cancel(services: Services, dataset_id: str) -> float:
    run = begun(services, dataset_id)
    asked = time.perf_counter()
    services.runs.cancel(run)
    until(lambda: services.runs.get(run).status is RunStatus.CANCELED)
    return time.perf_counter() - asked


def kill(services: Services, dataset_id: str) -> float:
    """From the signal to the next epoch that was not there yet."""
    run = begun(services, dataset_id)
    (place,) = [place for place in services.runs.workers() if run in place.run_ids]
    assert place.process is not None
    os.kill(place.process, signal.SIGKILL)
    killed, before = time.perf_counter(), services.runs.get(run).epoch
    until(lambda: services.runs.get(run).epoch > before)
    passed = time.perf_counter() - killed
    services.runs.cancel(run)
    until(lambda: services.runs.get(run).status is RunStatus.CANCELED)
    return passed


def begun(services: Services, dataset_id: str) -> str:
    run = services.runs.submit(spec(dataset_id, epochs=100_000)).run_id
    until(lambda: services.runs.get(run).epoch >= 2)
    return run


def until(done: Callable[[], bool], seconds: float = 900.0) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.02)
