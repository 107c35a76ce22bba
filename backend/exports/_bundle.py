"""Runs as one small file that another computer can open: a zip of JSON, CSV and plain number arrays.

bundle.json                       what this is, and which runs
runs/<id>/record.json             spec, environment, machine, numbers; dataset.json: what it was trained on
runs/<id>/history.json, .csv      every logged number with its time
runs/<id>/latent.npy, analysis/   the cells in the latent space; map and clusters, where they were made
runs/<id>/model/                  only when asked for
"""

from __future__ import annotations

import json
import math
import time
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ..errors import Conflict
from ..types import MetricPoint, RunRecord
from ._csv import history
from ._export import Export, Run, Runs

FORMAT = "scvi-studio-bundle"
VERSION = 1
ANALYSES = {"umap": "xy", "leiden": "labels"}  # those that travel, and the array that each consists of
MOST_STEPS = 5000  # single minibatches of a run that travel; the curve looks the same
README = """\
Training runs of scVI Studio. Open this file there: page Runs, "Bring runs from another computer", or

    python -m backend import THIS.zip

Everything but a model (model.pt, only if it was asked for) is JSON, CSV and NumPy arrays without pickles.
"""


def _write(runs: Runs, path: Path, *, with_model: bool) -> None:
    over = [run for run in runs.each if run.record.status.is_over]
    if not over:
        raise Conflict("A bundle is made of runs that have ended, and none of these has yet.")
    group = runs.group
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        about = {
            "format": FORMAT,
            "version": VERSION,
            "made_at": time.time(),
            "runs": [run.run_id for run in over],
            "group": None if group is None else {"name": group.name, "kind": group.kind, "note": group.note},
        }
        _put(archive, "bundle.json", about)
        archive.writestr("README.txt", README)
        for run in over:
            _write_run(archive, run, with_model=with_model)


BUNDLE = Export[Runs]("bundle.zip", lambda runs, path: _write(runs, path, with_model=False))
BUNDLE_WITH_MODEL = Export[Runs](
    "bundle-with-model.zip", lambda runs, path: _write(runs, path, with_model=True)
)


def _write_run(archive: zipfile.ZipFile, run: Run, *, with_model: bool) -> None:
    inside, found = f"runs/{run.run_id}", run.found
    _put(archive, f"{inside}/record.json", _travelling(run.record).to_dict())
    if run.dataset is not None:
        _put(archive, f"{inside}/dataset.json", run.dataset.replace(path="", full_path="").to_dict())
    _put(archive, f"{inside}/history.json", _columns(run.points, _thin(run.steps)))
    archive.writestr(f"{inside}/history.csv", history(run))
    latent = run.folder / "latent.npy"
    if latent.is_file():
        archive.write(latent, f"{inside}/latent.npy")
    for file in found.files:
        kind, folder = file.parent.name.split("-")[0], file.parent
        if kind in ANALYSES:
            for name in ("meta.json", f"{ANALYSES[kind]}.npy"):
                archive.write(folder / name, f"{inside}/analysis/{folder.name}/{name}")
    if found.names:
        named = {"options": found.cluster_options, "names": list(found.names)}
        _put(archive, f"{inside}/labels.json", named)
    if with_model:
        for folder in (run.folder / "model", run.folder / "imported-model"):
            if (folder / "model.pt").is_file():
                archive.write(folder / "model.pt", f"{inside}/model/model.pt", zipfile.ZIP_STORED)


def _travelling(record: RunRecord) -> RunRecord:
    """Without what belongs to this workspace alone."""
    return record.replace(group_id="", position=0.0, requested="", phase="")


def _columns(points: Iterable[MetricPoint], steps: Iterable[MetricPoint]) -> dict[str, Any]:
    """Points by name, column by column; what is no number is null."""
    epochs: dict[str, dict[str, list[Any]]] = {}
    for point in points:
        into = epochs.setdefault(point.name, {"epoch": [], "value": [], "seconds": []})
        _push(into, epoch=point.epoch, value=_number(point.value), seconds=point.seconds)
    minibatches: dict[str, dict[str, list[Any]]] = {}
    for point in steps:
        into = minibatches.setdefault(point.name, {"epoch": [], "step": [], "value": [], "seconds": []})
        _push(into, epoch=point.epoch, step=point.step, value=_number(point.value), seconds=point.seconds)
    return {"epochs": epochs, "steps": minibatches}


def _push(into: dict[str, list[Any]], **values: Any) -> None:
    for name, value in values.items():
        into[name].append(value)


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _thin(steps: Sequence[MetricPoint]) -> Sequence[MetricPoint]:
    stride = math.ceil(len(steps) / MOST_STEPS) or 1
    return [*steps[:-1:stride], *steps[-1:]]


def _put(archive: zipfile.ZipFile, name: str, value: Any) -> None:
    archive.writestr(name, json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")))
