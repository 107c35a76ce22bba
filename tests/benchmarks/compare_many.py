"""Comparing 12 runs of 400 epochs: how long the browser is busy at a stretch, live and when choices change."""

from __future__ import annotations

import math
from pathlib import Path

from playwright.sync_api import Page

from backend.registry import RunRegistry
from backend.settings import Settings
from backend.types import GroupRecord, MetricPoint, RunRecord, RunSpec, RunStatus, SweepPlan
from tests.benchmarks._chromium import dashboard, tab, workspace
from tests.benchmarks._report import Row
from tests.benchmarks.live_update import WATCH_LONG_TASKS
from tests.browser.reading import ready

EPOCHS = 400
SIZES = (128, 256, 512, 1024, 2048, 4096)
GROUP = "compared"
UPDATES = 10
NEWLY = "() => { const seen = window.longTasks; window.longTasks = []; return seen }"
DRAWN = (
    "() => Math.min(...[...document.querySelectorAll('.live-chart')].map(c => Number(c.dataset.drawn ?? 0)))"
)


def measure() -> list[Row]:
    with workspace() as folder, tab() as page:
        run_ids = _fill(folder)
        with dashboard(folder) as server:
            page.set_viewport_size({"width": 1280, "height": 2000})  # all charts on the screen
            page.add_init_script(WATCH_LONG_TASKS)
            sweep = _busy(
                page, f"{server.url}/compare?tab=sweep&group={GROUP}", 3, ("By time", "Against 128")
            )
            side = _busy(page, f"{server.url}/compare?tab=side&runs={','.join(run_ids)}", 2, ("By time",))
    return [_row("the Sweep tab, live, and two choices changed", sweep), _row("side by side", side)]


def _row(name: str, tasks: list[float]) -> Row:
    return Row(
        f"{name}: browser busy for over 50 ms at once",
        "ms",
        tuple(tasks) or (0.0,),
        goal=100,
        judged="max",
        note=f"{len(tasks)} long tasks; 0 stands for none.",
    )


def _busy(page: Page, address: str, charts: int, choices: tuple[str, ...]) -> list[float]:
    """Long tasks after the first paint: while the page updates itself, and after each choice."""
    page.goto(address)
    ready(page)
    page.wait_for_function(f"() => document.querySelectorAll('.live-chart').length >= {charts}")
    page.wait_for_function(f"() => ({DRAWN})() >= 1")
    page.wait_for_timeout(2_000)
    page.evaluate(NEWLY)
    page.wait_for_timeout(1_000 * UPDATES)  # the page looks for something new once a second
    for choice in choices:
        button = page.get_by_role("radio", name=choice).or_(page.get_by_role("button", name=choice))
        button.first.click()
        ready(page)
        page.wait_for_timeout(1_500)
    tasks: list[float] = page.evaluate(NEWLY)
    return tasks


def _fill(folder: Path) -> list[str]:
    """A sweep of 12 finished runs; one more waits in the paused group, so that the page stays live."""
    registry = RunRegistry(Settings(folder).registry_path)
    registry.open()
    base = RunSpec("data", "Cells", accelerator="cpu", max_epochs=EPOCHS)
    registry.add_group(
        GroupRecord(GROUP, "sweep", "Sweep", 1.0, "data", paused=True, plan=SweepPlan(base), notices=())
    )
    run_ids = []
    for number, (size, engine) in enumerate(
        (size, engine) for size in SIZES for engine in ("stock", "fused")
    ):
        run_ids.append(f"run-{number}")
        spec = base.replace(batch_size=size, engine=engine, lr=0.001 * size / 128)
        seconds = (2.0 if engine == "stock" else 0.5) * (1 + 20 / size)
        registry.add(
            RunRecord(
                run_ids[-1], spec, RunStatus.FINISHED, f"{size} {engine}", 1.0 + number, group_id=GROUP,
                epoch=EPOCHS, elapsed=seconds * EPOCHS, device="cpu", n_obs=90_852, n_vars=2_000,
            )
        )  # fmt: skip
        for epoch in range(1, EPOCHS + 1):
            level = 300 + number + 200 * math.exp(-epoch / (20 + 3 * number)) + 2 * math.sin(7 * epoch)
            values = {"train_loss": level, "validation_loss": level * 1.02, "epoch_seconds": seconds,
                      "elbo_validation": level * 1.03, "cells_per_second": 90_852 / seconds,
                      "warm_up": float(epoch == 1)}  # fmt: skip
            for name, value in values.items():
                registry.append(run_ids[-1], MetricPoint(name, epoch, value, epoch * seconds))
    registry.add(RunRecord("waiting", base.replace(seed=9), RunStatus.QUEUED, "waits", 99.0, group_id=GROUP))
    registry.close()
    return run_ids
