"""What was found out about a run, in words for its report: can it be trusted, and which clusters are there?

    section = trust_section(curves, latest_of)      # what training itself tells is always there
    table = clusters_table(found, latest_of)                # None without clusters

``latest_of(kind)`` gives the newest result of an analysis or None; nothing is computed here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..charts import judge_gap, judge_plateau, judge_predictive, judge_reencoding
from ..types import Curves
from ..words import percent
from ._explored import Explored
from ._report_page import Section, Table

LatestOf = Callable[[str], Any]
_TOP = 5  # genes of a cluster


def trust_section(curves: Curves, latest_of: LatestOf) -> Section:
    answers = {
        "Is training finished?": judge_plateau(curves),
        "Does it hold for new cells?": judge_gap(curves),
    }
    if (seen := latest_of("predictive")) is not None:
        answers["Does it make counts like the real ones?"] = judge_predictive(
            (seen.array("zeros_observed"), seen.array("zeros_simulated")),
            seen.array("mean_observed"),
            (seen.array("variance_observed"), seen.array("variance_simulated")),
        )
    if (seen := latest_of("reencode")) is not None:
        answers["Is the latent space reproducible?"] = judge_reencoding(
            seen.facts["largest"], float(seen.facts["spread"]), str(seen.facts["device"])
        )
    rows = tuple(
        (question, said.verdict, f"{said.seen} {said.advice}".strip()) for question, said in answers.items()
    )
    return Section(
        "Can it be trusted?",
        _labels(latest_of),
        tables=(Table(("Question", "Verdict", "What was seen"), rows),),
    )


def _labels(latest_of: LatestOf) -> tuple[str, ...]:
    seen = latest_of("known_labels")
    if seen is None:
        return ()
    facts, options = seen.facts, seen.options
    return (
        f"Held against the labels of the column “{options['label']}”: the {facts['n_clusters']:,} clusters at a "
        f"resolution of {options['resolution']:g} agree with them by an adjusted Rand index of {facts['ari']:.2f} (1 "
        f"is the same, 0 is chance), and {percent(facts['same_label'])} of a cell's 15 nearest neighbours have its "
        f"label ({percent(facts['chance_label'], 0)} by chance).",
    )


def clusters_table(found: Explored, latest_of: LatestOf) -> Table | None:
    """Clusters by name with their number of cells and, where they were asked for, the genes that mark them."""
    if found.clusters is None:
        return None
    sizes = np.bincount(found.clusters)
    names = found.names or tuple(f"Cluster {number + 1}" for number in range(len(sizes)))
    members: dict[str, list[int]] = {}
    for number, name in enumerate(names):
        members.setdefault(name, []).append(number)
    genes = _genes(latest_of("top_genes"), found)
    rows = []
    for name, numbers in members.items():
        cells = int(sizes[numbers].sum())
        row = (name, f"{cells:,}", percent(cells / len(found.clusters), 1))
        rows.append((*row, ", ".join(genes.get(tuple(numbers), ()))) if genes else row)
    heads = ("Cluster", "Cells", "Share", *(("Genes that mark it",) if genes else ()))
    return Table(heads, tuple(rows), caption="The clusters")


def _genes(result: Any, found: Explored) -> dict[tuple[int, ...], list[str]]:
    """Of each set of clusters, its first genes; nothing where they are of another clustering."""
    groups = {} if result is None else result.options["groups"]
    if groups.get("by") != "clusters" or groups.get("clustering") != found.cluster_options:
        return {}
    genes: dict[tuple[int, ...], list[str]] = {}
    for gene, code in zip(result.array("gene").tolist(), result.array("of").tolist(), strict=True):
        members = groups["members"][code] if groups.get("members") else [code]
        of = genes.setdefault(tuple(members), [])
        if len(of) < _TOP:
            of.append(gene)
    return genes
