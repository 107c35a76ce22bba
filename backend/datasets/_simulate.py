"""A simulated data set of any size, written in chunks, so that memory stays small however many cells there
are.

Counts are negative binomial with log-normal gene means and cell totals, a program of genes for each cell
type, and a batch effect on every gene. Instead of drawing all cells x genes numbers, which would take
minutes, this uses that a negative binomial is a Poisson(a) number of logarithmic-series clusters with a = r
log(1 + mu/r) (Quenouille 1949): an Exp(1) number below ``a`` says that an entry is not zero, and only those
few entries are drawn in full. This is exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..errors import BadInput
from ..jobs import OnProgress
from ..types import Message
from ..words import percent

if TYPE_CHECKING:
    import h5py

Array = npt.NDArray[np.float32]
_CHUNK_ENTRIES = 1_500_000  # cells x genes drawn at a time: small enough for the processor's cache to help
_HDF5_CHUNK = 1 << 18
_MIX = 7  # the cells looked at to find the depth that gives the density, in hundreds


@dataclass(frozen=True, slots=True)
class SimulationSpec(Message):
    """What to simulate. The same spec gives the same cells."""

    n_obs: int
    n_vars: int
    density: float = 0.08
    seed: int = 0
    n_batches: int = 2
    n_types: int = 8

    @property
    def name(self) -> str:
        extra = "" if self.density == 0.08 else f", {percent(self.density)} filled"
        extra += f", seed {self.seed}" if self.seed else ""
        return f"Simulated {self.n_obs:,} cells x {self.n_vars:,} genes{extra}"

    @property
    def note(self) -> str:
        return (
            f"Simulated, not measured: negative binomial counts with {self.n_types} cell types and "
            f"{self.n_batches} batches, {percent(self.density)} of the values above zero, seed {self.seed}."
        )

    @property
    def size_bytes(self) -> int:
        """Roughly, of the file."""
        return int(self.n_obs * self.n_vars * self.density * 8) + 200 * (self.n_obs + self.n_vars)

    def check(self) -> None:
        """Refuse numbers that make no data set."""
        limits: tuple[tuple[str, float, float, float], ...] = (
            ("number of cells", self.n_obs, 10, 5_000_000),
            ("number of genes", self.n_vars, 10, 60_000),
            ("density", self.density, 0.001, 0.5),
            ("number of batches", self.n_batches, 1, 100),
            ("number of cell types", self.n_types, 1, 100),
            ("seed", self.seed, 0, 2**32 - 1),
        )
        for what, value, low, high in limits:
            if not low <= value <= high:
                raise BadInput(f"The {what} must be between {low:,} and {high:,}, and is {value:,}.")


@dataclass(frozen=True, slots=True)
class _Plan:
    """Everything that is decided before the first count is drawn."""

    types: npt.NDArray[np.intp]  # of each cell
    batches: npt.NDArray[np.intp]
    library: Array  # expected total of each cell
    profile: Array  # (types x batches) x genes: expected share of a cell's total, divided by r
    r: Array  # inverse dispersion of each gene


def write_simulated(spec: SimulationSpec, path: Path, on_progress: OnProgress) -> dict[str, Any]:
    """Write the data set to ``path`` as h5ad and return its shape."""
    import h5py

    spec.check()
    on_progress(0.0, "planning cell types and batches")
    plan = _plan(spec)
    with h5py.File(path, "w") as file:
        nnz = _write_counts(spec, plan, file, on_progress)
        _write_tables(spec, plan, file)
    return {"n_obs": spec.n_obs, "n_vars": spec.n_vars, "nnz": nnz}


def _plan(spec: SimulationSpec) -> _Plan:
    rng = np.random.default_rng([spec.seed, 0])
    genes = rng.lognormal(0.0, 1.8, spec.n_vars)
    program = np.zeros((spec.n_types, spec.n_vars))
    for row in program:
        chosen = rng.choice(spec.n_vars, max(2, spec.n_vars // 20), replace=False)
        row[chosen] = rng.normal(1.2, 0.7, len(chosen))  # mostly more, some less
    effect = rng.normal(0.0, 0.25, (spec.n_batches, spec.n_vars))
    profile = genes * np.exp(program[:, None, :] + effect[None, :, :]).reshape(-1, spec.n_vars)
    profile /= profile.sum(axis=1, keepdims=True)
    r = np.clip(rng.lognormal(0.7, 0.8, spec.n_vars), 0.2, 20.0)

    batches = rng.integers(0, spec.n_batches, spec.n_obs)
    types = np.empty(spec.n_obs, dtype=np.intp)
    common = rng.dirichlet(np.full(spec.n_types, 4.0))
    for batch in range(spec.n_batches):  # every batch has all types, in proportions of its own
        here = batches == batch
        types[here] = rng.choice(spec.n_types, int(here.sum()), p=rng.dirichlet(common * 60 + 0.5))
    depth = rng.lognormal(0.0, 0.15, spec.n_batches)
    library = rng.lognormal(0.0, 0.45, spec.n_obs) * depth[batches]
    plan = _Plan(
        types, batches, library.astype(np.float32), (profile / r).astype(np.float32), r.astype(np.float32)
    )
    return _Plan(types, batches, plan.library * _depth_for(spec, plan), plan.profile, plan.r)


def _depth_for(spec: SimulationSpec, plan: _Plan) -> np.float32:
    """The typical total of a cell at which the wanted share of entries is above zero, by bisection."""
    some = np.linspace(0, spec.n_obs - 1, min(spec.n_obs, _MIX * 100)).astype(np.intp)
    genes = np.linspace(0, spec.n_vars - 1, min(spec.n_vars, 4_000)).astype(np.intp)
    rows = plan.types[some] * spec.n_batches + plan.batches[some]
    base = plan.profile[np.ix_(rows, genes)] * plan.library[some, None]
    low, high = 0.0, 30.0  # natural logarithm of the total
    for _ in range(40):
        middle = (low + high) / 2
        expected = 1 - np.exp(-plan.r[genes] * np.log1p(base * np.float32(np.exp(middle)))).mean()
        low, high = (middle, high) if expected < spec.density else (low, middle)
    return np.float32(np.exp(middle))


def _write_counts(spec: SimulationSpec, plan: _Plan, file: h5py.File, on_progress: OnProgress) -> int:
    group = file.create_group("X")
    group.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0"})
    group.attrs["shape"] = np.array([spec.n_obs, spec.n_vars], dtype=np.int64)
    layout = {"shape": (0,), "maxshape": (None,), "chunks": (_HDF5_CHUNK,)}
    data = group.create_dataset("data", dtype=np.float32, **layout)
    indices = group.create_dataset("indices", dtype=np.int32, **layout)
    indptr = np.zeros(spec.n_obs + 1, dtype=np.int64)
    rows = max(1, _CHUNK_ENTRIES // spec.n_vars)
    end = 0
    for chunk, first in enumerate(range(0, spec.n_obs, rows)):
        cells = slice(first, min(first + rows, spec.n_obs))
        # a generator for each chunk: the counts do not depend on how the chunks are worked through
        where, count = _draw(spec, plan, cells, np.random.default_rng([spec.seed, 1, chunk]))
        begin, end = end, end + len(count)
        data.resize((end,))
        indices.resize((end,))
        data[begin:end] = count
        indices[begin:end] = where % spec.n_vars
        per_cell = np.bincount(where // spec.n_vars, minlength=cells.stop - first)
        indptr[first + 1 : cells.stop + 1] = begin + np.cumsum(per_cell)
        on_progress(cells.stop / spec.n_obs, f"{cells.stop:,} of {spec.n_obs:,} cells")
    group.create_dataset("indptr", data=indptr.astype(np.int32) if end < 2**31 else indptr)
    return end


def _draw(
    spec: SimulationSpec, plan: _Plan, cells: slice, rng: np.random.Generator
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.float32]]:
    """Places (cell x genes + gene) and values of the non-zero counts of some cells, in order."""
    rows = plan.types[cells] * spec.n_batches + plan.batches[cells]
    ratio = plan.profile[rows]  # becomes mu / r
    ratio *= plan.library[cells, None]
    rate = np.log(ratio + np.float32(1))
    rate *= plan.r
    first = rng.standard_exponential(ratio.shape, dtype=np.float32)
    where = np.flatnonzero(first < rate)

    rate, first, ratio = rate.ravel()[where], first.ravel()[where], ratio.ravel()[where]
    clusters = 1 + rng.poisson(rate - first)
    p = ratio.astype(np.float64)
    p /= 1 + p
    count = rng.logseries(p)
    many = np.flatnonzero(clusters > 1)
    if len(many):
        more = clusters[many] - 1
        extra = rng.logseries(np.repeat(p[many], more))
        count[many] += np.add.reduceat(extra, np.cumsum(more) - more)
    return _no_empty_cells(spec, plan, cells, where, count.astype(np.float32))


def _no_empty_cells(
    spec: SimulationSpec,
    plan: _Plan,
    cells: slice,
    where: npt.NDArray[np.intp],
    count: npt.NDArray[np.float32],
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.float32]]:
    """Give a cell without any count, which a machine would never report, one of its commonest gene."""
    seen = np.bincount(where // spec.n_vars, minlength=cells.stop - cells.start)
    empty = np.flatnonzero(seen == 0)
    if not len(empty):
        return where, count
    rows = plan.types[cells][empty] * spec.n_batches + plan.batches[cells][empty]
    place = empty * spec.n_vars + (plan.profile[rows] * plan.r).argmax(axis=1)
    at = np.searchsorted(where, place)
    return np.insert(where, at, place), np.insert(count, at, np.float32(1))


def _write_tables(spec: SimulationSpec, plan: _Plan, file: h5py.File) -> None:
    import pandas as pd
    from anndata.io import write_elem

    def labels(codes: npt.NDArray[np.intp], word: str, number: int) -> pd.Categorical:
        return pd.Categorical.from_codes(codes, [f"{word} {index + 1}" for index in range(number)])

    def names(word: str, number: int) -> pd.Index:
        width = len(str(number))
        return pd.Index([f"{word}{index + 1:0{width}d}" for index in range(number)])

    obs = {
        "cell_type": labels(plan.types, "type", spec.n_types),
        "batch": labels(plan.batches, "batch", spec.n_batches),
    }
    file.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
    write_elem(file, "obs", pd.DataFrame(obs, index=names("Cell", spec.n_obs)))
    write_elem(file, "var", pd.DataFrame(index=names("SimGene", spec.n_vars)))
    write_elem(file, "uns", {"simulated": True, "source": spec.note})
