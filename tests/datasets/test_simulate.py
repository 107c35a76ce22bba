"""Simulated sets: the size asked for, realistic, the same again for the same seed, and written in chunks."""

from __future__ import annotations

from pathlib import Path

import anndata
import h5py
import numpy as np
import pytest

from backend.datasets import _simulate
from backend.datasets._simulate import SimulationSpec, write_simulated
from backend.errors import BadInput


def silent(fraction: float | None, phase: str) -> None:
    pass


def simulated(folder: Path, **changes: float) -> anndata.AnnData:
    spec = SimulationSpec(**{"n_obs": 1_500, "n_vars": 600, "density": 0.1, **changes})  # type: ignore[arg-type]
    path = folder / f"{abs(hash(spec))}.h5ad"
    write_simulated(spec, path, silent)
    return anndata.read_h5ad(path)


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> anndata.AnnData:
    return simulated(tmp_path_factory.mktemp("simulated"))


def test_shape_density_and_labels_are_as_asked(cells: anndata.AnnData) -> None:
    assert cells.shape == (1_500, 600)
    assert cells.X.nnz / (1_500 * 600) == pytest.approx(0.1, rel=0.1)
    assert cells.obs["cell_type"].nunique() == 8
    assert cells.obs["batch"].nunique() == 2
    assert cells.obs_names.is_unique
    assert cells.var_names.is_unique
    assert cells.uns["simulated"]


def test_values_are_counts_in_a_proper_sparse_matrix(cells: anndata.AnnData) -> None:
    assert np.array_equal(cells.X.data, np.rint(cells.X.data))
    assert cells.X.data.min() >= 1
    assert cells.X.indices.dtype == np.int32
    cells.X.check_format(full_check=True)
    assert cells.X.has_canonical_format


def test_no_cell_is_empty_even_when_almost_nothing_is_seen(tmp_path: Path) -> None:
    sparse = simulated(tmp_path, n_obs=3_000, n_vars=30, density=0.01)
    assert np.asarray(sparse.X.sum(axis=1)).min() >= 1
    sparse.X.check_format(full_check=True)
    assert sparse.X.has_canonical_format


def test_the_same_seed_gives_the_same_cells_and_another_one_does_not(
    cells: anndata.AnnData, tmp_path: Path
) -> None:
    assert (simulated(tmp_path).X != cells.X).nnz == 0
    assert (simulated(tmp_path, seed=1).X != cells.X).nnz > 0


def test_types_and_batches_differ_in_their_genes(cells: anndata.AnnData) -> None:
    share = cells.X.toarray() / np.asarray(cells.X.sum(axis=1))
    for column, least in (("cell_type", 0.3), ("batch", 0.05)):
        groups = [
            share[(cells.obs[column] == level).to_numpy()].mean(axis=0)
            for level in cells.obs[column].unique()
        ]
        common = share.mean(axis=0) > 1e-3
        distance = np.abs(np.log((groups[0][common] + 1e-5) / (groups[1][common] + 1e-5)))
        assert np.median(distance) > least / 2
        assert distance.max() > least


def test_the_drawn_numbers_are_negative_binomial() -> None:
    n, mu, r = 40_000, 3.0, 1.5
    spec = SimulationSpec(n, 10, n_batches=1, n_types=1)
    plan = _simulate._Plan(
        types=np.zeros(n, np.intp),
        batches=np.zeros(n, np.intp),
        library=np.ones(n, np.float32),
        profile=np.full((1, 10), mu / r, np.float32),
        r=np.full(10, r, np.float32),
    )
    where, count = _simulate._draw(spec, plan, slice(0, n), np.random.default_rng(0))
    values = np.zeros(n * 10)
    values[where] = count
    assert values.mean() == pytest.approx(mu, rel=0.01)
    assert values.var() == pytest.approx(mu + mu**2 / r, rel=0.02)
    assert (values == 0).mean() == pytest.approx((1 + mu / r) ** -r, rel=0.01)
    assert (values == 1).mean() == pytest.approx((1 + mu / r) ** -r * mu / (1 + mu / r), rel=0.02)


def test_chunks_are_written_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    largest = []
    draw = _simulate._draw

    def watched(spec: SimulationSpec, plan: _simulate._Plan, cells: slice, rng: np.random.Generator):  # type: ignore[no-untyped-def]
        largest.append((cells.stop - cells.start) * spec.n_vars)
        return draw(spec, plan, cells, rng)

    monkeypatch.setattr(_simulate, "_CHUNK_ENTRIES", 10_000)
    monkeypatch.setattr(_simulate, "_draw", watched)
    phases = []
    write_simulated(
        SimulationSpec(500, 200), tmp_path / "a.h5ad", lambda fraction, phase: phases.append(fraction)
    )
    assert len(largest) == 10
    assert max(largest) <= 10_000
    assert phases == sorted(phases)
    assert phases[-1] == 1.0
    with h5py.File(tmp_path / "a.h5ad") as file:
        assert len(file["X/data"]) == file["X/indptr"][-1]


@pytest.mark.parametrize(
    "changes",
    [{"n_obs": 1}, {"n_vars": 0}, {"density": 0.0}, {"density": 0.9}, {"n_batches": 0}, {"seed": -1}],
)
def test_impossible_numbers_are_refused(changes: dict[str, float]) -> None:
    with pytest.raises(BadInput, match="must be between"):
        SimulationSpec(**{"n_obs": 100, "n_vars": 100, **changes}).check()  # type: ignore[arg-type]


def test_the_name_says_that_it_is_simulated() -> None:
    assert SimulationSpec(20_000, 20_000).name == "Simulated 20,000 cells x 20,000 genes"
    assert "Simulated, not measured" in SimulationSpec(100, 100).note
