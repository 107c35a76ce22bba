"""Which genes tell of a cell's quality: mitochondrial, ribosomal and haemoglobin genes, by their names.

Names are symbols of human, mouse and other animals, or Ensembl ids of human and mouse; a genome in front of a name
("GRCh38_MT-ND1") is passed over. Where the index holds ids and a column symbols, whichever tells more is taken.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas as pd

CLASSES = {"mt": "mitochondrial", "ribo": "ribosomal", "hb": "haemoglobin"}
_GENOME = r"(?:[A-Za-z0-9.]+_+)?"
# The 13 proteins and 2 ribosomal RNAs of the mitochondrial genome.
_HUMAN_MT = (
    "198888|198763|198804|198712|228253|198899|198938|198840|212907|198886|198786|198695|198727|211459|210082"
)
_MOUSE_MT = "64341|64345|64351|64354|64356|64357|64358|64360|65947|64363|64367|64368|64370|64337|64339"
# MT-ND1, mt-Nd1, mt:ND1, R's MT.ND1; C. elegans; yeast; Arabidopsis
PATTERNS = {
    "mt": (
        rf"^{_GENOME}(?:MT[-.:].+|NDUO-\d|NDFL-4|CTC-[123]|CTB-1|ATP-6|MTCE\.\d+|Q0\d{{3}}|ATMG\d{{5}}"
        rf"|ENSG00000(?:{_HUMAN_MT})(?:\.\d+)?|ENSMUSG000000(?:{_MOUSE_MT})(?:\.\d+)?)$"
    ),
    "ribo": rf"^{_GENOME}(?:RP[SL](?!6K)(?:\d|P\d|A\d?$|X)|RP[SL]-\d)",  # but not the kinases of S6, RPS6KA1
    "hb": rf"^{_GENOME}HB(?:[ABDEGMQZ]\d?|Q1[AB]|[ABQ]-[A-Z]+\d*)$",
}
_MOST_COLUMNS = 20  # of the gene table that are looked at


@dataclass(frozen=True, slots=True, eq=False)
class GeneClasses:
    """Masks over G genes."""

    masks: npt.NDArray[np.bool_]  # (G, 3), in the order of ``CLASSES``
    column: str  # of the gene table whose names told; "" is its index

    @property
    def numbers(self) -> dict[str, int]:
        return dict(zip(CLASSES, self.masks.sum(axis=0).tolist(), strict=True))


def gene_classes(var: pd.DataFrame) -> GeneClasses:
    """Of the index and the text columns of ``var``, what recognises most mitochondrial genes, then most of all."""
    import pandas as pd

    names = {"": pd.Series(var.index.astype(str))}
    for column in var.columns[:_MOST_COLUMNS]:
        if not pd.api.types.is_numeric_dtype(var[column].dtype) and str(column):
            names[str(column)] = var[column].astype(str)
    found = {column: _masks(texts) for column, texts in names.items()}
    best = max(found, key=lambda column: (int(found[column][:, 0].sum()), int(found[column].sum())))
    return GeneClasses(found[best], best)


def _masks(names: pd.Series[str]) -> npt.NDArray[np.bool_]:
    return np.stack(
        [names.str.match(pattern, flags=re.IGNORECASE).to_numpy(bool) for pattern in PATTERNS.values()], 1
    )
