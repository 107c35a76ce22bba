"""Quality control of cells before training: which genes tell of it, what is measured, who is removed and why.

    genes = gene_classes(var)                          # mitochondrial, ribosomal and haemoglobin genes, by species
    judged = judge(cells, spec, samples, scores)       # .passed (C,), .removed {rule: (C,) mask}
    suggestions(cells, samples, mads)                  # limits for each sample, by median absolute deviations

Pure: no file, no page. The rules that go into an exported script are the ones applied here (``rules_source``).
"""

from ._cell_quality import CellQuality, Doublets, Samples
from ._genes import CLASSES, PATTERNS, GeneClasses, gene_classes
from ._measured import Quality
from ._rules import (
    RULES,
    Judged,
    Limits,
    filters_cells,
    judge,
    limit_said,
    outliers,
    rules_source,
    suggestions,
)

__all__ = [
    "CLASSES",
    "PATTERNS",
    "RULES",
    "CellQuality",
    "Doublets",
    "GeneClasses",
    "Judged",
    "Limits",
    "Quality",
    "Samples",
    "filters_cells",
    "gene_classes",
    "judge",
    "limit_said",
    "outliers",
    "rules_source",
    "suggestions",
]
