"""What it takes to repeat a run with plain scvi-tools, and the course of its training as it was executed.

    recipe = gather(run)
    course = course_of(run)     # None where it is not on disk any more which cells were trained on

Reads what the run left behind, not what was asked for. Refuses with ``Conflict`` what is needed and gone. A run is one
session, or several where it was resumed or extended; a learning rate that changes is planned over all epochs a session
was to have, so extending a run takes the rate up again.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import Conflict
from ..training import share_of_rate
from ..types import Curves, DatasetRef, MetricPoint, RunRecord, RunSpec, SourceRef, find_notice
from ._export import Run, Split

MOST_STEPS = 800  # of an epoch: with more, single steps are not all on record
_MOST_EPOCHS = 10_000


@dataclass(frozen=True, slots=True)
class Session:
    first: int  # epoch, counted from 1
    planned: int  # epochs in all, earlier sessions included


@dataclass(frozen=True, slots=True)
class Course:
    n_train: int  # cells
    n_validation: int
    steps_per_epoch: int
    extra_steps: int | None  # minibatches after the last complete epoch; None: not on record
    sessions: tuple[Session, ...]
    certain: bool = True  # False: the logged rates allow several plans

    def extensions(self) -> Iterator[tuple[Session, Session]]:
        """A session and the next, which was to have more epochs."""
        for before, session in zip(self.sessions, self.sessions[1:], strict=False):
            if session.planned > before.planned:
                yield before, session


def precision_of(record: RunRecord) -> str:
    """As executed: a device may not have had what was asked for."""
    return "32-true" if find_notice(record.notices, "bfloat16_unsupported") else record.spec.precision


def has_schedule(spec: RunSpec) -> bool:
    return spec.lr_schedule != "constant" or spec.lr_warmup > 0


def course_of(run: Run) -> Course | None:
    split = run.split
    if split is None:
        return None
    n_train = len(split[0])
    per_epoch = math.ceil(n_train / run.record.spec.batch_size)
    extra = _extra_steps(run, per_epoch)
    sessions, certain = _sessions(run, per_epoch)
    if extra and sessions[-1].planned != run.record.spec.max_epochs:
        sessions += (Session(run.record.epoch + 1, run.record.spec.max_epochs),)
    return Course(n_train, len(split[1]), per_epoch, extra, sessions, certain)


def _extra_steps(run: Run, per_epoch: int) -> int | None:
    done = run.record.epoch * per_epoch
    last = run.steps[-1].step if run.steps else None
    if run.record.status != "stopped" or last is None:
        return 0
    return max(0, last - done) if per_epoch <= MOST_STEPS else None


def _sessions(run: Run, per_epoch: int) -> tuple[tuple[Session, ...], bool]:
    spec, epochs = run.record.spec, run.record.epoch
    if not has_schedule(spec):
        return (Session(1, spec.max_epochs),), True
    curves = Curves()
    curves.add(run.points)
    logged, recorded = (
        dict(zip(curves[name].order, curves[name].value, strict=True))
        for name in ("learning_rate", "planned_epochs")
    )
    starts = [epoch for epoch in sorted(curves.warm_up_epochs) if epoch <= max(1, epochs)]
    found: list[Session] = []
    planned, certain = spec.max_epochs, True
    ends = [start - 1 for start in starts[1:]] + [epochs]
    for first, last in reversed(list(zip(starts, ends, strict=True))):
        seen = {epoch: logged[epoch] for epoch in range(first, last + 1) if epoch in logged}
        known = int(recorded[first]) if first in recorded else None  # not by earlier versions
        likely = [
            plan for plan in ((known,) if known else (planned, last)) if _fits(spec, seen, plan, per_epoch)
        ]
        others = (plan for plan in range(last, _MOST_EPOCHS) if _fits(spec, seen, plan, per_epoch))
        if spec.lr_schedule == "constant" and len(set(likely)) > 1 and spec.lr_warmup * last < 1:
            certain = False
        chosen = next(iter(likely), None) or next(others, None)
        certain = certain and chosen is not None
        planned = chosen or planned
        if found and found[0].planned == planned:  # resumed
            found.pop(0)
        found.insert(0, Session(first, planned))
    return tuple(found), certain


def _fits(spec: RunSpec, logged: dict[int, float], planned: int, per_epoch: int) -> bool:
    """Whether a plan of so many epochs gives the rates of these epochs' last steps."""
    return all(
        math.isclose(
            rate,
            spec.lr
            * share_of_rate(
                epoch * per_epoch - 1, planned * per_epoch, spec.lr_schedule, spec.lr_warmup, spec.lr_end
            ),
            rel_tol=1e-5,
            abs_tol=1e-7 * spec.lr,
        )
        for epoch, rate in logged.items()
    )


LOSSES = ("train_loss", "validation_loss")


