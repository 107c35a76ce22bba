"""What an export is, and all that it may ask: of one run (``Run``), of several (``Runs``), of analyses (``Explored``).

    HISTORY = Export("history.csv", write_history)                        # made every time it is asked for
    MODEL = Export("model.zip", write_model, made_from=lambda run: [run.model / "model.pt"])  # kept until these change

``build(run, path)`` writes the file. What a run does not have is refused with ``Conflict`` when it is asked for. Of
several maps or clusterings of a run the one made last counts, or the clustering whose clusters were named last.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from ..errors import BadInput, Conflict, NotFound
from ..registry import RunRegistry
from ..settings import Settings
from ..types import (
    Agreement,
    Comparison,
    Curves,
    DatasetRef,
    GroupRecord,
    Groups,
    Labels,
    MetricPoint,
    RunRecord,
    RunStatus,
    SourceRef,
)


class Result(Protocol):
    """A finished analysis, as ``Analyses`` gives it."""

    @property
    def folder(self) -> Path: ...

    @property
    def options(self) -> dict[str, Any]: ...

    @property
    def facts(self) -> dict[str, Any]: ...

    def array(self, name: str) -> npt.NDArray[Any]: ...


class Names(Protocol):
    """Of the clusters of a run."""

    def of(self, run_id: str) -> Labels | None: ...

    def give(self, run_id: str, options: dict[str, Any], names: Sequence[str]) -> Labels: ...


class Annotations(Protocol):
    """Names that people gave to cells of a run."""

    def of(self, run_id: str, n_obs: int) -> dict[str, Groups]: ...


class Findings(Protocol):
    """What exports ask of ``Analyses``."""

    @property
    def annotations(self) -> Annotations: ...

    @property
    def names(self) -> Names: ...

    def result(self, run_id: str, kind: str, **options: Any) -> Result | None: ...

    def stamp(self, run_id: str) -> str: ...


@dataclass(frozen=True, slots=True)
class Explored:
    umap: npt.NDArray[np.float32] | None = None  # cells x 2, float32
    umap_options: dict[str, Any] = field(default_factory=dict)  # as executed
    clusters: npt.NDArray[np.int32] | None = None  # cells, int32
    cluster_options: dict[str, Any] = field(default_factory=dict)
    names: tuple[str, ...] | None = None  # of each cluster, where the user named them; merged ones share one
    annotations: Mapping[str, Groups] = field(
        default_factory=dict
    )  # columns of names given to selected cells
    files: tuple[Path, ...] = ()  # what this was read from

    @property
    def n_clusters(self) -> int:
        return 0 if self.clusters is None else int(self.clusters.max()) + 1

    @property
    def labels(self) -> npt.NDArray[np.str_] | None:
        """A name per cell."""
        return None if self.names is None or self.clusters is None else np.array(self.names)[self.clusters]


def explored(analyses: Findings, run_dir: Path, run_id: str, n_obs: int) -> Explored:
    umap = latest(analyses, run_dir, run_id, "umap")
    named = analyses.names.of(run_id)
    leiden = analyses.result(run_id, "leiden", **named.options) if named is not None else None
    if leiden is None:
        named, leiden = None, latest(analyses, run_dir, run_id, "leiden")
    files = [result.folder / "meta.json" for result in (umap, leiden) if result is not None]
    return Explored(
        umap=None if umap is None else np.asarray(umap.array("xy")),
        umap_options={} if umap is None else dict(umap.options),
        clusters=None if leiden is None else np.asarray(leiden.array("labels")),
        cluster_options={} if leiden is None else dict(leiden.options),
        names=None if named is None else tuple(named.names),
        annotations=analyses.annotations.of(run_id, n_obs),
        # clusters and cells named since count as news, and so do names that were taken back
        files=(*files, run_dir / "analysis" / "labels.json", run_dir / "analysis" / "annotations.json"),
    )


def latest(analyses: Findings, run_dir: Path, run_id: str, kind: str) -> Result | None:
    """The newest result of a kind, whatever its options; it must fit the run as it is now."""
    made = []
    for folder in (run_dir / "analysis").glob(f"{kind}-*"):
        try:
            meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
            made.append((float(meta["made_at"]), meta["options"]))
        except (OSError, ValueError, KeyError, TypeError):
            continue
    for _, options in sorted(made, key=lambda item: item[0], reverse=True):
        result = analyses.result(run_id, kind, **options)
        if result is not None:
            return result
    return None


Of = TypeVar("Of", contravariant=True)
Positions = npt.NDArray[np.intp]
Split = tuple[Positions, Positions, Positions]  # of training, validation and other cells


@dataclass(frozen=True)
class Export(Generic[Of]):
    name: str  # of the file: in addresses, and where it is kept
    build: Callable[[Of, Path], object]
    made_from: Callable[[Of], Iterable[Path]] | None = None


class Library(Protocol):
    """What exports ask of the data sets; both raise ``NotFound``."""

    def dataset(self, dataset_id: str) -> DatasetRef: ...

    def source(self, source_id: str) -> SourceRef: ...


class Judge(Protocol):
    """What exports ask of comparing."""

    def compare(self, run_ids: Sequence[str]) -> Comparison: ...

    def curves(self, run: RunRecord) -> Curves: ...

    def agreement(
        self, run_ids: Sequence[str], *, label: str | None, batch: str | None, reference: str
    ) -> Agreement | None: ...


@dataclass(frozen=True, slots=True)
class Rooms:
    """Where runs are known from."""

    settings: Settings
    registry: RunRegistry
    datasets: Library
    analyses: Findings
    comparer: Judge


class Run:
    def __init__(self, record: RunRecord, rooms: Rooms) -> None:
        self.record = record
        self.run_id = record.run_id
        self.threads = rooms.settings.threads
        self.folder = rooms.settings.runs_dir / record.run_id  # the registry knows the id: it is one of ours
        self._rooms = rooms

    @property
    def model(self) -> Path:
        """The folder of the trained model."""
        record = self.record
        if record.imported_from:
            raise Conflict(
                f"This run was imported from {record.imported_from}. Its model is not used here, because opening "
                "a model can run hidden code."
            )
        if not record.status.has_model:
            state = "not finished" if not record.status.is_over else record.status
            remedy = " Resume it first." if record.status is RunStatus.INTERRUPTED else ""
            raise Conflict(f"This run has no model to download: it is {state}.{remedy}")
        if not (self.folder / "model" / "model.pt").exists():
            raise Conflict("The model of this run is missing on disk. Train it again with the same settings.")
        return self.folder / "model"

    @property
    def latent(self) -> Path:
        """float32, cells x n_latent, in the order of the prepared cells."""
        path = self.folder / "latent.npy"
        if not path.exists():
            raise Conflict(
                "The latent space of this run is missing on disk. Extend the run by an epoch to remake it."
            )
        return path

    @property
    def trained_on(self) -> DatasetRef:
        """The prepared data set; ``NotFound`` where it was removed."""
        return self._rooms.datasets.dataset(self.record.spec.dataset_id)

    @cached_property
    def dataset(self) -> DatasetRef | None:
        """None where it was removed; of a run from elsewhere what came with it."""
        try:
            return self.trained_on
        except NotFound:
            beside = self.folder / "dataset.json"
            if not beside.is_file():
                return None
            return DatasetRef.from_dict(json.loads(beside.read_text(encoding="utf-8")))

    @cached_property
    def source(self) -> SourceRef | None:
        """The file that was brought; None where it was removed."""
        try:
            return self._rooms.datasets.source(self.dataset.source_id) if self.dataset else None
        except NotFound:
            return None

    @cached_property
    def found(self) -> Explored:
        return explored(self._rooms.analyses, self.folder, self.run_id, self.record.n_obs)

    def latest(self, kind: str) -> Result | None:
        """The newest result of an analysis."""
        return latest(self._rooms.analyses, self.folder, self.run_id, kind)

    @property
    def points(self) -> Sequence[MetricPoint]:
        """One per epoch and quantity."""
        return self._rooms.registry.epoch_points(self.run_id)

    @cached_property
    def steps(self) -> Sequence[MetricPoint]:
        """The loss of single minibatches, as far as it is on record."""
        return self._rooms.registry.read_since(self.run_id, names=["train_loss_step"]).points

    @property
    def curves(self) -> Curves:
        curves = Curves()
        curves.add(self._rooms.registry.read_since(self.run_id).points)
        return curves

    @property
    def split(self) -> Split | None:
        path = self.folder / "split.npz"
        if not path.is_file():
            return None
        with np.load(path, allow_pickle=False) as stored:
            return stored["train"], stored["validation"], stored["test"]

    def about(self) -> dict[str, Any]:
        """What was trained, as executed, on which data and with which versions. Nobody's folders travel."""
        record, dataset = self.record, self.dataset
        return {
            "program": "scVI Studio",
            "run_id": record.run_id,
            "name": record.name,
            "status": str(record.status),
            "spec": record.spec.to_dict(),
            "epochs": record.epoch,
            "device": record.device,
            "device_name": record.device_name,
            "environment": dict(record.environment),
            "dataset": dataset
            and {k: v for k, v in dataset.to_dict().items() if k not in ("path", "full_path")},
        }


