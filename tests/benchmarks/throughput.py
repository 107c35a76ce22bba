"""Cells per second and seconds per epoch of the stock engine on the built-in data, first epoch apart."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from pathlib import Path

from backend.settings import Settings
from backend.types import MetricPoint, PrepareSpec, RunSpec
from tests.benchmarks._report import Row

EPOCHS = 12


def measure() -> list[Row]:
    from backend.datasets import DatasetLibrary
    from backend.training import train

    rows = []
    with tempfile.TemporaryDirectory(prefix="studio-bench-") as folder:
        library = DatasetLibrary(Settings(workspace=Path(folder)))
        library.start()
        try:
            demo = library.demo()
            library.wait(library.inspect(demo.source_id).job_id)
            report = library.report(demo.source_id)
            spec = report.recommended if report else PrepareSpec()
            dataset = library.dataset(library.wait(library.prepare(demo.source_id, spec).job_id).result_id)
            for batch_size in (128, 512):
                points: dict[str, list[float]] = defaultdict(list)

                def keep(point: MetricPoint) -> None:
                    points[point.name].append(point.value)  # noqa: B023 - used within the same turn

                run = RunSpec(
                    dataset.dataset_id, accelerator="cpu", batch_size=batch_size, max_epochs=EPOCHS, lr=1e-3
                )
                run_dir = Path(folder) / f"run-{batch_size}"
                run_dir.mkdir()
                train(
                    run,
                    dataset,
                    run_dir,
                    on_metric=keep,
                    on_phase=lambda _: None,
                    on_start=lambda _: None,
                    should_stop=lambda: False,
                )
                title = f"minibatch size {batch_size}"
                rows += [
                    Row(f"{title}, first epoch", "s", (points["epoch_seconds"][0],)),
                    Row(f"{title}, later epochs", "s", tuple(points["epoch_seconds"][1:])),
                    Row(f"{title}, later epochs", "cells/s", tuple(points["cells_per_second"][1:])),
                ]
        finally:
            library.close()
    return rows
