"""What pictures of the cells cost: their part of the training time, and the same training without them.

Each engine trains the same cells with and without pictures, in turn, so that a noisy machine disturbs both alike. Bar:
pictures take under 3 % of the training time. Losses must be the same to the last digit, else this fails.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from backend.settings import Settings
from backend.types import DatasetRef, MetricPoint, PrepareSpec, RunSpec
from tests.benchmarks._report import Row

CELLS, GENES = 6_000, 20_000
RUNS = (("built-in data", "stock", 20), ("built-in data", "fused", 20), ("6,000 x 20,000", "fused", 6))
BAR = 3.0  # per cent


def measure() -> list[Row]:
    from backend.datasets import DatasetLibrary

    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="studio-bench-") as folder:
        library = DatasetLibrary(Settings(workspace=Path(folder)))
        library.start()
        try:
            made = {"built-in data": _built_in(library), f"{CELLS:,} x {GENES:,}": _simulated(library)}
            for name, engine, epochs in RUNS:
                rows += _compare(made[name], name, engine, epochs, Path(folder))
        finally:
            library.close()
    return rows


def _compare(dataset: DatasetRef, name: str, engine: str, epochs: int, folder: Path) -> list[Row]:
    from backend.training import FrameFiles, train

    spec = RunSpec(dataset.dataset_id, engine=engine, accelerator="cpu", max_epochs=epochs, lr=1e-3)
    seconds: dict[bool, float] = {}
    losses: dict[bool, list[float]] = {}
    run_dir = folder / "with"
    for pictures in (False, True):
        points: list[MetricPoint] = []
        run_dir = folder / f"{name}-{engine}-{pictures}".replace(" ", "")
        run_dir.mkdir()
        result = train(
            spec,
            dataset,
            run_dir,
            on_metric=points.append,
            on_phase=lambda _: None,
            on_start=lambda _: None,
            should_stop=lambda: False,
            pictures=pictures,
        )
        seconds[pictures] = result.elapsed
        losses[pictures] = [p.value for p in points if p.name == "train_loss_step"]
    assert losses[True] == losses[False], "pictures changed the training"
    index = FrameFiles(run_dir).index()
    assert index is not None
    each = tuple(1000 * frame.seconds for frame in index.frames if frame.seconds)
    title = f"{name}, {engine}, {epochs} epochs"
    return [
        Row(f"{title}: part of training", "%", (100 * index.cost,), goal=BAR, judged="max"),
        Row(f"{title}: a picture of {index.n_cells:,} cells", "ms", each or (0.0,)),
        Row(f"{title}: training without", "s", (seconds[False],)),
        Row(f"{title}: training with {len(index.frames)} pictures", "s", (seconds[True],)),
    ]


def _built_in(library: object) -> DatasetRef:
    demo = library.demo()  # type: ignore[attr-defined]
    library.wait(library.inspect(demo.source_id).job_id)  # type: ignore[attr-defined]
    report = library.report(demo.source_id)  # type: ignore[attr-defined]
    spec = report.recommended if report else PrepareSpec()
    return _ready(library, demo.source_id, spec)


def _simulated(library: object) -> DatasetRef:
    job = library.simulate(CELLS, GENES)  # type: ignore[attr-defined]
    return _ready(library, library.wait(job.job_id).result_id, PrepareSpec())  # type: ignore[attr-defined]


def _ready(library: object, source_id: str, spec: PrepareSpec) -> DatasetRef:
    job = library.wait(library.prepare(source_id, spec).job_id)  # type: ignore[attr-defined]
    return library.dataset(job.result_id)  # type: ignore[attr-defined]
