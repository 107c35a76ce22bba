"""20 sessions that come and go over every page while a model trains: no page fails, memory stays, the run is whole."""

from __future__ import annotations

import threading
import time
from statistics import median, quantiles

import psutil

from backend.types import RunStatus
from tests.browser.server import Server
from tests.chaos import runner
from tests.chaos.trial import Trial
from tests.chaos.visitor import PAGES, visiting

SESSIONS = 20
GROWTH = 200e6  # bytes; what sessions of the last minute may still hold
SLOW = 20.0  # seconds for a page, by the 95th percentile, on two busy cores


def run(trial: Trial) -> None:
    seconds = 30.0 if trial.short else 600.0
    workspace = trial.folder / "workspace"
    services = runner.opened(workspace)
    dataset_id = runner.prepared(services)
    server = Server(workspace).start()
    try:
        assert server.process is not None
        process = psutil.Process(server.pid)
        epochs = 400 if trial.short else 4000
        run_id = services.runs.submit(runner.spec_of(dataset_id, epochs)).run_id
        times: list[float] = []
        _visit(server.port, trial.chance.random(), run_id, 1.0, times, trial)  # what is loaded once
        _until_epoch(services, run_id)
        before = process.memory_info().rss
        times.clear()
        visitors = [
            threading.Thread(
                target=_visit, args=(server.port, trial.chance.random(), run_id, seconds, times, trial)
            )
            for _ in range(SESSIONS)
        ]
        for one in visitors:
            one.start()
        for one in visitors:
            one.join()
        after = process.memory_info().rss
        services.runs.stop(run_id)
        _until_over(services, run_id)
        record = services.runs.get(run_id)
        trial.require(record.status in (RunStatus.STOPPED, RunStatus.FINISHED), f"the run is {record.status}")
        epochs_told = [epoch for name, epoch, _ in runner.curve(services, run_id) if name == "train_loss"]
        trial.require(epochs_told == [*range(1, record.epoch + 1)], "epochs are missing, or told twice")
        trial.require("Traceback" not in server.log, "a traceback on the console")
        trial.require(after - before < GROWTH, f"memory grew by {(after - before) / 1e6:.0f} MB")
        slow = quantiles(times, n=20)[-1]
        trial.require(slow < SLOW, f"a page takes {slow:.1f} s")
        trial.count("sessions at once", SESSIONS)
        trial.count("pages", len(times))
        trial.count("s a page, median", round(median(times), 2))
        trial.count("s 95th percentile", round(slow, 2))
        trial.count("MB more memory", round((after - before) / 1e6))
        trial.count("epochs meanwhile", record.epoch)
    finally:
        server.stop()
        services.close()


def _visit(port: int, start: float, run_id: str, seconds: float, times: list[float], trial: Trial) -> None:
    """Come, look at some pages, go, come again."""
    until = time.monotonic() + seconds
    turn = int(start * len(PAGES))
    while time.monotonic() < until:
        try:
            with visiting(port) as visitor:
                for _ in range(5):
                    page = PAGES[turn % len(PAGES)]
                    took, wrong = visitor.open(page, f"run={run_id}" if page in ("train", "explore") else "")
                    turn += 1
                    times.append(took)
                    for one in wrong:
                        trial.lose(one)
        except Exception as error:
            trial.lose(f"a session broke: {error!r}")
            return


def _until_epoch(services: runner.Services, run_id: str) -> None:
    deadline = time.monotonic() + 180
    while services.runs.get(run_id).epoch < 1 and time.monotonic() < deadline:
        time.sleep(0.2)


def _until_over(services: runner.Services, run_id: str) -> None:
    deadline = time.monotonic() + 60
    while not services.runs.get(run_id).status.is_over and time.monotonic() < deadline:
        time.sleep(0.2)
