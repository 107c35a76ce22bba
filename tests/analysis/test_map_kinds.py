"""Neighbours, map, clusters, mixing: right on cells whose groups are known."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.spatial import cKDTree

from backend.analysis import AnalysisResult, Cells
from backend.datasets import open_prepared
from backend.types import DatasetRef, Groups, JobState, PrepareSpec
from tests.analysis.room import RUN, Room, three_groups
from tests.analysis.small_run import NASTY, N, OneDataset, SmallRun, lay_out, on_copy, train_small


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    room = Room(tmp_path)
    yield room
    room.close()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, DatasetRef]:
    return train_small(tmp_path_factory.mktemp("small"))


@pytest.fixture
def small(trained: tuple[Path, DatasetRef], tmp_path: Path) -> Iterator[SmallRun]:
    run = on_copy(trained, tmp_path)
    yield run
    run.registry.close()


def done(room: Room, kind: str, points: np.ndarray | None = None, **options: object) -> AnalysisResult:
    """The result of an analysis of ``points`` that must end well."""
    if points is not None:
        room.put_latent(points.astype(np.float32))
    job = room.analyses.get(room.analyses.request(RUN, kind, **options).job_id)
    assert job.state is JobState.DONE, job.problem
    found = room.analyses.result(RUN, kind, **options)
    assert found is not None
    return found


def weights(neighbours: AnalysisResult) -> sparse.csr_matrix:
    data, indices, indptr = (neighbours.array(f"graph_{name}") for name in ("data", "indices", "indptr"))
    return sparse.csr_matrix((data, indices, indptr), (len(indptr) - 1, len(indptr) - 1))


@pytest.mark.parametrize("dimensions", [4, 20])
def test_neighbours_are_the_nearest_ones_and_oneself_first(room: Room, dimensions: int) -> None:
    points = np.random.default_rng(1).normal(size=(120, dimensions)).astype(np.float32)
    found = done(room, "neighbours", points, n_neighbors=10)
    distance = np.linalg.norm(points[:, None] - points[None], axis=-1)
    assert (found.array("indices")[:, 0] == np.arange(120)).all()
    np.testing.assert_allclose(found.array("distances"), np.sort(distance, axis=1)[:, :10], atol=1e-3)
    assert found.facts["n_others"] == 9


def test_cells_that_are_the_same_point_are_no_trouble(room: Room) -> None:
    indices = done(room, "neighbours", np.repeat(three_groups(30)[0], 4, axis=0), n_neighbors=3).array(
        "indices"
    )
    assert (indices[:, 0] == np.arange(120)).all()
    assert all(len(set(row)) == 3 for row in indices.tolist())


def test_the_proposed_resolution_is_that_of_the_groups_there_are(room: Room) -> None:
    points, kind = three_groups(60)
    found = done(room, "resolution", points)
    facts = found.facts
    assert facts["resolution"] < 1.0  # which splits the groups
    chosen = facts["resolutions"].index(facts["resolution"])
    assert facts["silhouettes"][chosen] == max(facts["silhouettes"])
    labels = done(room, "leiden", resolution=facts["resolution"]).array("labels")
    assert len(np.unique(labels)) == len(np.unique(kind)) == facts["n_clusters"][chosen]


def test_cells_without_groups_get_a_resolution_too(room: Room) -> None:
    points = np.random.default_rng(0).normal(size=(12, 3))
    assert done(room, "resolution", points).facts["resolution"] in (0.2, 0.3, 0.4, 0.6, 0.8, 1.0)


def test_the_graph_is_the_one_scanpy_makes(room: Room) -> None:
    import anndata
    import scanpy

    points, _ = three_groups(200)
    adata = anndata.AnnData(obsm={"X": points})
    scanpy.pp.neighbors(adata, n_neighbors=15, use_rep="X")
    ours = weights(done(room, "neighbours", points))
    assert abs(ours - adata.obsp["connectivities"]).max() < 1e-5
    assert abs(ours - ours.T).max() < 1e-6


@pytest.mark.parametrize(
    ("points", "said"),
    [(np.ones((5, 3)), "at least 10 cells"), (np.full((50, 3), np.nan), "no latent representation")],
)
def test_too_few_cells_and_broken_numbers_are_refused_in_a_sentence(
    room: Room, points: np.ndarray, said: str
) -> None:
    room.put_latent(points.astype(np.float32))
    job = room.analyses.get(room.analyses.request(RUN, "neighbours").job_id)
    assert job.problem is not None
    assert job.problem.code == "bad_input"
    assert said in str(job.problem)


def test_clusters_find_the_groups_the_largest_first(room: Room) -> None:
    _, group = three_groups()
    job = room.analyses.request(RUN, "leiden", resolution=0.1)
    assert room.analyses.get(job.job_id).state is JobState.DONE
    found = room.analyses.result(RUN, "leiden", resolution=0.1)
    assert found is not None
    assert found.facts["n_clusters"] == 3
    assert found.facts["sizes"] == sorted(np.bincount(group).tolist(), reverse=True)
    labels = found.array("labels")
    for number in range(3):
        assert len(set(group[labels == number])) == 1


def test_a_new_resolution_takes_the_neighbours_that_are_there(room: Room) -> None:
    done(room, "leiden", resolution=0.1)
    neighbours = room.analyses.result(RUN, "neighbours")
    assert done(room, "leiden", resolution=3.0).facts["n_clusters"] > 3
    assert room.analyses.result(RUN, "neighbours") == neighbours


def test_clusters_agree_with_those_of_scanpy(room: Room) -> None:
    import anndata
    import scanpy
    from sklearn.metrics import adjusted_rand_score

    points, _ = three_groups(300)
    adata = anndata.AnnData(obsm={"X": points})
    scanpy.pp.neighbors(adata, n_neighbors=15, use_rep="X")
    scanpy.tl.leiden(adata, 0.5, flavor="igraph", n_iterations=2, directed=False, random_state=0)
    ours = done(room, "leiden", points, resolution=0.5).array("labels")
    assert adjusted_rand_score(adata.obs["leiden"], ours) > 0.9


@pytest.mark.parametrize("kind", ["umap", "leiden"])
def test_a_result_says_what_it_was_made_with(room: Room, kind: str) -> None:
    found = done(room, kind)
    more = {"min_dist": 0.5} if kind == "umap" else {"resolution": 1.0}
    assert found.options == {"n_neighbors": 15, **more}
    assert found.facts["n_others"] == 14, "scanpy's n_neighbors counts the cell itself"


def test_the_map_keeps_groups_together_and_is_the_same_each_time(tmp_path: Path) -> None:
    maps = []
    for folder in ("one", "two"):
        room = Room(tmp_path / folder)
        room.analyses.request(RUN, "umap")
        found = room.analyses.result(RUN, "umap")
        assert found is not None
        maps.append(np.array(found.array("xy")))
        room.close()
    assert np.array_equal(*maps)
    _, group = three_groups()
    xy = maps[0]
    middles = np.array([xy[group == g].mean(axis=0) for g in range(3)])
    own = np.linalg.norm(xy - middles[group], axis=1)
    assert all(
        (own < np.linalg.norm(xy - middles[other], axis=1))[group != other].mean() > 0.95
        for other in range(3)
    )


@pytest.mark.parametrize("min_dist", [0.0, 0.5, 1.0])
def test_the_map_keeps_what_is_near_near(room: Room, min_dist: float) -> None:
    """Cells along a curve: on the map, too, a cell is among those before and after it."""
    along = np.linspace(0, 4, 1200)
    points = np.stack([np.sin(along * (i + 1) / 3) * 5 for i in range(6)], axis=1)
    xy = np.asarray(done(room, "umap", points, min_dist=min_dist).array("xy"))
    assert np.isfinite(xy).all()
    near = cKDTree(xy).query(xy, 16)[1][:, 1:]
    assert np.mean(np.abs(along[near] - along[:, None]) < 0.15) > 0.97


def test_cells_that_are_all_one_point_get_a_map(room: Room) -> None:
    assert np.isfinite(done(room, "umap", np.ones((60, 5))).array("xy")).all()


def test_clusters_are_held_against_labels_and_cells_without_one_are_left_out(small: SmallRun) -> None:
    found = small.done("known_labels", label="kind", resolution=0.3)
    table = np.asarray(found.array("table"))
    assert set(found.facts["levels"]) == {"B", "T", "odd <b>$x$</b>"}
    assert table.sum() == N
    assert found.facts["ari"] > 0.9
    assert 0.9 < found.facts["same_label"] <= 1
    assert found.facts["chance_label"] == pytest.approx(1 / 3, abs=0.01)
    half = small.done("known_labels", label="batch", resolution=0.3)
    assert abs(half.facts["ari"]) < 0.05
    job = small.analyses.request(small.run_id, "known_labels", label="some", resolution=0.3)
    problem = small.analyses.get(job.job_id).problem
    assert problem is not None
    assert "one value" in problem.message


def mixing(folder: Path, points: np.ndarray, **columns: list[str | None]) -> dict[str, Any]:
    """Facts of cells that lie at ``points`` both without scVI and with it, of the columns ``batch`` and ``label``."""
    room = Room(folder)
    obs = pd.DataFrame(columns, index=[f"c{i}" for i in range(len(points))])
    path = folder / "cells.h5ad"
    anndata.AnnData(X=sparse.csr_matrix(np.ones((len(points), 3), np.float32)), obs=obs).write_h5ad(path)
    lay_out(path)
    room.datasets.ref = DatasetRef("d1", "s1", "cells", str(path), len(points), 3, 3, PrepareSpec())

    def without(context: Any, options: Any, progress: Any) -> dict[str, Any]:
        context.save("indices", context.result("neighbours").array("indices"))
        context.save("pcs", np.asarray(context.latent))
        return {}

    room.kinds["before"] = replace(room.kinds["before"], perform=without)
    facts = done(room, "mixing", points, **{name: name for name in columns}).facts
    room.close()
    return facts


def test_mixing_numbers_are_those_of_cases_known_beforehand(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    batch = np.repeat(["a", "b"], 300)
    place = rng.normal(size=(600, 2))
    apart = np.hstack([place, 100.0 * (batch == "a")[:, None]])
    some = np.where(rng.random(600) < 0.5, None, batch)
    facts = mixing(tmp_path / "apart", apart, batch=batch.tolist(), label=some.tolist())
    assert facts["after"] == {
        "same_batch": 1.0,
        "entropy": 0.0,
        "same_label": 1.0,
        "ilisi": 0.0,
        "clisi": 1.0,
    }
    assert (facts["n_batches"], facts["n_others"]) == (2, 14)
    assert facts["chance_batch"] == pytest.approx(299 / 599)
    facts = mixing(tmp_path / "mixed", place, batch=batch.tolist(), label=some.tolist())
    assert facts["after"]["same_batch"] == pytest.approx(0.5, abs=0.03)
    assert facts["after"]["same_label"] == pytest.approx(0.5, abs=0.05)
    assert facts["after"]["entropy"] == pytest.approx(1.0, abs=0.02)
    assert facts["after"]["ilisi"] == pytest.approx(0.95, abs=0.05), (
        "a little less, as neighbours are drawn at random"
    )
    assert facts["after"]["clisi"] == pytest.approx(0.1, abs=0.05), "half of the neighbours have no label"
    assert facts["before"] == facts["after"]


def test_before_and_after_are_compared_on_a_trained_run(small: SmallRun) -> None:
    facts = small.done("mixing", batch="batch", label="kind").facts
    assert facts["n_batches"] == 2
    assert facts["chance_label"] == pytest.approx(1 / 3, abs=0.01)
    assert facts["after"]["same_label"] > 0.9, "three kinds that differ clearly"
    assert facts["before"]["entropy"] > 0.9, "batches that are drawn at random"
    before = small.analyses.result(small.run_id, "before")
    assert before is not None
    assert before.array("xy").shape == (N, 2)


def test_a_column_that_parts_nothing_is_refused(small: SmallRun) -> None:
    job = small.analyses.request(small.run_id, "mixing", batch="no such")
    problem = small.analyses.get(job.job_id).problem
    assert problem is not None
    assert "no such column" in problem.message


def test_expression_of_any_gene_is_what_the_model_says(small: SmallRun) -> None:
    import scvi
    import torch

    small.done("decoded")
    cells = Cells(OneDataset(small.ref), small.analyses, small.registry)
    adata = open_prepared(small.ref)
    model = scvi.model.SCVI.load(str(small.run_dir / "model"), adata=adata, accelerator="cpu")
    z = torch.from_numpy(np.load(small.run_dir / "latent.npy"))
    with torch.inference_mode():
        model.module.eval()
        library = torch.zeros(len(z), 1)
        wanted = model.module.generative(z, library, torch.zeros(len(z), 1))["px"].scale.numpy() * 1e4
    model.deregister_manager(adata)
    for number, gene in ((0, NASTY), (7, "gene7"), (59, "gene59")):
        found = cells.expression(small.run_id, gene)
        assert found is not None
        np.testing.assert_allclose(found.values, np.log1p(wanted[:, number]), rtol=1e-3)


def test_quick_looks_read_the_prepared_file(small: SmallRun) -> None:
    cells = Cells(OneDataset(small.ref), small.analyses, small.registry)
    dense = open_prepared(small.ref).X.toarray()
    totals = dense.sum(axis=1)
    np.testing.assert_allclose(cells.quality("d1", "counts").values, totals)
    np.testing.assert_allclose(cells.quality("d1", "genes").values, (dense > 0).sum(axis=1))
    assert dense[0, 0] > 0, "the first value of all is one of the first gene"
    for number, gene in ((0, NASTY), (7, "gene7"), (59, "gene59")):
        logged = np.log1p(1e4 * dense[:, number] / totals)
        np.testing.assert_allclose(cells.counts("d1", gene).values, logged, rtol=1e-5)
    kinds = cells.column("d1", "kind")
    assert isinstance(kinds, Groups)
    assert kinds.counts == (N // 3,) * 3


@pytest.mark.parametrize("block", [1, 7, 64])
def test_how_much_is_read_at_once_does_not_matter(
    small: SmallRun, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr("backend.analysis._cells._BLOCK", block)
    test_quick_looks_read_the_prepared_file(small)


def test_the_work_is_the_same_in_a_process_of_its_own(tmp_path: Path) -> None:
    here, apart = Room(tmp_path / "here"), Room(tmp_path / "apart", children=True)
    labels = [np.array(done(room, "leiden").array("labels")) for room in (here, apart)]
    assert np.array_equal(*labels)
    for room in (here, apart):
        room.close()


def test_what_a_process_of_its_own_finds_wrong_is_told(tmp_path: Path) -> None:
    room = Room(tmp_path, children=True)
    room.put_latent(np.ones((4, 3), np.float32))
    job = room.analyses.get(room.analyses.request(RUN, "neighbours").job_id)
    assert job.problem is not None
    assert "at least 10 cells" in str(job.problem)
    room.close()


def test_a_process_of_its_own_is_ended_when_canceled(tmp_path: Path) -> None:
    room = Room(tmp_path, "thread", children=True)
    job = room.analyses.request(RUN, "umap")
    while "loading" not in room.analyses.get(job.job_id).phase:
        time.sleep(0.01)
    room.analyses.cancel(job.job_id)
    assert room.settled(job).state is JobState.CANCELED
    assert room.analyses.result(RUN, "umap") is None
    room.close()
