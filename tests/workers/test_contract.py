"""One contract for every worker: numbers complete and in order, requests obeyed, no end without a word."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from backend.errors import NotFound
from backend.training import checkpoint_epoch
from backend.types import DatasetRef, MetricPoint, RunSpec, TrainingResult, TrainJob
from backend.workers import WORKER_LOST, LocalWorker, ProcessLink, ProcessWorker, Worker, desks, make_executor
from tests.runs.fakes import FakeTrain
from tests.runs.gate import Gate
from tests.training.conftest import write_prepared
from tests.workers.pretended import PretendedProcess
from tests.workers.watch import Watch, job

PROJECT = Path(__file__).parents[2]
KINDS = ["inline", "thread", "process"]

MakeWorker = Callable[..., Worker]


@pytest.fixture(params=KINDS)
def make_worker(request: pytest.FixtureRequest) -> Iterator[MakeWorker]:
    """A worker that trains by what it is given, else really."""
    executors: list[Any] = []

    def make(train: Any = None) -> Worker:
        if request.param == "process":
            executors.append(worker_of(train))
            return executors[-1]
        executors.append(make_executor(request.param))
        return LocalWorker(executors[-1], train)

    yield make
    for executor in executors:
        executor.close(5)


def worker_of(train: Any) -> ProcessWorker:
    """A real process, or where a test takes part in the training one that only talks like a process."""
    if train is not None:
        return ProcessWorker(desks(1, (), 1), partial(PretendedProcess, train=train))
    return ProcessWorker(desks(1, (), 1), partial(ProcessLink, folder=Path(tempfile.mkdtemp())))


def losses(points: list[MetricPoint], name: str = "train_loss") -> list[float]:
    return [point.value for point in points if point.name == name]


def test_numbers_are_complete_and_in_order_and_phases_in_their_place(
    make_worker: MakeWorker, tmp_path: Path
) -> None:
    watch = Watch(make_worker(FakeTrain()))
    watch.start(job(tmp_path))
    result = watch.until_end()
    assert (result.outcome, result.epochs, result.elapsed) == ("finished", 5, 5.0)
    assert losses(watch.points) == [100, 50, 100 / 3, 25, 20]
    assert watch.order == ["starting", "loading data", "training", "1", "2", "3", "4", "5", "saving"]
    (start,) = [events.start for events in watch.answers if events.start is not None]
    assert (start.device_name, start.first_epoch) == ("Fake CPU", 1)
    assert [events.conditions for events in watch.answers if events.conditions][-1]["cores"] >= 1


def test_what_was_fetched_is_not_kept(make_worker: MakeWorker, tmp_path: Path) -> None:
    worker = make_worker(FakeTrain())
    watch = Watch(worker)
    watch.start(job(tmp_path))
    watch.until_end()
    with pytest.raises(NotFound):
        worker.events("r1", 1000)


def test_a_checkpoint_waits_until_the_numbers_before_it_were_fetched(
    make_worker: MakeWorker, tmp_path: Path
) -> None:
    """Or a process that is killed just after it leaves a gap in the curve that no resume fills."""
    train = FakeTrain()
    watch = Watch(make_worker(train))
    seen: list[int] = []
    for epoch in (2, 3, 4):
        train.at[epoch] = lambda: seen.append(len(losses(watch.points)))
    watch.start(job(tmp_path))
    watch.until_end()
    assert seen == [1, 2, 3]


def test_stop_keeps_a_model(make_worker: MakeWorker, tmp_path: Path) -> None:
    train = FakeTrain()
    worker = make_worker(train)
    train.at[3] = lambda: worker.ask("r1", "stop")
    watch = Watch(worker)
    watch.start(job(tmp_path, epochs=100_000))
    result = watch.until_end()
    assert result.outcome == "stopped"
    # to another process it takes a moment, and these epochs take none
    assert result.epochs == 2 if isinstance(worker, LocalWorker) else 2 <= result.epochs < 1000
    assert (tmp_path / "r1" / "model" / "model.pt").exists()


def test_cancel_is_obeyed_within_a_second_and_not_taken_back(make_worker: MakeWorker, tmp_path: Path) -> None:
    train = FakeTrain()
    worker = make_worker(train)
    asked_at: list[float] = []

    def cancel() -> None:
        asked_at.append(time.monotonic())
        worker.ask("r1", "cancel")
        worker.ask("r1", "stop")

    train.at[3] = cancel
    watch = Watch(worker)
    watch.start(job(tmp_path, epochs=100_000))
    assert watch.until_end().outcome == "canceled"
    assert time.monotonic() - asked_at[0] < 1
    assert not (tmp_path / "r1" / "model").exists()


def test_an_error_is_a_failure_with_its_problem_and_a_traceback_in_the_log(
    make_worker: MakeWorker, tmp_path: Path
) -> None:
    train = FakeTrain()
    train.at[2] = lambda: {}["missing"]
    watch = Watch(make_worker(train))
    watch.start(job(tmp_path, name="my run"))
    result = watch.until_end()
    assert result.outcome == "failed"
    assert result.problem is not None
    assert "KeyError" in result.problem.message
    log = (tmp_path / "r1" / "log.txt").read_text()
    assert "my run" in log
    assert "Traceback" in log
    assert losses(watch.points) == [100]


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit()])
def test_an_exit_inside_a_training_is_an_interruption_and_the_next_is_trained(
    make_worker: MakeWorker, tmp_path: Path, error: BaseException
) -> None:
    def leave() -> None:
        raise error

    train = FakeTrain()
    train.at[2] = leave
    worker = make_worker(train)
    watch = Watch(worker)
    with suppress(type(error)):  # inline, it is the process's own
        watch.start(job(tmp_path))
    result = watch.until_end()
    assert result.outcome == "interrupted"
    assert result.problem is not None
    assert type(error).__name__ in result.problem.message
    again = Watch(worker)
    again.start(job(tmp_path, resume_from=1))
    assert again.until_end().outcome == "finished"
    assert train.firsts == [1, 2]


def test_closing_leaves_the_training_and_takes_no_more(make_worker: MakeWorker, tmp_path: Path) -> None:
    train = FakeTrain()
    worker = make_worker(train)
    train.at[3] = lambda: worker.close(0.0)
    watch = Watch(worker)
    watch.start(job(tmp_path, epochs=100_000))
    assert watch.until_end().outcome == "interrupted"
    done = checkpoint_epoch(tmp_path / "r1")
    assert done == 2 if isinstance(worker, LocalWorker) else 2 <= done < 1000
    assert not (tmp_path / "r1" / "model").exists()
    late = Watch(worker, "r2")
    late.start(job(tmp_path, "r2"))
    assert late.until_end().outcome == "interrupted"
    assert len(train.specs) == 1 or checkpoint_epoch(tmp_path / "r2") == 0


def test_a_run_that_the_worker_never_heard_of_is_not_found(make_worker: MakeWorker) -> None:
    with pytest.raises(NotFound):
        make_worker(FakeTrain()).events("nobody", 7)


def test_work_that_an_executor_drops_is_an_interruption(tmp_path: Path) -> None:
    executor, gate = make_executor("thread"), Gate()
    executor.submit(gate)
    gate.wait_until_reached()
    watch = Watch(LocalWorker(executor, FakeTrain()))
    watch.start(job(tmp_path))
    executor.close(0)
    gate.open()
    assert watch.until_end().outcome == "interrupted"


def test_a_training_started_in_its_turn_comes_before_the_work_behind_it(tmp_path: Path) -> None:
    executor, train, gate = make_executor("thread"), FakeTrain(), Gate()
    worker = LocalWorker(executor, train)
    watch = Watch(worker)
    done: list[int] = []
    executor.submit(gate)
    worker.when_free(lambda: watch.start(job(tmp_path)))
    last = executor.submit(lambda: done.append(len(train.specs)))
    gate.open()
    watch.until_end()
    last.result(20)
    assert done == [1]
    executor.close(5)


class Flood:
    """A training that tells numbers faster than anybody fetches them."""

    def __init__(self, points: int) -> None:
        self.points = points
        self.told = 0

    def __call__(self, *args: Any, on_metric: Callable[[MetricPoint], None], **hooks: Any) -> TrainingResult:
        for step in range(self.points):
            on_metric(MetricPoint("train_loss_step", 1, float(step), 0.0, step))
            self.told = step + 1
        return TrainingResult("finished", 1, 1.0)


def test_a_training_that_is_too_fast_waits_and_nothing_is_lost(
    make_worker: MakeWorker, tmp_path: Path
) -> None:
    flood = Flood(120_000)
    watch = Watch(make_worker(flood))
    watch.start(job(tmp_path))
    watch.until_end(60)
    assert [point.step for point in watch.points] == list(range(120_000))


def test_a_training_that_nobody_fetches_from_waits_and_can_be_canceled(tmp_path: Path) -> None:
    executor, flood = make_executor("thread"), Flood(10**9)
    worker = LocalWorker(executor, flood)
    watch = Watch(worker, patient=True)
    watch.start(job(tmp_path))
    before = -1
    while flood.told != before:  # until it stands still
        before = flood.told
        time.sleep(0.3)
    assert 10_000 < flood.told < 100_000
    worker.ask("r1", "cancel")
    assert watch.until_end(10).outcome == "canceled"
    assert len(watch.points) >= flood.told
    executor.close(5)


# --- a worker whose process is killed, with real training ---

KILLED = """
import json, os, signal, sys
from backend.types import TrainJob
from backend.workers import WORKER_LOST, LocalWorker, make_executor
from tests.workers.watch import Watch

