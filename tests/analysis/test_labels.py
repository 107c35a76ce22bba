"""Names of clusters: given, merged, taken back, kept with the run, and gone with the clusters they were for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from backend.analysis import AnalysisResult, ClusterNames
from backend.errors import BadInput, Conflict

OPTIONS = {"n_neighbors": 15, "resolution": 1.0}


class Clusters(ClusterNames):
    """Four clusters, without an analysis behind them."""

    def __init__(self, runs_dir: Path) -> None:
        super().__init__(runs_dir, self.clustering)
        self.stamp = "first"
        self.there = True

    def clustering(self, run_id: str, options: Mapping[str, Any]) -> AnalysisResult | None:
        if not self.there:
            return None
        return AnalysisResult(Path("/nowhere"), "leiden", dict(options), {"n_clusters": 4}, self.stamp)


@pytest.fixture
def clusters(tmp_path: Path) -> Clusters:
    return Clusters(tmp_path)


def names(clusters: Clusters) -> tuple[str, ...]:
    labels = clusters.of("r", OPTIONS)
    assert labels is not None
    return labels.names


def test_clusters_have_plain_names_until_somebody_gives_them_others(clusters: Clusters) -> None:
    assert names(clusters) == ("Cluster 1", "Cluster 2", "Cluster 3", "Cluster 4")
    assert clusters.of("r") is None, "nothing was named"
    clusters.rename("r", OPTIONS, 1, "  B\u202e cells\n")
    assert names(clusters)[1] == "B  cells"
    labels = clusters.of("r")
    assert labels is not None
    assert labels.options == OPTIONS
    assert labels.of([1, 0, 1]) == ["B  cells", "Cluster 1", "B  cells"]


def test_two_groups_of_one_name_are_merged_and_renamed_together(clusters: Clusters) -> None:
    clusters.merge("r", OPTIONS, ["Cluster 1", "Cluster 3"], "T")
    labels = clusters.rename("r", OPTIONS, 2, "T cells")
    assert labels.names == ("T cells", "Cluster 2", "T cells", "Cluster 4")
    assert labels.groups == {"T cells": (0, 2), "Cluster 2": (1,), "Cluster 4": (3,)}


def test_all_clusters_are_named_at_once_without_merging_on_the_way(clusters: Clusters) -> None:
    """One by one, the first would have been merged with the one whose plain name it takes."""
    given = ("Cluster 2", "T cells", "Cluster 1", "T cells")
    labels = clusters.give("r", OPTIONS, given)
    assert labels.names == given
    assert labels.groups == {"Cluster 2": (0,), "T cells": (1, 3), "Cluster 1": (2,)}


def test_every_change_can_be_taken_back_one_by_one(clusters: Clusters) -> None:
    clusters.rename("r", OPTIONS, 0, "A")
    clusters.rename("r", OPTIONS, 0, "A")  # changes nothing, so there is nothing to take back
    clusters.merge("r", OPTIONS, ["A", "Cluster 2"], "AB")
    clusters.reset("r", OPTIONS)
    assert clusters.undo("r", OPTIONS).names[:2] == ("AB", "AB")
    assert clusters.undo("r", OPTIONS).names[:2] == ("A", "Cluster 2")
    labels = clusters.undo("r", OPTIONS)
    assert labels.names[0] == "Cluster 1"
    assert not labels.can_undo
    assert clusters.undo("r", OPTIONS).names[0] == "Cluster 1", "once more harms nothing"


def test_each_clustering_has_its_own_names_and_the_last_named_counts(clusters: Clusters) -> None:
    finer = {**OPTIONS, "resolution": 2.0}
    clusters.rename("r", OPTIONS, 0, "coarse")
    clusters.rename("r", finer, 0, "fine")
    assert names(clusters)[0] == "coarse"
    labels = clusters.of("r")
    assert labels is not None
    assert labels.names[0] == "fine"


def test_names_are_for_the_clusters_they_were_given_to(clusters: Clusters) -> None:
    clusters.rename("r", OPTIONS, 0, "mine")
    clusters.stamp = "trained further"
    assert names(clusters)[0] == "Cluster 1"
    assert clusters.of("r") is None
    clusters.there = False
    assert clusters.of("r", OPTIONS) is None
    with pytest.raises(Conflict, match="Find clusters again"):
        clusters.rename("r", OPTIONS, 0, "mine")


@pytest.mark.parametrize("name", ["", " \n ", "x" * 81])
def test_a_name_is_some_letters(clusters: Clusters, name: str) -> None:
    with pytest.raises(BadInput):
        clusters.rename("r", OPTIONS, 0, name)
    with pytest.raises(BadInput, match="two or more"):
        clusters.merge("r", OPTIONS, ["Cluster 1"], "x")


def test_a_file_that_cannot_be_read_is_no_names(clusters: Clusters, tmp_path: Path) -> None:
    path = tmp_path / "r" / "analysis" / "labels.json"
    clusters.rename("r", OPTIONS, 0, "mine")
    assert json.loads(path.read_text())[0]["past"][-1][0] == "mine"
    path.write_text("[{}")
    assert names(clusters)[0] == "Cluster 1"
