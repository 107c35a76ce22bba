"""200 page loads under a limit of 256 open files, as on macOS: the server goes on answering, and lets go of them."""

from __future__ import annotations

import resource
import time

import psutil

from tests.browser.server import Server
from tests.chaos.trial import Trial
from tests.chaos.visitor import PAGES, healthy, visiting

LIMIT = 256
LET_GO = 150.0  # seconds until the sessions of the trial are forgotten


def run(trial: Trial) -> None:
    if not hasattr(resource, "prlimit"):
        trial.lose("could not be tried: the limit of another process can be set on Linux only")
        return
    loads = 60 if trial.short else 200
    server = Server(trial.folder / "workspace")
    server.spawn()
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (LIMIT, LIMIT))
    try:
        server.wait_healthy()
        process = psutil.Process(server.pid)
        most = failed = 0
        first = process.num_fds()
        for number in range(loads):
            try:
                with visiting(server.port) as visitor:
                    _, wrong = visitor.open(PAGES[number % len(PAGES)])
                for one in wrong:
                    trial.lose(one)
            except Exception as error:
                failed += 1
                trial.lose(f"load {number + 1}: {error!r}")
                if failed > 5:
                    break
            most = max(most, process.num_fds())
        trial.require(healthy(server.port), "the server answers nobody any more")
        trial.require(most < LIMIT, f"{most} files are open")
        left = process.num_fds()
        if not trial.short:
            deadline = time.monotonic() + LET_GO
            while left > first + 40 and time.monotonic() < deadline:
                time.sleep(1)
                left = process.num_fds()
            trial.require(left <= first + 40, f"{left} files are open long after, {first} at first")
        trial.count("page loads", loads)
        trial.count("failed", failed)
        trial.count("open files at most", most)
        trial.count("afterwards", left)
        trial.require("Traceback" not in server.log, "a traceback on the console")
    finally:
        server.stop()
