"""A workspace of a thousand runs: the Runs page, and one run of 700 epochs that is watched while it trains.

    python -m tests.benchmarks.many_runs FOLDER     # leaves such a workspace in FOLDER

What a training would write is written by this process, which holds the run's lock as one that trains does.
"""

from __future__ import annotations

import math
import random
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from playwright.sync_api import CDPSession, Page

from backend.registry import RunRegistry
from backend.settings import Settings
from backend.storage import FileLock
from backend.types import MetricPoint, RunRecord, RunSpec, RunStatus
from tests.benchmarks._chromium import dashboard, tab, workspace
from tests.benchmarks._report import Row
from tests.benchmarks.page_switch import SWITCH
from tests.browser.reading import ready, visit

RUNS, EPOCHS = 1000, 100
WATCHED, LONG, STEPS, BEFORE = "watched", 700, 10, 350  # epochs, minibatches an epoch, epochs already done
LOADS, SECONDS = 5, 30
DATA_SETS = ("PBMC 3k", "Worm embryo", "Lung atlas", "Cell lines")


def lesson(run: int, epoch: int, steps: int = 0) -> list[MetricPoint]:
    """What one epoch leaves."""
    chance = random.Random(1000 * run + epoch)
    level = 320 + run % 40 + 210 * math.exp(-epoch / 40) + chance.gauss(0, 0.6)
    kl = 22 * (1 - math.exp(-epoch / 30)) + chance.gauss(0, 0.1)
    values = {
        "train_loss": level,
        "validation_loss": 1.02 * level,
        "elbo_train": level + 3,
        "elbo_validation": 1.02 * level + 4,
        "reconstruction_loss_train": level - kl,
        "reconstruction_loss_validation": 1.02 * level - kl,
        "kl_local_train": kl,
        "kl_local_validation": 1.03 * kl,
        "epoch_seconds": 0.9 + 0.1 * chance.random(),
        "cells_per_second": 2000 + 100 * chance.random(),
        "memory_bytes": 6.1e8 + 1e5 * epoch,
    }
    points = [
        MetricPoint(
            "train_loss_step",
            epoch,
            level + chance.gauss(0, 12),
            epoch - 1 + n / steps,
            (epoch - 1) * steps + n,
        )
        for n in range(1, steps + 1)
    ]
    return points + [MetricPoint(name, epoch, value, float(epoch)) for name, value in values.items()]


def record(number: int, **fields: Any) -> RunRecord:
    data = DATA_SETS[number % len(DATA_SETS)]
    spec = RunSpec(
        data.lower().replace(" ", "-"), data, max_epochs=EPOCHS, n_latent=10 + number % 3, seed=number
    )
    given = {
        "status": RunStatus.FINISHED,
        "name": f"{data}, {number}",
        "created_at": 1.7e9 + 600 * number,
        "started_at": 1.7e9 + 600 * number,
        "ended_at": 1.7e9 + 600 * number + EPOCHS,
        "epoch": EPOCHS,
        "elapsed": float(EPOCHS),
        "device": "cpu",
        "device_name": "AMD EPYC",
        "n_obs": 2638,
        "n_vars": 2000,
        "best_validation": 1.02 * (320 + number % 40),
        "best_epoch": EPOCHS,
        "last_validation": 1.02 * (320 + number % 40),
        "judged_by": "elbo_validation",
        "seconds_per_epoch": 0.95,
        "cells_per_second": 2050.0,
        "environment": {"engine": "fused", "torch": "2.13.0", "scvi-tools": "1.4.2", "cpu": "AMD EPYC"},
        **fields,
    }
    return RunRecord(run_id=f"run-{number:04}", spec=spec, **given)


def fill(folder: Path, runs: int = RUNS, epochs: int = EPOCHS) -> None:
    """Leave a workspace of finished runs."""
    registry = RunRegistry(Settings(workspace=folder).registry_path)
    registry.open()
    try:
        for number in range(runs):
            registry.add(record(number))
            points = [point for epoch in range(1, epochs + 1) for point in lesson(number, epoch)]
            registry.append(f"run-{number:04}", *points)
    finally:
        registry.close()


