"""Take the runs of a bundle into this workspace, to be looked at and compared: never resumed, never unpickled.

    run_ids = import_bundle(path, registry, runs_dir, analyses)

All of a bundle is read and checked before anything is entered; what fails halfway is taken out again. A model
in it is put aside as ``imported-model`` and never opened here: loading one runs whatever its maker put in it.
"""

from __future__ import annotations

import dataclasses
import json
import re
import secrets
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import NotFound
from ..registry import RunRegistry
from ..types import Curves, DatasetRef, GroupRecord, Message, MetricPoint, RunRecord, first_problem
from ..words import one_line
from ._bundle import ANALYSES, FORMAT, VERSION, OpenBundle, refuse
from ._export import Findings
from ._report_page import machine_of

# JSON of a stranger is ``Any`` until a message has taken it.

MOST_RUNS = 500
MOST_CLUSTERS = 5000
_MOST = 10**9  # cells, genes, epochs
_YEAR_3000 = 32_503_680_000.0  # no table of runs can show a time far beyond
_LIMITS = {"peak_memory": 10**15, "cells_per_second": 1e12, "best_validation": 1e30, "position": 1e15}
_ANY_SIGN = ("best_validation", "position")
LONGEST_NAME = 80
_AT_ONCE = 5_000  # points in a transaction, so that a training beside it is not held up
_WORD = re.compile(r"[\w .:+()-]{0,80}")
_RESULT = re.compile(r"analysis/([a-z_]+-[0-9a-f]{16})/meta\.json")


Result = tuple[
    dict[str, Any], str, npt.NDArray[np.number[Any]]
]  # its meta.json, the name of its array, the array


@dataclass(frozen=True, slots=True)
class ResultMeta(Message):
    """What an analysis says of itself on disk."""

    kind: str
    options: dict[str, Any]
    facts: dict[str, Any]
    seconds: float
    made_at: float


@dataclass(frozen=True, slots=True)
class NamesOfClusters(Message):
    options: dict[str, Any]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Arrived:
    """One run of a bundle, checked and not yet entered."""

    inside: str  # its folder in the bundle
    record: RunRecord
    points: list[MetricPoint]
    dataset: DatasetRef | None
    latent: npt.NDArray[np.number[Any]] | None  # float32, cells x n_latent
    results: dict[str, Result] = field(default_factory=dict)
    has_model: bool = False
    names: NamesOfClusters | None = None


def import_bundle(path: Path, registry: RunRegistry, runs_dir: Path, analyses: Findings) -> list[str]:
    with OpenBundle(path) as bundle:
        about = bundle.json("bundle.json")
        arrived = [_read_run(bundle, run_id) for run_id in _listed(about)]
        entered: list[str] = []
        group = _group(about, arrived)
        try:
            if group is not None:
                registry.add_group(group)
            for run in arrived:
                run_id = _free_id(run.record.run_id, registry, runs_dir)
                entered.append(run_id)
                _enter(run, run_id, group, bundle, registry, runs_dir, analyses)
        except BaseException:
            for run_id in entered:
                registry.remove(run_id)
                shutil.rmtree(runs_dir / run_id, ignore_errors=True)
            if group is not None:
                registry.remove_group(group.group_id)
            raise
    return entered


