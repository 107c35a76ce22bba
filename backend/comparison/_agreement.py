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
from ..words import percent

Whole = npt.NDArray[np.integer[Any]]
ALIKE, SIMILAR = 0.8, 0.5  # adjusted Rand index
UNCHANGED = 0.02  # of the share of neighbours with the same label, or of the mixing


def agree(
    found: Mapping[str, AnalysisResult],
    names: Mapping[str, str],
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
        chance_label=base.facts.get("chance_label"),
        label=label,
        batch=batch,
        verdict=tuple(
            _sentence(run, next(r for r in runs if r.run_id == reference), names)
            for run in runs
            if run.run_id != reference
        ),
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


def _sentence(run: RunBiology, base: RunBiology, names: Mapping[str, str]) -> str:
    name, other = names[run.run_id], names[base.run_id]
    if run.same_clusters >= ALIKE:
        text = f"{name} finds much the same clusters as {other}"
    elif run.same_clusters >= SIMILAR:
        text = f"{name} finds clusters similar to those of {other}, with different boundaries"
    else:
        text = f"{name} groups the cells differently from {other}"
    text += f" (adjusted Rand index {run.same_clusters:.2f}, {percent(run.shared_neighbours, 0)} of neighbours shared)."
    for what, mine, theirs in (
        ("Cells with the same label cluster together", run.same_label, base.same_label),
        ("Batches are mixed", run.mixing, base.mixing),
    ):
        if mine is not None and theirs is not None:
            how = (
                "as much as"
                if abs(mine - theirs) <= UNCHANGED
                else "more than"
                if mine > theirs
                else "less than"
            )
            text += f" {what} {how} in {other}."
    return text
