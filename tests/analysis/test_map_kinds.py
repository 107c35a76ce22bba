"""Neighbours, map, clusters, mixing: right on cells whose groups are known."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from backend.analysis import _graph, _leiden, _mixing
from backend.analysis._graph import graph_matrix, neighbour_graph
from backend.errors import BadInput
from backend.types import DatasetRef, JobState
from tests.analysis.room import RUN, Room, three_groups
from tests.analysis.small_run import N, SmallRun, on_copy, train_small


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Room]:
    room = Room(tmp_path, monkeypatch)
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


@pytest.mark.parametrize("dimensions", [4, 20])
def test_neighbours_are_the_nearest_ones_and_oneself_first(dimensions: int) -> None:
    points = np.random.default_rng(1).normal(size=(120, dimensions)).astype(np.float32)
    graph = neighbour_graph(points, 10)
    distance = np.linalg.norm(points[:, None] - points[None], axis=-1)
    assert (graph["indices"][:, 0] == np.arange(120)).all()
    np.testing.assert_allclose(graph["distances"], np.sort(distance, axis=1)[:, :10], atol=1e-3)


def test_cells_that_are_the_same_point_are_no_trouble() -> None:
    points = np.repeat(three_groups(30)[0], 4, axis=0)
    graph = neighbour_graph(points, 3)
    assert (graph["indices"][:, 0] == np.arange(120)).all()
    assert all(len(set(row)) == 3 for row in graph["indices"].tolist())


def test_the_graph_is_the_one_scanpy_makes() -> None:
    import anndata
    import scanpy

    points, _ = three_groups(200)
    adata = anndata.AnnData(obsm={"X": points})
    scanpy.pp.neighbors(adata, n_neighbors=15, use_rep="X")
    graph = neighbour_graph(points, 15)
    ours = sparse.csr_matrix((graph["graph_data"], graph["graph_indices"], graph["graph_indptr"]), (200, 200))
    assert abs(ours - adata.obsp["connectivities"]).max() < 1e-3


def test_too_few_cells_and_broken_numbers_are_refused_in_a_sentence() -> None:
    with pytest.raises(BadInput, match="at least 10 cells"):
        neighbour_graph(np.ones((5, 3), np.float32), 15)
    with pytest.raises(BadInput, match="no place"):
        neighbour_graph(np.full((50, 3), np.nan, np.float32), 15)


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


def test_a_new_resolution_takes_the_neighbours_that_are_there(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    room.analyses.request(RUN, "leiden", resolution=0.1)
    monkeypatch.setattr(_graph, "neighbour_graph", None)
    room.analyses.request(RUN, "leiden", resolution=3.0)
    fine = room.analyses.result(RUN, "leiden", resolution=3.0)
    assert fine is not None
    assert fine.facts["n_clusters"] > 3


def test_clusters_agree_with_those_of_scanpy() -> None:
    import anndata
    import scanpy
    from sklearn.metrics import adjusted_rand_score

    points, _ = three_groups(300)
    adata = anndata.AnnData(obsm={"X": points})
    scanpy.pp.neighbors(adata, n_neighbors=15, use_rep="X")
    scanpy.tl.leiden(adata, 0.5, flavor="igraph", n_iterations=2, directed=False, random_state=0)
    ours = _leiden.clusters(adata.obsp["connectivities"], 0.5)
    assert adjusted_rand_score(adata.obs["leiden"], ours) > 0.9


def test_the_map_keeps_groups_together_and_is_the_same_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    maps = []
    for folder in ("one", "two"):
        room = Room(tmp_path / folder, monkeypatch)
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


def test_mixing_numbers_are_those_of_cases_known_beforehand() -> None:
    rng = np.random.default_rng(0)
    codes = np.repeat([0, 1], 500).astype(np.int32)
    mixed = rng.integers(0, 1000, (1000, 16))
    apart = np.where(
        codes[:, None] == 0, rng.integers(0, 500, (1000, 16)), rng.integers(500, 1000, (1000, 16))
    )
    assert _mixing.same_share(apart, codes) == 1.0
    assert _mixing.same_share(mixed, codes) == pytest.approx(0.5, abs=0.02)
    some = np.where(rng.random(1000) < 0.5, -1, codes)
    assert _mixing.same_share(mixed, some) == pytest.approx(0.5, abs=0.03)
    assert _mixing.chance(codes) == pytest.approx(0.4995, abs=1e-4)
    assert _mixing.mixing_entropy(apart, codes) == 0.0
    assert _mixing.mixing_entropy(mixed, codes) == pytest.approx(1.0, abs=0.02)


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
    assert "no column" in problem.message


def test_expression_of_any_gene_is_what_the_model_says(small: SmallRun) -> None:
    import torch

    from backend.analysis._decoded import expected
    from backend.analysis._model import load_model, release_model
    from backend.datasets import open_prepared

    result = small.done("decoded")
    adata = open_prepared(small.ref)
    model = load_model(small.registry.get(small.run_id), small.run_dir, adata, 1)
    z = torch.from_numpy(np.load(small.run_dir / "latent.npy"))
    with torch.inference_mode():
        model.module.eval()
        library = torch.zeros(len(z), 1)
        wanted = model.module.generative(z, library, torch.zeros(len(z), 1))["px"].scale.numpy() * 1e4
    release_model(model)
    for gene in (0, 7, 59):
        np.testing.assert_allclose(expected(result, gene), wanted[:, gene], rtol=1e-3)


def test_the_work_is_the_same_in_a_process_of_its_own(room: Room) -> None:
    here = room.analyses.request(RUN, "leiden")
    inside = room.analyses.result(RUN, "leiden")
    assert inside is not None
    labels = np.array(inside.array("labels"))
    room.analyses._children = True
    room.put_latent(three_groups()[0], seconds=3_000_000)
    apart = room.analyses.request(RUN, "leiden")
    assert apart.job_id == here.job_id
    assert room.analyses.get(apart.job_id).state is JobState.DONE, room.analyses.get(apart.job_id).problem
    again = room.analyses.result(RUN, "leiden")
    assert again is not None
    assert np.array_equal(again.array("labels"), labels)


def test_what_a_process_of_its_own_finds_wrong_is_told(room: Room) -> None:
    room.analyses._children = True
    room.put_latent(np.ones((4, 3), np.float32))
    job = room.analyses.get(room.analyses.request(RUN, "neighbours").job_id)
    assert job.problem is not None
    assert "at least 10 cells" in job.problem.message


def test_a_process_of_its_own_is_ended_when_canceled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    room = Room(tmp_path, monkeypatch, "thread")
    room.analyses._children = True
    gate = threading.Event()
    from backend.analysis import _analyses

    real = _analyses.run_in_child

    def told(*args: object) -> None:
        gate.set()
        real(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(_analyses, "run_in_child", told)
    job = room.analyses.request(RUN, "umap")
    assert gate.wait(20)
    room.analyses.cancel(job.job_id)
    assert room.settled(job).state is JobState.CANCELED
    assert room.analyses.result(RUN, "umap") is None
    room.close()


def test_graph_comes_back_from_disk_as_it_was(room: Room) -> None:
    room.analyses.request(RUN, "neighbours")
    found = room.analyses.result(RUN, "neighbours")
    graph = graph_matrix(found)
    assert graph.shape == (90, 90)
    assert abs(graph - graph.T).max() < 1e-6
