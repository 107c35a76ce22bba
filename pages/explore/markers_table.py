"""The table of marker genes: what a page shows of it, and the whole as CSV that is safe in a spreadsheet."""

from __future__ import annotations

import csv
import io
from typing import Any

import numpy as np

from backend.services import AnalysisResult

SHOWN = 500  # genes; the file has all
_CSV = (
    ("log2_fold_change_median", "lfc_median"), ("log2_fold_change_mean", "lfc_mean"),
    ("log2_fold_change_sd", "lfc_std"), ("probability", "proba_de"), ("bayes_factor", "bayes_factor"),
    ("significant_at_5_percent", "significant"), ("mean_count_in_group", "raw_mean1"),
    ("mean_count_in_other", "raw_mean2"), ("fraction_of_cells_in_group", "fraction1"),
    ("fraction_of_cells_in_other", "fraction2"), ("model_expression_in_group", "scale1"),
    ("model_expression_in_other", "scale2"),
)  # fmt: skip


def rows(
    result: AnalysisResult, names: dict[str, str], *, direction: str = "all", seen: float = 0.0
) -> dict[str, list[Any]]:
    """Columns of the surest genes for a table on the page; ``names`` says what a gene is shown as.

    ``seen`` is the least fraction of cells with the gene, on the side where it is higher.
    """
    effect = np.asarray(result.array("lfc_median"))
    wanted = {"higher": effect > 0, "lower": effect < 0}.get(direction, np.ones(len(effect), bool))
    side = np.where(effect > 0, result.array("fraction1"), result.array("fraction2"))
    wanted = wanted & (side >= seen)
    at = np.flatnonzero(wanted)[:SHOWN]

    def values(name: str, factor: float = 1.0) -> list[float]:
        return (np.asarray(result.array(name), float)[at] * factor).tolist()

    return {
        "gene": [names.get(gene, gene) for gene in np.asarray(result.array("gene"))[at].tolist()],
        "effect": values("lfc_median"),
        "probability": values("proba_de"),
        "fraction1": values("fraction1", 100),
        "fraction2": values("fraction2", 100),
        "mean1": values("raw_mean1"),
        "mean2": values("raw_mean2"),
        "bayes": values("bayes_factor"),
    }


def as_csv(result: AnalysisResult, one: str, other: str) -> str:
    """All genes, the surest first."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["gene", "group", "against", *(title for title, _ in _CSV)])
    columns = [np.asarray(result.array(name), float).tolist() for _, name in _CSV]
    one, other = text(one), text(other)
    for gene, *numbers in zip(result.array("gene").tolist(), *columns, strict=True):
        writer.writerow([text(gene), one, other, *(f"{value:.6g}" for value in numbers)])
    return out.getvalue()


def text(value: str) -> str:
    """Text that a spreadsheet would run as a formula gets an apostrophe in front. Numbers never pass here."""
    value = " ".join(value.split())
    return f"'{value}" if value[:1] in ("=", "+", "-", "@") else value
