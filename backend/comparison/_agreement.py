"""Do runs on the same cells tell the same biology? Clusters, neighbours, labels and batches, against one of them.

agree(found, reference="a")     # found: run id -> the result of the analysis "agreement"
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ..analysis import AnalysisResult
from ..types import Agreement, RunBiology

Whole = npt.NDArray[np.integer[Any]]


def agree(
    found: Mapping[str, AnalysisResult],
    *,
    reference: str,
    label: str = "",
    batch: str = "",
) -> Agreement:
    base = found[reference]
    clusters, neighbours = base.array("clusters"), np.asarray(base.array("neighbours"))
    runs = tuple(
        RunBiology(
            run_id,
            n_clusters=result.facts["n_clusters"],
            same_clusters=adjusted_rand(np.asarray(clusters), np.asarray(result.array("clusters"))),
            shared_neighbours=shared(neighbours, np.asarray(result.array("neighbours"))),
            same_label=result.facts.get("same_label"),
            silhouette=result.facts.get("silhouette"),
            mixing=result.facts.get("mixing"),
        )
        for run_id, result in found.items()
    )
    n = len(neighbours)
    return Agreement(
        reference,
        runs,
        n_cells=n,
        chance_neighbours=neighbours.shape[1] / max(1, n - 1),
        label=label,
        batch=batch,
    )


def adjusted_rand(one: Whole, other: Whole) -> float:
    """Agreement of two clusterings, a number for each cell (Hubert and Arabie 1985): 1 the same, 0 as by chance."""
    table = np.zeros((int(one.max()) + 1, int(other.max()) + 1), np.int64)
    np.add.at(table, (one, other), 1)

    def pairs(counts: Whole) -> float:
        return float((counts * (counts - 1) / 2).sum())

    together, first, second = pairs(table), pairs(table.sum(axis=1)), pairs(table.sum(axis=0))
    expected = first * second / max(1.0, pairs(np.array([table.sum()])))
    most = (first + second) / 2
    return 1.0 if most == expected else (together - expected) / (most - expected)


def shared(one: Whole, other: Whole) -> float:
    """Of neighbours (cells x k). Mean share of a row's entries that the other's row has as well."""
    both = np.sort(np.concatenate([one, other], axis=1), axis=1)
    return float((both[:, 1:] == both[:, :-1]).sum() / one.size)