watch = Watch(LocalWorker(make_executor("inline")))
take = watch.take
def take_and_die(events):
    take(events)
    if any(point.epoch == 3 for point in events.points):
        os.kill(os.getpid(), signal.SIGKILL)
watch.take = take_and_die
watch.start(TrainJob.from_dict(json.loads(sys.stdin.read())))
"""


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainJob, list[float]]:
    """A job of four epochs and the losses of one that is never interrupted."""
    folder = tmp_path_factory.mktemp("real")
    made = real_job(write_prepared(folder / "data.h5ad"), folder / "whole")
    watch = Watch(LocalWorker(make_executor("inline")))
    watch.start(made)
    assert watch.until_end().outcome == "finished"
    return made, losses(watch.points)


def real_job(dataset: DatasetRef, run_dir: Path, **fields: Any) -> TrainJob:
    run_dir.mkdir()
    spec = RunSpec(
        "d1", engine="stock", accelerator="cpu", batch_size=32, max_epochs=4, n_hidden=16, n_latent=3
    )
    return TrainJob("r1", spec, dataset, str(run_dir), threads=1, checkpoint_seconds=0.0, **fields)


@pytest.fixture(scope="module")
def killed(real: tuple[TrainJob, list[float]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run whose process was killed in its third epoch."""
    run_dir = tmp_path_factory.mktemp("killed") / "run"
    run_dir.mkdir()
    ended = subprocess.run(
        [sys.executable, "-c", KILLED],
        cwd=PROJECT,
        input=json.dumps(real[0].replace(run_dir=str(run_dir)).to_dict()),
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
    )
    assert ended.returncode == -signal.SIGKILL
    return run_dir


