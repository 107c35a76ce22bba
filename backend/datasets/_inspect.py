"""Look through a file that was brought in and report what it holds, in words a biologist can use.

    report = inspect_source(ref, on_progress)     # -> DatasetReport

Changes nothing. A file that cannot be read at all raises ``BadFile``; anything wrong inside a readable
file becomes a ``Problem`` of the report.
"""

from __future__ import annotations

import numpy as np

from backend.datasets._container import check_container
from backend.datasets._matrices import find_matrices, open_h5
from backend.datasets._scan import Progress, scan
from backend.datasets._tables import read_tables
from backend.datasets._verdict import judge, unreadable
from backend.types import DatasetReport, Histogram, PrepareSpec, Problem, SourceRef


def inspect_source(ref: SourceRef, on_progress: Progress) -> DatasetReport:
    """Judge every matrix of the file, choose the counts, advise on batches and name the problems."""
    container = check_container(ref.path)
    with open_h5(ref.path) as h5:
        found = find_matrices(h5, container)
        verdicts, seen = [], {}
        for stored in found:
            if stored.trouble:
                verdicts.append(unreadable(stored))
                continue
            seen[stored.where] = scan(stored, on_progress)
            verdicts.append(judge(stored, seen[stored.where]))
        counts = next((verdict.where for verdict in verdicts if verdict.usable), None)
        tables = read_tables(h5, container, counts or "X")
    problems: tuple[Problem, ...] = ()
    if counts is None:
        problems = (Problem("no_counts", "error", "No matrix of this file holds raw counts."),)
    chosen = seen.get(counts or "")
    empty = int((chosen.cell_genes == 0).sum()) if chosen else 0
    return DatasetReport(
        source_id=ref.source_id,
        n_obs=len(tables.obs),
        n_vars=len(tables.var),
        matrices=tuple(verdicts),
        counts=counts,
        density=chosen.nnz / max(1, chosen.n_obs * chosen.n_vars) if chosen else 0.0,
        counts_per_cell=histogram(chosen.cell_sums) if chosen else None,
        genes_per_cell=histogram(chosen.cell_genes) if chosen else None,
        columns=(),
        batch_key=None,
        problems=problems,
        genes_in_few_cells=int((chosen.gene_cells < 3).sum()) if chosen else 0,
        empty_cells=empty,
        recommended=PrepareSpec(counts=counts or "X", drop_empty_cells=empty > 0),
    )


def histogram(values: np.ndarray, bins: int = 40) -> Histogram | None:
    """How many cells have how much, on a logarithmic axis; cells with nothing are left out."""
    values = values[values > 0]
    if not len(values):
        return None
    counts, edges = np.histogram(np.log10(values), bins=bins)
    return Histogram(
        tuple(float(edge) for edge in edges),
        tuple(int(n) for n in counts),
        float(np.median(values)),
        log10=True,
    )