@contextmanager
def training(folder: Path, epochs_a_second: float = 1.0) -> Iterator[None]:
    """A run of 700 epochs, half of them done, that gains one a second from a process that holds its lock."""
    settings = Settings(workspace=folder)
    (settings.runs_dir / WATCHED).mkdir(parents=True, exist_ok=True)
    lock = FileLock(settings.runs_dir / WATCHED / ".lock")
    assert lock.acquire()
    registry = RunRegistry(settings.registry_path)
    registry.open()
    now = time.time()
    spec = RunSpec("lung-atlas", "Lung atlas", max_epochs=LONG)
    begun = record(
        RUNS + 1,
        status=RunStatus.RUNNING,
        name="Watched",
        created_at=now,
        started_at=now,
        ended_at=None,
        epoch=BEFORE,
        phase="training",
    )
    registry.add(begun.replace(run_id=WATCHED, spec=spec))
    registry.append(WATCHED, *(p for epoch in range(1, BEFORE + 1) for p in lesson(1, epoch, STEPS)))
    over = threading.Event()

    def train() -> None:
        for epoch in range(BEFORE + 1, LONG + 1):
            points = lesson(1, epoch, STEPS)
            for point in points[:STEPS]:
                registry.append(WATCHED, point)
                if over.wait(1 / epochs_a_second / STEPS):
                    return
            registry.append(WATCHED, *points[STEPS:], epoch=epoch, elapsed=float(epoch))

    thread = threading.Thread(target=train)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        registry.update(WATCHED, status=RunStatus.STOPPED)
        registry.close()
        lock.release()


class Load:
    """What the browser receives by websocket and HTTP, and how long its main thread is busy."""

    def __init__(self, page: Page) -> None:
        self._cdp: CDPSession = page.context.new_cdp_session(page)
        self.socket = self.http = 0
        self._cdp.send("Network.enable")
        # in time of the processor, so that what else the machine does is not counted
        self._cdp.send("Performance.enable", {"timeDomain": "threadTicks"})
        self._cdp.on("Network.webSocketFrameReceived", self._frame)
        self._cdp.on("Network.loadingFinished", self._loaded)

    def _frame(self, event: dict[str, Any]) -> None:
        text, binary = event["response"]["payloadData"], event["response"]["opcode"] == 2
        self.socket += len(text) * 3 // 4 if binary else len(text)

    def _loaded(self, event: dict[str, Any]) -> None:
        self.http += event["encodedDataLength"]

    def busy(self) -> float:
        """Seconds of tasks since the page began."""
        found = {m["name"]: m["value"] for m in self._cdp.send("Performance.getMetrics")["metrics"]}
        return float(found["TaskDuration"])


def watch(page: Page, seconds: float = SECONDS) -> dict[str, float]:
    """kB a second by websocket and HTTP, and the share of the main thread, while somebody looks on."""
    load = Load(page)
    began, busy = time.monotonic(), load.busy()
    page.wait_for_timeout(1000 * seconds)
    took = time.monotonic() - began
    return {
        "websocket": load.socket / took / 1000,
        "http": load.http / took / 1000,
        "main thread": 100 * (load.busy() - busy) / took,
    }


def processor(pid: int, page: Page, seconds: float = SECONDS) -> float:
    """Percent of one core that the server takes."""
    server = psutil.Process(pid)
    before, began = server.cpu_times(), time.monotonic()
    page.wait_for_timeout(1000 * seconds)
    after = server.cpu_times()
    used = after.user + after.system - before.user - before.system
    return 100 * used / (time.monotonic() - began)


def measure() -> list[Row]:
    with workspace() as folder:
        fill(folder)
        with tab() as page, dashboard(folder) as server:
            page.set_viewport_size({"width": 1280, "height": 800})
            visit(page, server.url)
            page.wait_for_timeout(8000)  # the libraries for training are loaded
            first = page.evaluate(SWITCH, "/runs")
            loads = []
            for _ in range(LOADS):
                page.evaluate(SWITCH, "/")
                loads.append(page.evaluate(SWITCH, "/runs"))
            page.wait_for_timeout(3000)
            open_tab = processor(server.pid, page)
            page.goto("about:blank")
            page.wait_for_timeout(3000)
            no_tab = processor(server.pid, page)
            with training(folder):
                visit(page, f"{server.url}/train?run={WATCHED}")
                page.wait_for_timeout(8000)
                ready(page)
                seen = watch(page)
                page.goto(f"{server.url}/runs")
                page.wait_for_timeout(5000)
                table = watch(page)
    return [
        Row(f"Runs page, {RUNS:,} runs, first time", "ms", (first,), goal=1000),
        Row("Runs page, again", "ms", tuple(loads), goal=500),
        Row("server with an idle Runs tab", "% of a core", (open_tab,), note="Beside it: without any tab."),
        Row("server without a tab", "% of a core", (no_tab,)),
        Row("an idle Runs tab alone", "% of a core", (max(0.0, open_tab - no_tab),), goal=1),
        Row("a watched run of 700 epochs, websocket", "kB/s", (seen["websocket"],), goal=10),
        Row("the same, HTTP", "kB/s", (seen["http"],), goal=10),
        Row("the same, main thread of the browser", "% busy", (seen["main thread"],), goal=10),
        Row("the Runs page while one trains, websocket", "kB/s", (table["websocket"],), goal=10),
        Row("the same, main thread of the browser", "% busy", (table["main thread"],), goal=10),
    ]


if __name__ == "__main__":
    fill(Path(sys.argv[1]))