def test_a_killed_run_resumes_to_the_same_loss(
    make_worker: MakeWorker, real: tuple[TrainJob, list[float]], killed: Path, tmp_path: Path
) -> None:
    whole, expected = real
    run_dir = tmp_path / "run"
    shutil.copytree(killed, run_dir)
    done = checkpoint_epoch(run_dir)
    assert done in (2, 3)
    watch = Watch(make_worker())
    watch.start(whole.replace(run_dir=str(run_dir), resume_from=done))
    assert watch.until_end(60).outcome == "finished"
    assert losses(watch.points) == expected[done:]


# --- processes that are killed

SERVER = """
import json, sys, threading
from functools import partial
from pathlib import Path
from backend.types import TrainJob
from backend.workers import ProcessLink, ProcessWorker, desks
from tests.workers.watch import Watch

worker = ProcessWorker(desks(1, (), 1), partial(ProcessLink, folder=Path(sys.argv[1])))
watch = Watch(worker)
watch.start(TrainJob.from_dict(json.loads(sys.stdin.readline())))
watch.until(lambda: any(point.epoch == 2 for point in watch.points), 120)  # a checkpoint was kept
print(worker.places()[0].process, flush=True)
watch.until_end(600)
"""


def endless(whole: TrainJob, run_dir: Path) -> TrainJob:
    run_dir.mkdir()
    return whole.replace(run_dir=str(run_dir), spec=whole.spec.replace(max_epochs=100_000))


def test_a_worker_process_that_is_killed_says_so_and_the_next_goes_on(
    real: tuple[TrainJob, list[float]], tmp_path: Path
) -> None:
    whole, expected = real
    worker = worker_of(None)
    watch = Watch(worker)
    watch.start(endless(whole, tmp_path / "run"))
    watch.until(lambda: any(point.epoch == 2 for point in watch.points), 120)
    (place,) = worker.places()
    assert place.process is not None
    assert place.run_ids == ("r1",)
    os.kill(place.process, signal.SIGKILL)
    result = watch.until_end(30)
    assert result.outcome == "interrupted"
    assert result.problem is not None
    assert (result.problem.code, result.problem.params["signal"]) == (WORKER_LOST, 9)
    assert worker.places()[0].room == 1
    done = checkpoint_epoch(tmp_path / "run")
    assert done in (1, 2)  # the next waits until its numbers are fetched
    again = Watch(worker)
    again.start(whole.replace(run_dir=str(tmp_path / "run"), resume_from=done))
    assert again.until_end(120).outcome == "finished"
    assert losses(again.points) == expected[done:]
    assert worker.places()[0].process != place.process
    worker.close(1)
    assert worker.places()[0].process is None


def test_worker_processes_end_with_a_server_that_is_killed(
    real: tuple[TrainJob, list[float]], tmp_path: Path
) -> None:
    job = endless(real[0], tmp_path / "run")
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, str(tmp_path)],
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        print(json.dumps(job.to_dict()), file=server.stdin, flush=True)
        pid = int(server.stdout.readline())
        assert psutil.pid_exists(pid)
        server.kill()
    deadline = time.monotonic() + 10
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "the worker process outlives its server"
        time.sleep(0.05)
    assert checkpoint_epoch(tmp_path / "run") > 0
