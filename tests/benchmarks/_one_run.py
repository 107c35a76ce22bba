"""Prepared cells, and one training run on them in a fresh process, for benchmarks that compare runs.

    with prepared_data(simulated=[(3000, 20000)]) as data:           # the built-in set, simulated ones, FILES
        run = train_fresh(spec, cells, folder, like=other_folder)    # with the split of another run

``FILES=/path/a.h5ad,/path/b.h5ad`` adds files of raw counts. Unlike ``python -m backend train`` a run here keeps the
split of another one whose seed is different.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backend.types import DatasetRef, RunSpec

ROOT = Path(__file__).resolve().parents[2]
_LABELS = re.compile(r"cell.?type|bulk_labels|annotation|label", re.IGNORECASE)


@dataclass(frozen=True)
class Cells:
    dataset: DatasetRef
    batch_key: str | None  # the adviser's

    @property
    def title(self) -> str:
        name = Path(self.dataset.name).stem if self.dataset.name.endswith(".h5ad") else self.dataset.name
        return name.replace(" (built in)", "")

    def labels(self) -> Any:
        """The cells' types where the data set has a column of them."""
        from backend.datasets import open_prepared

        obs = open_prepared(self.dataset).obs
        known = [name for name in obs if _LABELS.search(name) and obs[name].dtype.kind not in "iuf"]
        return obs[known[0]].astype(str).to_numpy() if known else None


@dataclass(frozen=True)
class Run:
    elbo: tuple[float, ...]  # validation ELBO (scvi-tools': negative, lower is better) of each epoch
    engine: str  # as executed
    run_dir: Path

    def latent(self) -> Any:
        import numpy as np

        return np.load(self.run_dir / "latent.npy")


@contextmanager
def prepared_data(simulated: Sequence[tuple[int, int]]) -> Iterator[tuple[Path, list[Cells]]]:
    """A folder that goes away afterwards, and the data sets in it."""
    from backend.datasets import DatasetLibrary
    from backend.settings import Settings

    files = [Path(name) for name in os.environ.get("FILES", "").split(",") if name]
    with tempfile.TemporaryDirectory(prefix="studio-bench-") as folder:
        library = DatasetLibrary(Settings(workspace=Path(folder)))
        library.start()
        try:
            sources = [library.demo().source_id]
            sources += [library.import_file(file).source_id for file in files]
            sources += [library.wait(library.simulate(*size).job_id).result_id for size in simulated]
            yield Path(folder), [_prepare(library, source) for source in sources]
        finally:
            library.close()


def _prepare(library: Any, source_id: str) -> Cells:
    library.wait(library.inspect(source_id).job_id)
    report = library.report(source_id)
    done = library.wait(library.prepare(source_id, report.recommended).job_id)
    return Cells(library.dataset(done.result_id), report.batch_key)


def train_fresh(spec: RunSpec, cells: Cells, run_dir: Path, like: Path | None = None) -> Run:
    """Train in a process of its own. ``like`` is the folder of a run whose split is taken."""
    run_dir.mkdir(parents=True)
    if like is not None:
        shutil.copy(like / "split.npz", run_dir)
    task = {"spec": spec.to_dict(), "dataset": cells.dataset.to_dict(), "run_dir": str(run_dir)}
    command = [sys.executable, "-m", "tests.benchmarks._one_run"]
    done = subprocess.run(
        command, input=json.dumps(task), cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(
            done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "a run ended early"
        )
    said = json.loads(done.stdout.splitlines()[-1])
    return Run(tuple(said["elbo"]), said["engine"], run_dir)


def _train_here(task: dict[str, Any]) -> dict[str, Any]:
    from backend.training import let_idle_threads_sleep, train, tune_allocator
    from backend.types import MetricPoint

    tune_allocator()  # as the application does at its start
    let_idle_threads_sleep()
    points: dict[str, list[MetricPoint]] = defaultdict(list)
    engines: list[str] = []
    result = train(
        RunSpec.from_dict(task["spec"]),
        DatasetRef.from_dict(task["dataset"]),
        Path(task["run_dir"]),
        on_metric=lambda point: points[point.name].append(point),
        on_phase=lambda phase: None,
        on_start=lambda info: engines.append(info.engine),
        should_stop=lambda: False,
        resume=True,  # takes a split that is there already; without a checkpoint it begins at the beginning
    )
    if result.outcome != "finished":
        raise RuntimeError(f"the run ended {result.outcome}")
    return {"elbo": [point.value for point in points["elbo_validation"]], "engine": engines[0]}


if __name__ == "__main__":
    print(json.dumps(_train_here(json.load(sys.stdin))))
