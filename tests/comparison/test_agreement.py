"""Did the faster setting change the biology? The measures on cells whose answer is known, and the jobs behind."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.spatial import cKDTree

from backend.analysis._agreement import KIND, chosen_cells, perform
from backend.comparison._agreement import adjusted_rand, agree, shared
from backend.comparison._comparer import Comparer
from backend.errors import BadInput, NotFound
from backend.types import RunRecord, RunStatus
from tests.comparison.made_runs import made

GROUPS = np.repeat([0, 1, 2], 60)


def latent(spread: float = 0.3, seed: int = 0) -> np.ndarray:
    """Three groups of cells, well apart."""
    centres = np.array([[0, 0, 0], [8, 0, 0], [0, 8, 0]], float)
    noise = np.random.default_rng(seed).normal(0, spread, (len(GROUPS), 3))
    return (centres[GROUPS] + noise).astype(np.float32)


def plain_graph(points: np.ndarray, k: int, threads: int | None = None) -> dict[str, np.ndarray]:
    """As ``neighbour_graph``, which has tests of its own, without umap and its minute of compiling."""
    _, indices = cKDTree(points).query(points, k)
    rows = np.repeat(np.arange(len(points)), k)
    graph = sparse.csr_matrix((np.ones(rows.size, np.float32), (rows, indices.ravel())))
    graph = graph.maximum(graph.T).tocsr()
    return {
        "indices": indices.astype(np.int32),
        "graph_data": graph.data,
        "graph_indices": graph.indices,
        "graph_indptr": graph.indptr,
    }


@pytest.fixture(autouse=True)
def quick_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.analysis._graph.neighbour_graph", plain_graph)


class Found:
    def __init__(self, facts: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        self.facts, self.arrays = facts, arrays

    def array(self, name: str) -> np.ndarray:
        return self.arrays[name]


def measured(points: np.ndarray, **options: Any) -> Found:
    arrays: dict[str, np.ndarray] = {}
    obs = pd.DataFrame({"type": np.array(["T", "B", "NK"])[GROUPS], "donor": ["a", "b"] * (len(GROUPS) // 2)})
    context = SimpleNamespace(
        latent=points, threads=1, save=arrays.__setitem__, adata=SimpleNamespace(obs=obs), folder=Path()
    )
    facts = perform(context, KIND.complete(options), lambda part, phase="": None)  # type: ignore[arg-type]
    return Found(facts, arrays)


def test_groups_that_are_apart_have_pure_neighbours_and_mixed_batches() -> None:
    facts = measured(latent(), label="type", batch="donor").facts
    assert facts["same_label"] == 1.0
    assert facts["silhouette"] > 0.8
    assert facts["mixing"] > 0.9
    assert facts["chance_label"] == pytest.approx(0.33, abs=0.01)


def test_a_run_agrees_with_itself_and_less_with_another() -> None:
    one, other, noise = measured(latent()), measured(latent(seed=1)), measured(latent(spread=30.0, seed=2))
    found = agree(
        {"a": one, "b": other, "c": noise}, {"a": "slow", "b": "fast", "c": "broken"}, reference="a"
    )
    itself, fast, broken = found.runs
    assert (itself.same_clusters, itself.shared_neighbours) == (1.0, 1.0)
    assert 0.1 < fast.shared_neighbours < 1
    assert broken.same_clusters < 0.2
    assert found.chance_neighbours == pytest.approx(15 / 179)
    assert len(found.verdict) == 2
    assert "groups the cells differently" in found.verdict[1]


def test_labels_and_batches_are_said_beside_the_clusters() -> None:
    runs = {name: measured(latent(seed=seed), label="type", batch="donor") for seed, name in enumerate("ab")}
    found = agree(runs, {"a": "slow", "b": "fast"}, reference="a", label="type", batch="donor")
    assert "Cells of one label lie together as much as in slow." in found.verdict[0]


@pytest.mark.parametrize(
    ("one", "other", "index"),
    [
        ([0, 0, 1, 1], [1, 1, 0, 0], 1.0),
        ([0, 0, 1, 1], [0, 1, 0, 1], -0.5),
        ([0, 0, 0, 0], [0, 0, 0, 0], 1.0),
        ([0, 0, 1, 2], [0, 0, 1, 1], 0.5714),
    ],
)
def test_adjusted_rand_index(one: list[int], other: list[int], index: float) -> None:
    assert adjusted_rand(np.array(one), np.array(other)) == pytest.approx(index, abs=1e-4)


def test_shared_neighbours_ignore_order() -> None:
    assert shared(np.array([[1, 2], [0, 2]]), np.array([[2, 1], [2, 3]])) == 0.75


def test_the_same_cells_are_chosen_for_every_run() -> None:
    chosen = chosen_cells(20_000, 5000)
    assert len(np.unique(chosen)) == 5000
    assert (chosen == chosen_cells(20_000, 5000)).all()
    assert (chosen_cells(7, 5000) == np.arange(7)).all()


class Registry:
    def __init__(self, *runs: RunRecord) -> None:
        self.runs = {run.run_id: run for run in runs}

    def get(self, run_id: str) -> RunRecord:
        if run_id not in self.runs:
            raise NotFound("gone")
        return self.runs[run_id]

    def epoch_points(self, run_id: str) -> list[Any]:
        return []


class Analyses:
    def __init__(self, results: dict[str, Found]) -> None:
        self.results, self.asked = results, []  # type: ignore[var-annotated]

    def request(self, run_id: str, kind: str, **options: Any) -> tuple[str, str]:
        self.asked.append((run_id, kind, options))
        return run_id, kind

    def result(self, run_id: str, kind: str, **options: Any) -> Found | None:
        return self.results.get(run_id)

    def stamp(self, run_id: str) -> str:
        return "x" if run_id in self.results else ""


RECORDS = (made("a", [3.0, 2.0])[0], made("b", [3.0, 2.0], engine="fused")[0])


def test_one_job_a_run_is_asked_for() -> None:
    analyses = Analyses({})
    Comparer(Registry(*RECORDS), analyses).measure_agreement(["a", "b", "a"], label="type")  # type: ignore[arg-type]
    assert [(run_id, kind) for run_id, kind, _ in analyses.asked] == [("a", "agreement"), ("b", "agreement")]
    assert analyses.asked[0][2] == {"label": "type", "batch": None}


def test_runs_on_different_data_are_refused() -> None:
    registry = Registry(RECORDS[0], made("b", [3.0, 2.0], dataset_id="lung")[0])
    with pytest.raises(BadInput, match="same data"):
        Comparer(registry, Analyses({})).measure_agreement(["a", "b"])  # type: ignore[arg-type]


def test_agreement_is_there_when_all_runs_are_measured() -> None:
    results = {"a": measured(latent())}
    comparer = Comparer(Registry(*RECORDS), Analyses(results))  # type: ignore[arg-type]
    assert comparer.agreement(["a", "b"]) is None
    assert comparer.measurable(["a", "b"]) == ["a"]
    results["b"] = measured(latent(seed=1))
    found = comparer.agreement(["a", "b"], reference="b")
    assert found is not None
    assert found.reference == "b"
    assert "stock" in found.verdict[0]


def test_a_run_at_work_is_not_looked_at() -> None:
    registry = Registry(RECORDS[0], RECORDS[1].replace(status=RunStatus.RUNNING))
    results = {name: measured(latent()) for name in "ab"}
    assert Comparer(registry, Analyses(results)).measurable(["a", "b"]) == ["a"]  # type: ignore[arg-type]
