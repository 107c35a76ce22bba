"""Genes that tell groups apart: found where they were planted, whoever the group is, and never a name trusted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backend.analysis import KINDS, _differential
from backend.analysis._markers import best
from backend.datasets import open_prepared
from backend.errors import BadInput
from backend.types import DatasetRef, JobState
from tests.analysis.small_run import MARKERS, NASTY, N, SmallRun, on_copy, train_small

KIND = {"by": "column", "name": "kind"}
ODD = "odd <b>$x$</b>"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, DatasetRef]:
    return train_small(tmp_path_factory.mktemp("small"))


@pytest.fixture
def small(trained: tuple[Path, DatasetRef], tmp_path: Path) -> Iterator[SmallRun]:
    run = on_copy(trained, tmp_path)
    yield run
    run.registry.close()


def top(result: Any, n: int) -> set[str]:
    up = result.array("lfc_median") > 0
    return set(result.array("gene")[up][:n].tolist())


@pytest.mark.parametrize("level", list(MARKERS))
def test_the_markers_of_a_level_are_the_genes_that_were_planted(small: SmallRun, level: str) -> None:
    result = small.done("markers", groups=KIND, one=[level])
    planted = {NASTY if i == 0 else f"gene{i}" for i in MARKERS[level]}
    assert top(result, 6) == planted
    assert result.facts["n_one"] == N // 3
    assert result.facts["n_other"] == 2 * N // 3
    assert (np.diff(result.array("proba_de")) <= 0).all(), "the surest come first"
    assert set(result.array("significant").tolist()) <= {0.0, 1.0}


def test_raw_means_and_fractions_are_those_of_all_cells(small: SmallRun) -> None:
    result = small.done("markers", groups=KIND, one=["T"], other=["B"])
    adata = open_prepared(small.ref)
    dense = adata.X.toarray()
    at = {name: i for i, name in enumerate(adata.var_names)}
    genes = [at[name] for name in result.array("gene").tolist()]
    for which, kind in (("1", "T"), ("2", "B")):
        cells = dense[(adata.obs["kind"] == kind).to_numpy()][:, genes]
        np.testing.assert_allclose(result.array(f"raw_mean{which}"), cells.mean(axis=0), rtol=1e-5)
        np.testing.assert_allclose(result.array(f"fraction{which}"), (cells > 0).mean(axis=0), rtol=1e-5)
    assert top(result, 6) == {NASTY, *(f"gene{i}" for i in range(1, 6))}


def test_effects_turn_their_sign_with_the_sides(small: SmallRun) -> None:
    there, back = (
        small.done("markers", groups=KIND, one=[a], other=[b]) for a, b in (("T", "B"), ("B", "T"))
    )
    effects = [
        dict(zip(r.array("gene").tolist(), r.array("lfc_median").tolist(), strict=True))
        for r in (there, back)
    ]
    strong = [gene for gene, effect in effects[0].items() if abs(effect) > 1.5]
    assert len(strong) >= 10
    for gene in strong:
        assert effects[0][gene] == pytest.approx(-effects[1][gene], abs=0.5)


def test_it_is_what_scvi_tools_says_of_the_same_cells(small: SmallRun) -> None:
    import scvi
    import torch

    result = small.done("markers", groups=KIND, one=["B"])
    adata = open_prepared(small.ref)
    model = scvi.model.SCVI.load(str(small.run_dir / "model"), adata=adata, accelerator="cpu")
    torch.manual_seed(1)
    np.random.seed(1)
    theirs = model.differential_expression(
        groupby="kind", group1="B", mode="change", delta=0.25, silent=True, n_samples_overall=2000
    )
    ours = dict(zip(result.array("gene").tolist(), result.array("lfc_mean").tolist(), strict=True))
    expected = theirs["lfc_mean"].to_dict()
    assert np.corrcoef([ours[g] for g in expected], list(expected.values()))[0, 1] > 0.99
    model.deregister_manager(adata)


def test_chosen_cells_are_compared_with_all_others(small: SmallRun) -> None:
    cells = np.arange(N // 3)  # the file's order: all T
    name = small.analyses.keep_cells(small.run_id, cells)
    assert name == small.analyses.keep_cells(small.run_id, cells[::-1])
    result = small.done("markers", groups={"by": "cells", "name": name}, one=["selected cells"])
    assert result.facts["n_one"] == N // 3
    assert top(result, 6) == {NASTY, *(f"gene{i}" for i in range(1, 6))}
    with pytest.raises(BadInput, match="Select some"):
        small.analyses.keep_cells(small.run_id, np.array([], dtype=int))


def test_several_clusters_are_one_side_whatever_they_are_called(small: SmallRun) -> None:
    clustering = small.put_clusters(np.repeat([0, 1, 2], [N // 3, N // 2, N // 6])).options
    groups = {"by": "clusters", "clustering": clustering}
    result = small.done("markers", groups=groups, one=["0", "2"])
    assert (result.facts["n_one"], result.facts["n_other"]) == (N // 2, N // 2)


def test_merged_clusters_are_one_row(small: SmallRun) -> None:
    clustering = small.put_clusters(np.repeat([0, 1, 2], N // 3)).options
    groups = {"by": "clusters", "clustering": clustering, "members": [[0, 2], [1]]}
    result = small.done("top_genes", groups=groups, per_group=3)
    assert result.facts["groups"] == ["0", "1"]
    assert result.facts["sizes"] == [2 * N // 3, N // 3]


def test_cells_without_a_value_are_on_neither_side(small: SmallRun) -> None:
    job = small.analyses.request(
        small.run_id, "markers", groups={"by": "column", "name": "some"}, one=["yes"]
    )
    job = small.analyses.get(job.job_id)
    assert job.state is JobState.FAILED
    assert job.problem is not None
    assert "second group has 0 cells" in job.problem.message


@pytest.mark.parametrize(
    ("groups", "one", "sentence"),
    [
        ({"by": "column", "name": "gone"}, ["T"], "no such column"),
        (KIND, ["gone"], "no group 'gone'"),
        ({"by": "cells", "name": "../../etc"}, ["selected cells"], "no longer known"),
    ],
)
def test_what_is_not_there_any_more_is_said(
    small: SmallRun, groups: Any, one: list[str], sentence: str
) -> None:
    job = small.analyses.request(small.run_id, "markers", groups=groups, one=one)
    problem = small.analyses.get(job.job_id).problem
    assert problem is not None
    assert sentence in problem.message


def test_it_can_be_canceled_between_minibatches(small: SmallRun) -> None:
    seen: list[float] = []

    def perform(context: Any, options: Any, progress: Any) -> Any:
        def tell(done: float, phase: str) -> None:
            if "sampling" in phase:
                seen.append(done)
                small.analyses.cancel(small.jobs.list()[0].job_id)
            progress(done, phase)

        return KINDS["markers"].perform(context, options, tell)

    small.kinds["markers"] = replace(KINDS["markers"], perform=perform)
    job = small.analyses.request(small.run_id, "markers", groups=KIND, one=["T"])
    assert small.analyses.get(job.job_id).state is JobState.CANCELED
    assert seen == [0.1]
    assert small.analyses.result(small.run_id, "markers", groups=KIND, one=["T"]) is None


def test_every_group_gets_its_own_genes(small: SmallRun) -> None:
    result = small.done("top_genes", groups=KIND, per_group=3)
    genes, of = result.array("gene").tolist(), result.array("of").tolist()
    names = result.facts["groups"]
    for gene, code in zip(genes, of, strict=True):
        number = 0 if gene == NASTY else int(gene[4:])
        assert number in MARKERS[names[result.facts["codes"].index(code)]]
    assert len(genes) == 9
    fraction, mean = result.array("fraction"), result.array("mean")
    assert fraction.shape == mean.shape == (3, 9)
    for column, code in enumerate(of):
        row = result.facts["codes"].index(code)
        assert mean[row, column] == mean[:, column].max()
    adata = open_prepared(small.ref)
    cells = (adata.obs["kind"] == names[0]).to_numpy()
    first = list(adata.var_names).index(genes[0])
    assert fraction[0, 0] == pytest.approx((adata.X[cells][:, [first]].toarray() > 0).mean())


def test_the_best_genes_are_higher_sure_and_seen() -> None:
    lfc = np.array([5.0, 3.0, 2.0, -4.0, 1.0])
    sure = np.array([1.0, 0.99, 0.95, 1.0, 0.5])
    seen = np.array([0.01, 0.5, 0.9, 0.9, 0.9])
    assert best(lfc, sure, seen, 2) == [2, 1]
    assert best(lfc, sure, seen, 3) == [1, 2, 4], "where sure ones are too few, the surest"


def test_the_sample_of_cells_keeps_memory_in_bounds() -> None:
    assert _differential.n_samples(2_000) == 2000
    assert _differential.n_samples(20_000) == 1500
    assert _differential.n_samples(60_000_000) == 200