@dataclass(frozen=True, slots=True)
class Recipe:
    record: RunRecord
    dataset: DatasetRef
    course: Course
    input_name: str  # of the file the user brought
    container: str  # h5ad, 10x or demo
    genes: tuple[str, ...]  # the selected ones by name; empty where all genes were trained on
    gene_positions: tuple[int, ...]  # instead of names, where names repeat
    lost_cells: bool  # the selection of genes left cells without counts
    split: Split | None  # only where the rule does not give it
    expected: dict[str, tuple[int, float]]  # loss: epoch, value
    first_cell: tuple[float, ...]  # its latent coordinates
    threads: int | None
    doublets: tuple[
        int, ...
    ] = ()  # cells removed by their doublet score: places in the file that was brought

    @property
    def engine(self) -> str:
        """As executed: a fused run may have fallen back."""
        return self.record.environment.get("engine", self.record.spec.engine)

    @property
    def precision(self) -> str:
        return precision_of(self.record)

    @property
    def device(self) -> str:
        return self.record.device.split(":")[0] or "cpu"


def gather(run: Run) -> Recipe:
    assert run.model  # a run without one says so
    record, dataset = run.record, run.trained_on
    split, course = run.split, course_of(run)
    if split is None or course is None:
        raise Conflict(
            "The record of the cells this run was trained on is no longer on disk, so no script can be written. "
            "Train it again with the same settings."
        )
    names, positions = _selected(dataset)
    latent = np.load(run.latent, mmap_mode="r", allow_pickle=False)
    return Recipe(
        record=record,
        dataset=dataset,
        course=course,
        input_name=run.source.name if run.source else dataset.name,
        container=_container(run.source),
        genes=names,
        gene_positions=positions,
        lost_cells=find_notice(dataset.notices, "selection_emptied_cells") is not None,
        split=None if _follows_rule(record.spec.seed, split) else split,
        expected=_last_losses(run.points),
        first_cell=tuple(float(value) for value in latent[0]),
        threads=run.threads,
        doublets=_doublets(dataset),
    )


def _doublets(dataset: DatasetRef) -> tuple[int, ...]:
    if dataset.prepare.max_doublet_score is None:
        return ()
    import h5py

    with h5py.File(dataset.path, "r") as file:
        return tuple(file["uns/scvi_studio/doublets"][()].tolist())


def _follows_rule(seed: int, split: Split) -> bool:
    train, validation, rest = split
    order = np.concatenate([validation, train, rest])
    return np.array_equal(order, np.random.RandomState(seed).permutation(len(order)))


def _last_losses(points: Sequence[MetricPoint]) -> dict[str, tuple[int, float]]:
    last = {point.name: point for point in points if point.name in LOSSES}
    return {name: (last[name].epoch, last[name].value) for name in LOSSES if name in last}


def _container(source: SourceRef | None) -> str:
    if source is None:
        return "h5ad"
    if source.origin == "demo":
        return "demo"
    return "10x" if Path(source.path).suffix in (".h5", ".hdf5") and not _has_cells(source.path) else "h5ad"


def _has_cells(path: str) -> bool:
    import h5py

    try:
        with h5py.File(path, "r", locking="best-effort") as file:
            return "obs" in file
    except OSError:  # it was moved away since
        return False


def _selected(dataset: DatasetRef) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The selected genes by name, or by position where names repeat."""
    if not dataset.prepare.n_top_genes:
        return (), ()
    names = _gene_names(dataset.path)
    if len(set(names)) == len(names):
        everything = _gene_names(dataset.full_path) if dataset.full_path else names
        if len(set(everything)) == len(everything):
            return tuple(names), ()
    if not dataset.full_path or dataset.full_path == dataset.path:
        raise Conflict(
            "Several genes of this data set share a name, and the table of all genes is gone, so that the "
            "selected ones cannot be written down. Prepare the data set again."
        )
    return (), _positions(dataset)


def _gene_names(path: str) -> list[str]:
    import h5py
    from anndata.io import read_elem

    with h5py.File(path, "r") as file:
        return [str(name) for name in read_elem(file["var"]).index]


def _positions(dataset: DatasetRef) -> tuple[int, ...]:
    """Where the selected genes stand among all: in the same order, told apart by name, cells and counts."""
    everything, wanted = _signatures(dataset.full_path), _signatures(dataset.path)
    found: list[int] = []
    place = iter(enumerate(everything))
    for gene in wanted:
        at = next((number for number, other in place if other == gene), None)
        if at is None:
            raise Conflict("The prepared data set does not fit the one with all genes. Prepare it again.")
        found.append(at)
    return tuple(found)


def _signatures(path: str) -> list[tuple[Any, ...]]:
    import h5py

    names = _gene_names(path)
    with h5py.File(path, "r") as file:
        indices, data = file["X/indices"][()], file["X/data"][()]
    cells = np.bincount(indices, minlength=len(names))
    totals = np.bincount(indices, weights=data, minlength=len(names))
    return list(zip(names, cells.tolist(), totals.tolist(), strict=True))
