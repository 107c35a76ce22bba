"""Did the faster setting change the biology? The measures on cells whose answer is known, and the jobs behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from backend.analysis import AnalysisResult
from backend.comparison import Comparer
from backend.comparison._agreement import adjusted_rand, agree, shared
from backend.errors import BadInput, NotFound
from backend.types import DatasetRef, PrepareSpec, RunRecord, RunStatus
from backend.words import agreement_sentences
from tests.analysis.room import RUN, Room
from tests.analysis.small_run import lay_out
from tests.comparison.made_runs import made

GROUPS = np.repeat([0, 1, 2], 60)


def latent(spread: float = 0.3, seed: int = 0) -> np.ndarray:
    """Three groups of cells, well apart."""
    centres = np.array([[0, 0, 0], [8, 0, 0], [0, 8, 0]], float)
    noise = np.random.default_rng(seed).normal(0, spread, (len(GROUPS), 3))
    return (centres[GROUPS] + noise).astype(np.float32)


Measure = Callable[..., AnalysisResult]


@pytest.fixture
def measured(tmp_path: Path) -> Iterator[Measure]:
    """The agreement of cells at these places, as the analysis measures it."""
    rooms = []

    def measure(points: np.ndarray, **options: Any) -> AnalysisResult:
        room = Room(tmp_path / str(len(rooms)))
        rooms.append(room)
        room.put_latent(points)
        path = room.run_dir / "cells.h5ad"
        obs = pd.DataFrame(
            {"type": np.array(["T", "B", "NK"])[GROUPS], "donor": ["a", "b"] * (len(GROUPS) // 2)},
            index=[f"c{i}" for i in range(len(GROUPS))],
        )
        anndata.AnnData(X=sparse.csr_matrix(np.ones((len(obs), 3), np.float32)), obs=obs).write_h5ad(path)
        lay_out(path)
        room.datasets.ref = DatasetRef("d1", "s1", "cells", str(path), len(obs), 3, 3, PrepareSpec())
        room.analyses.request(RUN, "agreement", **options)
        found = room.analyses.result(RUN, "agreement", **options)
        assert found is not None
        return found

    yield measure
    for room in rooms:
        room.close()


def test_groups_that_are_apart_have_pure_neighbours_and_mixed_batches(measured: Measure) -> None:
    facts = measured(latent(), label="type", batch="donor").facts
    assert facts["same_label"] == 1.0
    assert facts["silhouette"] > 0.8
    assert facts["mixing"] > 0.9
    assert facts["chance_label"] == pytest.approx(0.33, abs=0.01)


def test_a_run_agrees_with_itself_and_less_with_another(measured: Measure) -> None:
    one, other, noise = measured(latent()), measured(latent(seed=1)), measured(latent(spread=30.0, seed=2))
    found = agree({"a": one, "b": other, "c": noise}, reference="a")
    itself, fast, broken = found.runs
    assert (itself.same_clusters, itself.shared_neighbours) == (1.0, 1.0)
    assert 0.1 < fast.shared_neighbours < 1
    assert broken.same_clusters < 0.2
    assert found.chance_neighbours == pytest.approx(15 / 179)
    said = agreement_sentences(found, {"a": "slow", "b": "fast", "c": "broken"})
    assert len(said) == 2
    assert said[1].startswith("broken groups the cells differently from slow (")


def test_labels_and_batches_are_said_beside_the_clusters(measured: Measure) -> None:
    runs = {name: measured(latent(seed=seed), label="type", batch="donor") for seed, name in enumerate("ab")}
    found = agree(runs, reference="a", label="type", batch="donor")
    (said,) = agreement_sentences(found, {"a": "slow", "b": "fast"})
    assert "Cells with the same label cluster together as much as in slow." in said


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


def test_the_same_cells_are_chosen_for_every_run(measured: Measure) -> None:
    one, other = (measured(latent(seed=seed), n_cells=100).array("cells") for seed in (0, 1))
    assert len(np.unique(one)) == 100
    assert (one == other).all()
    assert (measured(latent()).array("cells") == np.arange(len(GROUPS))).all()


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
    def __init__(self, results: dict[str, AnalysisResult]) -> None:
        self.results, self.asked = results, []  # type: ignore[var-annotated]

    def request(self, run_id: str, kind: str, **options: Any) -> tuple[str, str]:
        self.asked.append((run_id, kind, options))
        return run_id, kind

    def result(self, run_id: str, kind: str, **options: Any) -> AnalysisResult | None:
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


def test_agreement_is_there_when_all_runs_are_measured(measured: Measure) -> None:
    results = {"a": measured(latent())}
    comparer = Comparer(Registry(*RECORDS), Analyses(results))  # type: ignore[arg-type]
    assert comparer.agreement(["a", "b"]) is None
    assert comparer.measurable(["a", "b"]) == ["a"]
    results["b"] = measured(latent(seed=1))
    found = comparer.agreement(["a", "b"], reference="b")
    assert found is not None
    assert found.reference == "b"
    assert [run.run_id for run in found.runs] == ["a", "b"]


def test_a_run_at_work_is_not_looked_at(measured: Measure) -> None:
    registry = Registry(RECORDS[0], RECORDS[1].replace(status=RunStatus.RUNNING))
    results = {name: measured(latent()) for name in "ab"}
    assert Comparer(registry, Analyses(results)).measurable(["a", "b"]) == ["a"]  # type: ignore[arg-type]
