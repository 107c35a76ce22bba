"""Which of several matrices holds the counts to train on, and why that one.

    choice = choose(verdicts, scans)     # .counts, .reason, .rivals

Whole numbers come before count-like values, a layer called "counts" before ``X``, ``X`` before ``.raw``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..types import MatrixVerdict
from ._scan import Scan

COUNT_NAMES = ("counts", "raw_counts", "counts_raw", "rawcounts", "raw", "count", "umi", "umis", "umi_counts")
PART_NAMES = ("spliced", "unspliced", "ambiguous", "binary", "intronic", "exonic")


@dataclass(frozen=True, slots=True)
class Choice:
    counts: str | None
    same: tuple[str, ...] = ()  # matrices with the very same content
    rivals: tuple[str, ...] = ()  # other matrices of counts, with other content


def choose(verdicts: list[MatrixVerdict], scans: dict[str, Scan]) -> Choice:
    """Pick the matrix to train on; ``Choice(None)`` where none can be."""
    usable = sorted((verdict for verdict in verdicts if verdict.usable), key=_rank)
    if not usable:
        return Choice(None)
    best = usable[0]
    others = [verdict for verdict in usable[1:] if verdict.verdict == best.verdict]
    same = tuple(other.where for other in others if same_content(scans[best.where], scans[other.where]))
    rivals = tuple(other.where for other in others if other.where not in same)
    return Choice(best.where, same, rivals)


def same_content(one: Scan, other: Scan) -> bool:
    """Whether two matrices agree in every total per cell and per gene, which differing counts do not."""
    return (
        (one.n_obs, one.n_vars, one.nnz) == (other.n_obs, other.n_vars, other.nnz)
        and np.array_equal(one.cell_sums, other.cell_sums)
        and np.array_equal(one.gene_sums, other.gene_sums)
    )


def _rank(verdict: MatrixVerdict) -> tuple[bool, int, int]:
    layer = verdict.where.removeprefix("layers/").lower()
    if verdict.where == "X":
        place = 20
    elif verdict.where == "raw/X":
        place = 30
    elif layer in COUNT_NAMES:
        place = COUNT_NAMES.index(layer)
    else:
        place = 50 if layer in PART_NAMES else 40
    return verdict.verdict != "counts", place, -verdict.n_vars
