"""Is the design of an experiment sound? What can be told apart by its batches, conditions, donors and cell types.

    report = check_design(obs, choice, source_id)         # DesignReport: crossed tables, and what follows from them

Two columns are inseparable where the design matrix of both lacks rank: their levels fall into groups that share no
level of the other (connected components of the crossed table). The strength of an association is Cramér's V.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.sparse import csgraph, csr_matrix

from ..columns import Column, Role, read_column, role_of
from ..errors import BadInput
from ..storage import read_json, write_json
from ..types import Crossed, DesignChoice, DesignReport, Problem, SourceRef
from ..words import counted, listed, plural
from ._container import check_container
from ._matrices import open_h5
from ._scan import Progress
from ._tables import read_tables, storable

MOST_LEVELS = 1_000
FEW_CELLS = 20  # of a combination, from which hardly anything follows
STRONG, MODERATE = 0.8, 0.5  # Cramér's V
REPLICATES = 3  # donors of a condition, below which a test between conditions means little
ONE_TYPE = 0.95  # share of a batch's cells in one cell type, from which it holds one only
_NAMED = 5  # levels that a sentence names
DESIGN = "design.json"

Table = npt.NDArray[np.int64]


def design_of_source(ref: SourceRef, choice: DesignChoice, folder: Path, on_progress: Progress) -> None:
    """Check the cell table of a file and write the report into ``folder``."""
    on_progress(0.1, "reading the table of cells")
    container = check_container(ref.path)
    with open_h5(ref.path) as h5:
        obs, _ = storable(read_tables(h5, container, "X").obs)
    on_progress(0.7, "crossing the columns")
    write_json(folder / DESIGN, check_design(obs, choice, ref.source_id).to_dict())


def read_design(folder: Path) -> DesignReport | None:
    data = read_json(folder / DESIGN)
    try:
        return DesignReport.from_dict(data) if data else None
    except (KeyError, TypeError, ValueError):  # written by another version
        return None


def check_design(obs: pd.DataFrame, choice: DesignChoice, source_id: str) -> DesignReport:
    """Raises ``BadInput`` for a column that is not there or tells no groups apart."""
    named = {role: name for role, name in choice.to_dict().items() if name}
    if len(set(named.values())) < len(named):
        raise BadInput("Each part of the design needs a column of its own: two of them are the same.")
    columns = {role: _groups(obs, name) for role, name in named.items()}
    pairs = [
        ("batch", "condition"),
        ("donor", "condition"),
        ("batch", "label"),
        ("condition", "label"),
        ("donor", "batch"),
    ]
    crossed = {
        (one, other): _cross(columns[one], columns[other])
        for one, other in pairs
        if one in columns and other in columns
    }
    findings = [*_separable(crossed), *_replicates(columns, crossed), *_labels(crossed), *_sizes(crossed)]
    order = {"error": 0, "warning": 1, "info": 2}
    findings.sort(key=lambda one: order[one.severity])
    return DesignReport(source_id, choice, len(obs), tuple(crossed.values()), tuple(findings))


def _groups(obs: pd.DataFrame, name: str) -> Column:
    if name not in obs:
        there = ", ".join(map(str, obs.columns)) or "none"
        raise BadInput(f"There is no column {name!r} in the cell table. Available columns: {there}.")
    column = read_column(obs[name], name)
    if column.kind == "continuous":
        raise BadInput(f"The column {name} holds numbers on a scale, not groups. Choose a column of groups.")
    if not 0 < column.n_levels <= MOST_LEVELS:
        raise BadInput(
            f"The column {name} has {counted(column.n_levels, 'level')}; a design has between 1 and {MOST_LEVELS:,}."
        )
    return column


def _cross(one: Column, other: Column) -> Crossed:
    both = (one.codes >= 0) & (other.codes >= 0)
    table = np.zeros((len(one.levels), len(other.levels)), np.int64)
    np.add.at(table, (one.codes[both], other.codes[both]), 1)
    rows, columns = table.sum(axis=1) > 0, table.sum(axis=0) > 0
    table = table[rows][:, columns]
    return Crossed(
        one.name,
        other.name,
        tuple(level for level, there in zip(one.levels, rows, strict=True) if there),
        tuple(level for level, there in zip(other.levels, columns, strict=True) if there),
        tuple(tuple(row) for row in table.tolist()),
        int((~both).sum()),
        cramers_v(table),
        int((table == 0).sum()),
        max(0, len(_components(table)) - 1),
    )


def cramers_v(table: Table) -> float | None:
    """Cramér (1946), without correction; 0 where nothing is shared, 1 where one column tells the other."""
    if min(table.shape, default=0) < 2:
        return None
    n = table.sum()
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / n
    chi_squared = float(((table - expected) ** 2 / expected).sum())
    return float(np.sqrt(chi_squared / (n * (min(table.shape) - 1))))


def _components(table: Table) -> list[npt.NDArray[np.intp]]:
    """The columns of each group of rows and columns that share no cell with another group."""
    n_rows, n_columns = table.shape
    if not table.size:
        return []
    rows, columns = np.nonzero(table)
    size = n_rows + n_columns
    graph = csr_matrix((np.ones(len(rows)), (rows, n_rows + columns)), shape=(size, size))
    _, labels = csgraph.connected_components(graph, directed=False)
    of_columns = labels[n_rows:]
    return [np.flatnonzero(of_columns == group) for group in np.unique(of_columns)]


def _separable(crossed: dict[tuple[str, str], Crossed]) -> Iterator[Problem]:
    """Can one column be corrected for without removing the other?"""
    for (role, other_role), pair in crossed.items():
        if (role, other_role) not in (("batch", "condition"), ("donor", "condition"), ("batch", "label")):
            continue
        n_others = len(pair.other_levels)
        if n_others < 2:
            if other_role == "condition":
                yield Problem(
                    "one_condition",
                    "error",
                    f"All cells have the same {pair.other}: there is nothing to compare.",
                )
            continue
        if len(pair.one_levels) < 2:
            yield Problem(
                "one_batch", "info", f"All cells have the same {pair.one}: there is nothing to correct for."
            )
            continue
        table = np.array(pair.cells)
        groups = _components(table)
        strength = f"Cramér's V {pair.cramers_v:.2f}"
        if pair.deficiency == n_others - 1:
            usual = (
                " That is usual for donors: take them as replicates, not as batch." if role == "donor" else ""
            )
            yield Problem(
                f"{role}_{other_role}_inseparable",
                "warning" if usual else "error",
                f"{pair.one} and {pair.other} are inseparable here: correcting for {pair.one} removes {pair.other}. "
                f"No {pair.one} holds more than one {pair.other}, so a difference between levels of {pair.other} may "
                f"as well be one between levels of {pair.one} ({strength}).{usual}",
            )
        elif pair.deficiency:
            told = "; ".join(_some([pair.other_levels[i] for i in group]) for group in groups)
            yield Problem(
                f"{role}_{other_role}_partly",
                "warning",
                f"{pair.other} can be compared only within these groups of levels, which share no {pair.one} with "
                f"each other: {told}. Between the groups, correcting for "
                f"{pair.one} removes the difference ({strength}).",
            )
        elif pair.cramers_v is not None and pair.cramers_v >= MODERATE:
            yield Problem(
                f"{role}_{other_role}_unbalanced",
                "warning",
                f"{pair.one} and {pair.other} {'nearly coincide' if pair.cramers_v >= STRONG else 'go together'} "
                f"({strength}, {counted(pair.n_empty, 'empty combination')}): correcting for {pair.one} removes part "
                f"of the difference between levels of {pair.other}.",
            )
        else:
            yield Problem(
                f"{role}_{other_role}_separable",
                "info",
                f"{pair.one} and {pair.other} can be told apart ({strength}): after correcting for {pair.one}, what "
                f"differs between levels of {pair.other} remains.",
            )


def _replicates(columns: dict[str, Column], crossed: dict[tuple[str, str], Crossed]) -> Iterator[Problem]:
    """How many independent replicates each condition has: donors, else batches."""
    pair = crossed.get(("donor", "condition")) or crossed[("batch", "condition")]
    if len(pair.other_levels) < 2:
        return
    of_each = (np.array(pair.cells) > 0).sum(axis=0)
    single = [level for level, n in zip(pair.other_levels, of_each, strict=True) if n < 2]
    few = [level for level, n in zip(pair.other_levels, of_each, strict=True) if 2 <= n < REPLICATES]
    if single:
        yield Problem(
            "no_replicates",
            "error",
            f"One {pair.one} only in {_some(single)} of {pair.other}: what differs there may be that {pair.one}, and "
            "no test across cells can say otherwise.",
        )
    if few:
        yield Problem(
            "few_replicates",
            "warning",
            f"Fewer than {REPLICATES} levels of {pair.one} in {_some(few)} of {pair.other}: only very large "
            "differences can be told from those between replicates.",
        )
    if not single and not few:
        yield Problem(
            "replicated",
            "info",
            f"Every {pair.other} has {int(of_each.min()):,} or more levels of {pair.one}: differences can be tested "
            f"with {pair.one} as the replicate.",
        )
    if "donor" not in columns and role_of(pair.one) is not Role.DONOR:
        yield Problem(
            "no_donor",
            "info",
            f"No donor column was given, so each {pair.one} counts as a replicate. Name the donors where several "
            f"were pooled in one {pair.one}.",
        )


def _labels(crossed: dict[tuple[str, str], Crossed]) -> Iterator[Problem]:
    """Batches of one cell type, and cell types that a condition lacks."""
    if pair := crossed.get(("batch", "label")):
        table = np.array(pair.cells)
        alone = table.max(axis=1, initial=0) >= ONE_TYPE * table.sum(axis=1)
        if alone.any() and len(pair.other_levels) > 1:
            names = [level for level, one in zip(pair.one_levels, alone, strict=True) if one]
            hold, their = plural(len(names), "holds", "hold"), plural(len(names), "its", "their")
            yield Problem(
                "one_type_batches",
                "warning",
                f"{_some(names)} of {pair.one} {hold} one {pair.other} only ({ONE_TYPE:.0%} of {their} cells or "
                f"more): {their} batch effect cannot be told from that {pair.other}, and cells may be mixed wrongly.",
            )
    if pair := crossed.get(("condition", "label")):
        table = np.array(pair.cells)
        lacking = (table == 0).any(axis=0)
        if lacking.any() and len(pair.one_levels) > 1:
            names = [level for level, one in zip(pair.other_levels, lacking, strict=True) if one]
            yield Problem(
                "types_missing",
                "info",
                f"{_some(names)} of {pair.other} {plural(len(names), 'is', 'are')} missing in some level of "
                f"{pair.one}: there, {pair.one} can be compared by the share of cells only, not by expression.",
            )


def _sizes(crossed: dict[tuple[str, str], Crossed]) -> Iterator[Problem]:
    pair = crossed[("batch", "condition")]
    table = np.array(pair.cells)
    few = int(((table > 0) & (table < FEW_CELLS)).sum())
    if few:
        have = plural(few, "has", "have")
        yield Problem(
            "few_cells",
            "warning",
            f"{counted(few, 'combination')} of {pair.one} and {pair.other} {have} fewer than {FEW_CELLS} cells: too "
            "few to learn anything of them alone.",
        )
    if pair.n_missing:
        have = plural(pair.n_missing, "has", "have")
        yield Problem(
            "design_missing",
            "warning",
            f"{counted(pair.n_missing, 'cell')} {have} no {pair.one} or no {pair.other} and "
            f"{plural(pair.n_missing, 'is', 'are')} left out of this check.",
        )


def _some(names: Sequence[str]) -> str:
    shown = list(names[:_NAMED])
    return listed([*shown, f"{len(names) - _NAMED:,} more"] if len(names) > _NAMED else shown)