class Runs:
    def __init__(
        self, records: Sequence[RunRecord], rooms: Rooms, group: GroupRecord | None = None, title: str = ""
    ) -> None:
        self.records = records
        self.each = [Run(record, rooms) for record in records]
        self.group = group
        self.title = title or (group.name if group else "")
        self._rooms = rooms

    @cached_property
    def comparison(self) -> Comparison:
        if not self.records:
            raise BadInput("There are no runs to compare. Choose some on the Runs page.")
        return self._rooms.comparer.compare([record.run_id for record in self.records])

    @property
    def curves(self) -> dict[str, Curves]:
        """The series of each run (by id), one number an epoch."""
        return {record.run_id: self._rooms.comparer.curves(record) for record in self.records}

    @property
    def agreement(self) -> Agreement | None:
        """Among the runs whose cells were looked at, by the columns asked for last; None where nobody asked."""
        newest = next((result for run in self.each if (result := run.latest("agreement")) is not None), None)
        if newest is None:
            return None
        columns = {name: newest.options.get(name) for name in ("label", "batch")}
        looked = [
            run.run_id for run in self.each if self._rooms.analyses.result(run.run_id, "agreement", **columns)
        ]
        if len(looked) < 2:
            return None
        return self._rooms.comparer.agreement(looked, reference=self.comparison.reference, **columns)