def _listed(about: Any) -> list[str]:
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        refuse("It was not made by scVI Studio")
    version = about.get("version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        refuse("It does not say which version of the format it has")
    if version > VERSION:
        refuse("It was made by a newer version of scVI Studio. Update this one")
    runs = about.get("runs")
    if not isinstance(runs, list) or not 1 <= len(runs) <= MOST_RUNS or len(set(map(str, runs))) < len(runs):
        refuse("Its list of runs is empty, too long or repeats itself")
    if any(
        not isinstance(run, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", run) for run in runs
    ):
        refuse("Its list names runs in an impossible way")
    return runs


def _read_run(bundle: OpenBundle, run_id: str) -> Arrived:
    inside = f"runs/{run_id}"
    record = bundle.message(f"{inside}/record.json", RunRecord)
    if record.run_id != run_id:
        refuse("A run in it goes by two names")
    if not record.status.is_over:
        refuse("A run in it has not ended")
    _refuse_senseless(record)
    points = bundle.points(f"{inside}/history.json")
    dataset = None
    if f"{inside}/dataset.json" in bundle.names:
        dataset = bundle.message(f"{inside}/dataset.json", DatasetRef)
    latent = None
    if f"{inside}/latent.npy" in bundle.names:
        latent = bundle.array(f"{inside}/latent.npy", "float32", (record.n_obs, record.spec.n_latent))
    results = _results(bundle, inside, record.n_obs) if latent is not None else {}
    return Arrived(
        inside,
        record,
        points,
        dataset,
        latent,
        results,
        f"{inside}/model/model.pt" in bundle.names,
        _names(bundle, inside, results),
    )


def _names(bundle: OpenBundle, inside: str, results: dict[str, Result]) -> NamesOfClusters | None:
    if f"{inside}/labels.json" not in bundle.names:
        return None
    names = bundle.message(f"{inside}/labels.json", NamesOfClusters)
    sizes = [
        meta["facts"]["n_clusters"]
        for meta, _, _ in results.values()
        if meta["kind"] == "leiden" and meta["options"] == names.options
    ]
    if sizes != [len(names.names)] or not all(0 < len(name) <= LONGEST_NAME for name in names.names):
        refuse("The names of clusters in it do not fit the clusters")
    return names


def _numbers(record: RunRecord) -> list[tuple[str, float]]:
    """Every field of a record that is a number."""
    values = ((one.name, getattr(record, one.name)) for one in dataclasses.fields(record))
    return [(name, value) for name, value in values if isinstance(value, int | float)]


def _refuse_senseless(record: RunRecord) -> None:
    """Numbers and times that pages reckon with."""
    for name, value in _numbers(record):
        limit = _YEAR_3000 if name.endswith("_at") or name == "elapsed" else _LIMITS.get(name, _MOST)
        if (name not in _ANY_SIGN and value < 0) or not abs(value) <= limit:
            refuse("The numbers of a run in it make no sense")
    if not _WORD.fullmatch(record.device):
        refuse("The numbers of a run in it make no sense")
    if problem := first_problem(record.spec):
        refuse(f"The settings of a run in it make no sense. {problem.rstrip('.')}")


def _results(bundle: OpenBundle, inside: str, n_obs: int) -> dict[str, Result]:
    """Maps and clusters. What is told about them is reckoned from their numbers, not believed."""
    found = {}
    for name in sorted(bundle.names):
        match = _RESULT.fullmatch(name.removeprefix(f"{inside}/")) if name.startswith(f"{inside}/") else None
        if match is None:
            continue
        meta = bundle.message(name, ResultMeta)
        kind, array = match[1].split("-")[0], ANALYSES.get(match[1].split("-")[0], "")
        if meta.kind != kind or not array:
            refuse("An analysis in it is none that travels")
        path = f"{name.removesuffix('meta.json')}{array}.npy"
        fits = not any(isinstance(value, str | list | dict) for value in meta.options.values())
        if kind == "umap":
            values = bundle.array(path, "float32", (n_obs, 2))
            facts: dict[str, Any] = {"n_obs": n_obs}
        else:
            values = bundle.array(path, "int32", (n_obs,))
            fits = (
                fits and n_obs > 0 and 0 <= int(values.min()) <= int(values.max()) < min(n_obs, MOST_CLUSTERS)
            )
            sizes = np.bincount(values).tolist() if fits else []
            facts = {"n_clusters": len(sizes), "sizes": sizes}
        if not fits:
            refuse("A map or clustering in it does not fit its run")
        found[match[1]] = (meta.replace(facts=facts).to_dict(), f"{array}.npy", values)
    return found


def _group(about: dict[str, Any], arrived: list[Arrived]) -> GroupRecord | None:
    told = about.get("group")
    if len(arrived) == 1 and not isinstance(told, dict):
        return None
    given = told if isinstance(told, dict) else {}
    machines = sorted({machine_of(run.record) for run in arrived})
    name = given.get("name") if isinstance(given.get("name"), str) else ""
    datasets = {run.record.spec.dataset_id for run in arrived}
    return GroupRecord(
        group_id=f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(3)}",
        kind="import",
        name=one_line(name, 100) or f"{len(arrived)} runs from {machines[0]}",
        created_at=time.time(),
        dataset_id=datasets.pop() if len(datasets) == 1 else "",
        note=one_line(f"Brought from {', '.join(machines)}.", 500),
    )


def _enter(
    run: Arrived,
    run_id: str,
    group: GroupRecord | None,
    bundle: OpenBundle,
    registry: RunRegistry,
    runs_dir: Path,
    analyses: Findings,
) -> None:
    run_dir = runs_dir / run_id
    run_dir.mkdir(parents=True)
    if run.latent is not None:
        np.save(run_dir / "latent.npy", run.latent, allow_pickle=False)
    if run.dataset is not None:
        (run_dir / "dataset.json").write_text(json.dumps(run.dataset.to_dict()), encoding="utf-8")
    if run.has_model:
        (run_dir / "imported-model").mkdir()
        bundle.copy(f"{run.inside}/model/model.pt", run_dir / "imported-model" / "model.pt")
    for name, (meta, file, values) in run.results.items():
        folder = run_dir / "analysis" / name
        folder.mkdir(parents=True)
        np.save(folder / file, values, allow_pickle=False)
        text = json.dumps({**meta, "stamp": analyses.stamp(run_id)})
        (folder / "meta.json").write_text(text, encoding="utf-8")
    record = run.record.replace(
        run_id=run_id,
        name=one_line(run.record.name, 120) or "unnamed run",
        group_id=group.group_id if group else "",
        imported_from=machine_of(run.record),
        position=0.0,
        requested="",
        phase="",
        problem=run.record.problem.replace(remedies=()) if run.record.problem else None,
    )
    curves = Curves()
    curves.add(run.points)
    epoch, value = curves.best or (None, None)  # an older version judged by another loss
    record = record.replace(
        judged_by=curves.judged_by, best_epoch=epoch, best_validation=value, last_validation=curves.last
    )
    if run.names is not None:
        analyses.names.give(run_id, run.names.options, run.names.names)
    registry.add(record)
    for first in range(0, len(run.points), _AT_ONCE):
        registry.append(run_id, *run.points[first : first + _AT_ONCE])


def _free_id(run_id: str, registry: RunRegistry, runs_dir: Path) -> str:
    """Its own where nobody has it."""
    while True:
        try:
            registry.get(run_id)
        except NotFound:
            if not (runs_dir / run_id).exists():
                return run_id
        run_id = f"{run_id[:15]}-{secrets.token_hex(3)}"
