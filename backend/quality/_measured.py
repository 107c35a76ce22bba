"""What was measured of a source's cells, as it is kept beside the source."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..errors import BadInput
from ..types import QualityReport
from ._cell_quality import CellQuality, Samples


@dataclass(frozen=True, slots=True, eq=False)
class Quality:
    """What was measured of a source's cells."""

    report: QualityReport
    cells: CellQuality
    codes: dict[str, Samples]  # of each column that may tell samples apart

    def samples(self, column: str | None) -> Samples:
        """Raises ``BadInput`` for a column that tells no samples apart."""
        if column is None:
            return Samples.one(len(self.cells.counts))
        if column not in self.codes:
            raise BadInput(_no_samples(column, self.codes))
        return self.codes[column]

    def rare_genes(self, fewest: int) -> int | None:
        """How many genes are detected in fewer cells; None where that was not kept."""
        numbers = self.report.genes_by_cells
        return sum(numbers[:fewest]) if fewest < len(numbers) else None


def _no_samples(column: str, others: Iterable[str]) -> str:
    there = f"Columns that do: {', '.join(others)}." if others else "No column of this file does."
    return f"The column {column} does not tell samples apart. {there}"
