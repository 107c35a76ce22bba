"""Look through a file that was brought in and report what it holds, in words a biologist can use.

    report = inspect_source(ref, on_progress)     # -> DatasetReport

Changes nothing. A file that cannot be read at all raises ``BadFile``; anything wrong inside a readable
file becomes a ``Problem`` of the report.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import BadFile
from ..types import DatasetReport, Histogram, MatrixVerdict, SourceRef
from ._adviser import advise, batch_key
from ._container import check_container, legacy_genomes
from ._matrices import Stored, as_unreadable, find_matrices, open_h5
from ._problems import Findings, find_problems, recommend
from ._scan import Progress, Scan, scan_counts
from ._species import guess_species
from ._tables import read_tables, storable
from ._verdict import choose, judge, unreadable


def inspect_source(ref: SourceRef, on_progress: Progress) -> DatasetReport:
    """Judge every matrix of the file, choose the counts, advise on batches and name the problems.

    Raises
    ------
    BadFile
        The file, or its table of cells or genes, cannot be read.
    """
    on_progress(0.0, "opening the file")
    container = check_container(ref.path)
    with open_h5(ref.path) as h5:
        tables = read_tables(h5, container, "X")
        found = find_matrices(h5, container)
        verdicts, scans, advice = _judge_all(found, on_progress)
        choice = choose(verdicts, scans)
        if choice.counts == "raw/X":
            tables.var = read_tables(h5, container, "raw/X").var
        on_progress(0.95, "looking at the table of cells")
        obs, renamed = storable(tables.obs)
        columns = advise(obs)
        chosen = next((stored for stored in found if stored.where == choice.counts), None)
        findings = Findings(
            obs=tables.obs,
            var=tables.var,
            verdicts=verdicts,
            scans=scans,
            advice=advice,
            choice=choice,
            columns=columns,
            batch_key=batch_key(columns),
            n_other_features=int((~chosen.keep).sum())
            if chosen is not None and chosen.keep is not None
            else 0,
            n_other_genomes=len(legacy_genomes(h5)) - 1 if container == "10x" and "matrix" not in h5 else 0,
            skipped=tables.skipped,
            notices=tables.notices,
            renamed=renamed,
        )
    on_progress(1.0, "done")
    return _report(ref, findings)


def _report(ref: SourceRef, found: Findings) -> DatasetReport:
    seen = found.chosen
    n_obs, n_vars = len(found.obs), len(found.var)
    return DatasetReport(
        source_id=ref.source_id,
        n_obs=n_obs,
        n_vars=n_vars,
        matrices=tuple(found.verdicts),
        counts=found.choice.counts,
        density=seen.nnz / max(1, n_obs * n_vars) if seen else 0.0,
        counts_per_cell=histogram(seen.cell_sums) if seen else None,
        genes_per_cell=histogram(seen.cell_genes) if seen else None,
        columns=found.columns,
        batch_key=found.batch_key,
        problems=find_problems(found),
        species=guess_species(found.var),
        genes_in_few_cells=found.n_rare,
        empty_cells=found.n_empty,
        recommended=recommend(found),
    )


def histogram(values: npt.NDArray[Any], bins: int = 40) -> Histogram | None:
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


def _judge_all(
    found: list[Stored], on_progress: Progress
) -> tuple[list[MatrixVerdict], dict[str, Scan], dict[str, str]]:
    """Verdicts on all, what was seen of those that can be read, and what to do about the others."""
    verdicts, scans, broken = [], {}, []
    total = max(1, sum(stored.n_stored for stored in found))
    before = 0
    for stored in found:
        if stored.trouble:
            broken.append(stored)
            verdicts.append(unreadable(stored))
            continue
        start, share = before / total, stored.n_stored / total

        def progress(fraction: float, phase: str, start: float = start, share: float = share) -> None:
            on_progress(0.95 * (start + fraction * share), phase)

        before += stored.n_stored
        try:
            stored, seen = scan_counts(stored, progress)
            verdict = judge(stored, seen)
        except BadFile as error:  # costs this matrix, not the others
            broken.append(as_unreadable(stored, error))
            verdicts.append(unreadable(broken[-1]))
            continue
        scans[stored.where] = seen
        verdicts.append(verdict)
    return verdicts, scans, {stored.where: stored.advice for stored in broken}
