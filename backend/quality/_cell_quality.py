"""What is measured of each cell, and which sample it is of."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class CellQuality:
    """Sums for C cells, over the genes of the file; whole numbers where the matrix holds counts."""

    counts: Floats  # (C,) total counts
    genes: npt.NDArray[np.int64]  # (C,) genes with a count
    mt: Floats  # (C,) counts in mitochondrial genes
    ribo: Floats  # (C,) in genes of ribosomal proteins
    hb: Floats  # (C,) in haemoglobin genes

    @property
    def pct_mt(self) -> Floats:
        """(C,) per cent of a cell's counts, as scanpy's ``pct_counts_mt``; 0 of a cell without counts."""
        return self._percent(self.mt)

    @property
    def pct_ribo(self) -> Floats:
        return self._percent(self.ribo)

    @property
    def pct_hb(self) -> Floats:
        return self._percent(self.hb)

    @property
    def complexity(self) -> Floats:
        """(C,) log10(genes) / log10(counts): near 1 where most counts are of different genes; 0 below two counts."""
        many = self.counts > 1
        shares = np.zeros(len(self.counts))
        shares[many] = np.log10(np.maximum(self.genes[many], 1)) / np.log10(self.counts[many])
        return shares

    def arrays(self) -> dict[str, npt.NDArray[np.float64]]:
        return {one.name: getattr(self, one.name) for one in fields(self)}

    def _percent(self, part: Floats) -> Floats:
        return 100 * part / np.maximum(self.counts, 1e-300)


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Which sample each of C cells is of. Cells without a value are a sample of their own, the last."""

    codes: npt.NDArray[np.int64]  # (C,)
    names: tuple[str, ...]

    @classmethod
    def one(cls, n_cells: int) -> Samples:
        return cls(np.zeros(n_cells, np.int64), ("all cells",))


@dataclass(frozen=True, slots=True, eq=False)
class Doublets:
    """Scrublet's scores of C cells; NaN of cells in samples too small to be scored."""

    scores: npt.NDArray[np.float64]  # (C,) 0 to 1
    thresholds: dict[str, float | None]  # sample: Scrublet's own threshold, None where it found none
    unscored: tuple[str, ...] = ()  # samples with too few cells
    note: str = ""  # why there are no thresholds
