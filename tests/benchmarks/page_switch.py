"""From a click on a page's name to the new page at rest, in the browser; idle and while a model trains."""

from __future__ import annotations

import time
from pathlib import Path

from playwright.sync_api import Page

from backend.settings import Settings
from backend.types import PrepareSpec, RunSpec, RunStatus
from tests.benchmarks._chromium import dashboard, tab, workspace
from tests.benchmarks._report import Row
from tests.browser.reading import PAGES, visit

ROUNDS = 8
CELLS, GENES = 10_000, 4_000

# The first heading is different on every page; at rest means that the script behind the page has ended.
SWITCH = """async path => {
    const heading = () => document.querySelector('[data-testid=stMain] [data-testid=stHeading]')?.textContent
    const before = heading()
    const link = [...document.querySelectorAll('a')].find(a => new URL(a.href).pathname === path)
    const began = performance.now()
    link.click()
    await new Promise((resolve, reject) => {
        const look = () => {
            const app = document.querySelector('[data-testid=stApp]')
            const now = heading()
            if (now && now !== before && app.dataset.testScriptState === 'notRunning') resolve()
            else if (performance.now() - began > 20000) reject(new Error(`${path} did not come: ${now}`))
            else requestAnimationFrame(look)
        }
        look()
    })
    return performance.now() - began
}"""


def measure() -> list[Row]:
    with workspace() as folder, tab() as page:
        with dashboard(folder) as server:
            idle = _switches(page, server.url)
        queue_a_long_run(folder)
        with dashboard(folder) as server:
            wait_for_training(folder)
            training = _switches(page, server.url)
            assert _active(folder), "training ended before the measurement did"
    return [
        Row("idle", "ms", tuple(idle)),
        Row("while a model trains", "ms", tuple(training), goal=300, judged="p95"),
    ]


def _switches(page: Page, url: str) -> list[float]:
    visit(page, url)
    paths = [path for path in PAGES.values() if path != "/"] + ["/"]
    for path in paths:  # once unmeasured: imports, fonts, the browser's caches
        page.evaluate(SWITCH, path)
    return [page.evaluate(SWITCH, path) for _ in range(ROUNDS) for path in paths]


def queue_a_long_run(folder: Path) -> None:
    """Leave a run of many epochs in the workspace; the next server takes it up when it starts."""
    from backend.services import build_services

    services = build_services(Settings(workspace=folder))
    datasets = services.datasets
    services.registry.open()
    datasets.start()
    try:
        source = datasets.wait(datasets.simulate(CELLS, GENES).job_id).result_id
        dataset = datasets.wait(datasets.prepare(source, PrepareSpec()).job_id).result_id
        services.runs.submit(RunSpec(dataset, max_epochs=1000, batch_size=128))
    finally:
        datasets.close()
        services.registry.close()


def _active(folder: Path) -> bool:
    from backend.registry import RunRegistry

    registry = RunRegistry(Settings(workspace=folder).registry_path)
    registry.open()
    try:
        return any(run.epoch > 0 for run in registry.list() if run.status is RunStatus.RUNNING)
    finally:
        registry.close()


def wait_for_training(folder: Path, seconds: float = 180) -> None:
    deadline = time.monotonic() + seconds
    while not _active(folder):
        assert time.monotonic() < deadline, "the queued run did not start training"
        time.sleep(0.5)
