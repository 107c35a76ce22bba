"""What it takes to repeat a run with plain scvi-tools: every fact the script and the notebook are written from.

    recipe = gather(run)

Reads what the run left behind, not what was asked for: the split, the epochs done, the last losses. Refuses
with ``Conflict`` what is needed and gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import Conflict
from ..types import DatasetRef, MetricPoint, RunRecord, SourceRef, find_notice
from ._course import Course, course_of
from ._export import Run, Split

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

    @property
    def engine(self) -> str:
        """As executed: a fused run may have fallen back."""
        return self.record.environment.get("engine", self.record.spec.engine)

    @property
    def device(self) -> str:
        return self.record.device.split(":")[0] or "cpu"


def gather(run: Run) -> Recipe:
    assert run.model  # a run without one says so
    record, dataset = run.record, run.trained_on
    split, course = run.split, course_of(run)
    if split is None or course is None:
        raise Conflict(
            "It is not on disk any more which cells this run was trained on, so it cannot be written down as "
            "a script. Train it again with the same settings."
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
    )


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
