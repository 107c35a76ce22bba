"""What is wrong with a file, as sentences with a button where there is a remedy.

    problems = find_problems(findings)      # tuple[Problem, ...], errors first
    spec = recommend(findings)              # what the page preselects: all needed mends

Only what cannot be trained is an error. The texts name columns and genes as they are; pages escape them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

from ..types import ColumnAdvice, MatrixVerdict, Notice, PrepareSpec, Problem, Remedy
from ..words import counted, listed, plural, sentence
from ._scan import Scan
from ._species import guess_species
from ._verdict import Choice

FEWEST_CELLS, FEW_CELLS = 10, 500
FEWEST_GENES, FEW_GENES = 2, 200
RARE = 3  # genes seen in fewer cells tell nothing
MANY_RARE = 0.02  # share of the genes from which dropping them is recommended
MANY_GENES = 25_000  # kept genes from which a selection is recommended
SELECTED = 4_000
MOSTLY_SPOILED = 0.1  # share of missing, infinite and negative values up to which the others may be counts
EXACT_IN_FLOAT32 = 2**24
ADVICE_ON_SELECTION = (
    "All genes give the most complete model; a selection of 2,000 to 5,000 highly variable genes trains "
    "several times faster and often mixes batches better. Select when there are fewer cells than genes, or "
    "little time; keep all genes when you want to look at any gene later."
)


@dataclass(slots=True)
class Findings:
    """What inspecting found, before it is put into words."""

    obs: pd.DataFrame
    var: pd.DataFrame  # of the chosen matrix
    verdicts: list[MatrixVerdict]
    scans: dict[str, Scan]
    choice: Choice
    columns: tuple[ColumnAdvice, ...]
    batch_key: str | None
    advice: dict[str, str] = field(default_factory=dict)  # on each matrix that cannot be read
    n_other_features: int = 0  # left out of a 10x file
    n_other_genomes: int = 0
    skipped: list[str] = field(default_factory=list)  # what could not be read
    notices: list[Notice] = field(default_factory=list)  # how something was read
    renamed: dict[str, str] = field(
        default_factory=dict
    )  # columns that an h5ad cannot hold as they are called

    @property
    def chosen(self) -> Scan | None:
        return self.scans.get(self.choice.counts or "")

    @property
    def n_empty(self) -> int:
        return int((self.chosen.cell_genes == 0).sum()) if self.chosen else 0

    @property
    def n_rare(self) -> int:
        return int((self.chosen.gene_cells < RARE).sum()) if self.chosen else 0

    @property
    def n_repeated(self) -> tuple[int, int]:
        return int(self.obs.index.duplicated().sum()), int(self.var.index.duplicated().sum())

    def gene_name(self, seen: Scan, gene: int) -> str:
        """The name of a gene of a matrix, which may have other genes than the chosen one."""
        fits = seen.n_vars == len(self.var)
        return str(self.var.index[gene]) if fits else f"number {gene + 1:,}"

    @property
    def many_rare(self) -> bool:
        return bool(self.n_rare and MANY_RARE * len(self.var) < self.n_rare < len(self.var))

    @property
    def many_genes(self) -> bool:
        return len(self.var) - (self.n_rare if self.many_rare else 0) > MANY_GENES

    @property
    def should_select(self) -> bool:
        """The page advises it, so it is chosen already."""
        return self.many_genes or (len(self.var) > SELECTED and len(self.obs) < len(self.var))


def find_problems(found: Findings) -> tuple[Problem, ...]:
    """All problems and remarks, the worst first."""
    problems = [*_size(found), *_counts(found), *_cells_and_genes(found), *_batches(found), *_remarks(found)]
    order = {"error": 0, "warning": 1, "info": 2}
    return tuple(sorted(problems, key=lambda problem: order[problem.severity]))


def recommend(found: Findings) -> PrepareSpec:
    """Every mend that is needed, nothing that is a matter of taste; genes selected where the page advises it."""
    batch = next((one for one in found.columns if one.column == found.batch_key), None)
    return PrepareSpec(
        counts=found.choice.counts or "X",
        drop_empty_cells=found.n_empty > 0,
        min_cells_per_gene=RARE if found.many_rare else 0,
        make_names_unique=any(found.n_repeated),
        fill_missing=(batch.column,) if batch and batch.n_missing else (),
        n_top_genes=SELECTED if found.should_select else None,
        hvg_batch_key=found.batch_key if found.should_select else None,
    )


def _size(found: Findings) -> list[Problem]:
    n_obs, n_vars = len(found.obs), len(found.var)
    if n_obs == 0:
        return [Problem("no_cells", "error", "The file has no cells.")]
    if n_vars == 0:
        return [Problem("no_genes", "error", "The file has no genes.")]
    problems = []
    n_left = n_obs - found.n_empty
    if n_left < FEWEST_CELLS:
        what = f"Only {counted(n_left, 'cell')}"
        what += f" {plural(n_left, 'has', 'have')} counts" if found.n_empty else ""
        problems.append(
            Problem(
                "too_few_cells",
                "error",
                f"{what}: training needs at least {FEWEST_CELLS} and learns from hundreds.",
            )
        )
    elif n_left < FEW_CELLS:
        text = f"Only {n_left:,} cells: training works, but the result will be rough. Use many epochs."
        problems.append(Problem("few_cells", "warning", text, params={"n": n_left}))
    if n_vars < FEWEST_GENES:
        problems.append(
            Problem("too_few_genes", "error", f"Only {n_vars} gene: there is nothing to compare.")
        )
    elif n_vars < FEW_GENES:
        text = f"Only {n_vars:,} genes: enough to train, but is this the whole table?"
        problems.append(Problem("few_genes", "warning", text, params={"n": n_vars}))
    return problems


def _counts(found: Findings) -> list[Problem]:
    """On the chosen matrix, or on why there is none."""
    counts = found.choice.counts
    if counts is None:
        return _no_counts(found)
    problems = []
    verdict = next(one for one in found.verdicts if one.where == counts)
    seen = found.scans[counts]
    if seen.off and not seen.n_far:
        text = (
            f"The values of {counts} are whole numbers up to rounding (largest difference {seen.off:.1g}). They are "
            "rounded when the data set is prepared."
        )
        problems.append(
            Problem("rounded_counts", "info", text, params={"matrix": counts, "largest": seen.off})
        )
    if seen.n_far:
        problems.append(_fractions(found, counts, seen))
    elif verdict.verdict != "counts":
        text = (
            f"{counts} is the closest to raw counts, but not sure to be: {verdict.evidence}. scVI expects "
            "counts of molecules or reads; corrected counts usually work, anything else is doubtful."
        )
        problems.append(
            Problem("unsure_counts", "warning", text, params={"matrix": counts, "reason": verdict.evidence})
        )
    if verdict.maximum >= EXACT_IN_FLOAT32:
        text = (
            f"The largest value of {counts} is {verdict.maximum:,.0f}; values above {EXACT_IN_FLOAT32:,} are "
            "rounded. Counts of single cells are far smaller: is this the right table?"
        )
        problems.append(
            Problem("huge_counts", "warning", text, params={"matrix": counts, "largest": verdict.maximum})
        )
    problems += _other_matrices(found, counts)
    return problems


def _fractions(found: Findings, counts: str, seen: Scan) -> Problem:
    """Most values are whole numbers and some are not."""
    assert seen.furthest is not None
    cell, gene, value = seen.furthest
    where = f"{value:.6g} in cell {found.obs.index[cell]}, gene {found.gene_name(seen, gene)}"
    what = f"{counted(seen.n_far, 'value')} of {seen.nnz:,} {plural(seen.n_far, 'is', 'are')} not whole"
    which = where if seen.n_far == 1 else f"the furthest {where}"
    zero = f" ({seen.n_lost:,} of these)" if seen.n_lost else ""
    like = ", as after ambient-RNA correction or from a quantifier that estimates" if seen.n_far > 1 else ""
    text = (
        f"{counts} is the closest to raw counts, but {what} ({which}){like}. scVI's "
        f"likelihood is one of counts. Rounded, each value is its nearest whole number, and what is below 0.5{zero}"
        " becomes zero; not rounded, the values are trained on as they are. Where the uncorrected counts still exist, "
        "they are the better choice."
    )
    params = {"matrix": counts, "n": seen.n_far, "of": seen.nnz, "value": value, "zero": seen.n_lost}
    params |= {"cell": str(found.obs.index[cell]), "gene": found.gene_name(seen, gene)}
    remedy = Remedy("Round them" if seen.n_far > 1 else "Round it", "prepare", {"round_counts": True})
    return Problem("unsure_counts", "warning", text, (remedy,), params)


def _other_matrices(found: Findings, counts: str) -> list[Problem]:
    problems = []
    x = next((one for one in found.verdicts if one.where == "X"), None)
    if counts == "raw/X" and x is not None:
        text = (
            f"X does not hold raw counts ({x.evidence}), but .raw does, for {len(found.var):,} genes. "
            "The counts of .raw are used."
        )
        problems.append(Problem("counts_in_raw", "info", text, (_use("raw/X", "Use .raw"),)))
    elif counts != "X" and x is not None and not x.usable:
        text = f"X does not hold raw counts ({x.evidence}); {counts} does and is used."
        problems.append(Problem("counts_in_layer", "info", text, (_use(counts),)))
    if found.choice.same:
        text = f"{listed((counts, *found.choice.same))} hold the same counts; {counts} is used."
        problems.append(Problem("same_counts", "info", text))
    for rival in found.choice.rivals:
        mine, theirs = found.scans[counts], found.scans[rival]
        text = (
            f"{counts} and {rival} both hold counts, but differ: {mine.n_vars:,} genes and "
            f"{mine.cell_sums.sum():,.0f} counts in {counts}, {theirs.n_vars:,} genes and "
            f"{theirs.cell_sums.sum():,.0f} counts in {rival}. {counts} is used unless you choose otherwise."
        )
        problems.append(Problem("other_counts", "info", text, (_use(rival),)))
    return problems


def _no_counts(found: Findings) -> list[Problem]:
    damaged = [where for where, seen in found.scans.items() if _is_spoiled(seen)]
    problems = [_spoiled(found, where) for where in damaged]
    if problems or not len(found.obs) or not len(found.var):
        return problems
    broken = [one for one in found.verdicts if one.verdict == "unreadable"]
    if broken:
        said: dict[str, list[str]] = {}
        for one in broken:
            said.setdefault(found.advice[one.where], []).append(f"{one.where} {one.evidence}")
        text = " ".join(f"{'; '.join(what)}. {advice}" for advice, what in said.items())
        params = {"matrices": [one.where for one in broken], "reasons": [one.evidence for one in broken]}
        return [Problem("damaged_matrix", "error", text, params=params)]
    seen = "; ".join(f"{one.where}: {one.evidence}" for one in found.verdicts) or "there is no matrix in it"
    text = (
        f"This file has no raw counts, and scVI cannot be trained without ({seen}). "
        "Look for the file from before normalisation, or for Cell Ranger's filtered_feature_bc_matrix.h5. "
        'In scanpy, keep the counts before normalising: adata.layers["counts"] = adata.X.copy(), then '
        'adata.write_h5ad("data.h5ad"). In Seurat, the counts are in the layer "counts" of the assay: '
        "export that one."
    )
    return [
        Problem(
            "no_counts",
            "error",
            text,
            params={"matrices": {one.where: one.verdict for one in found.verdicts}},
        )
    ]


def _is_spoiled(seen: Scan) -> bool:
    """Mostly whole numbers, with some impossible values among them: counts, if those were mended."""
    n_bad = seen.n_nan + seen.n_infinite + seen.n_negative
    whole = seen.n_integer + seen.n_nan + seen.n_infinite
    few = n_bad <= MOSTLY_SPOILED * seen.nnz or whole == seen.nnz
    return seen.first_bad is not None and seen.n_integer > 0 and few and 2 * whole >= seen.nnz


def _spoiled(found: Findings, where: str) -> Problem:
    seen = found.scans[where]
    kinds = ((seen.n_nan, "missing (NaN)"), (seen.n_infinite, "infinite"), (seen.n_negative, "negative"))
    what = listed([f"{counted(n, 'value')} {plural(n, 'is', 'are')} {kind}" for n, kind in kinds if n])
    assert seen.first_bad is not None
    cell, gene = seen.first_bad
    where_first = f"the first in cell {found.obs.index[cell]}, gene {found.gene_name(seen, gene)}"
    mostly = "mostly " if seen.n_far else ""
    text = (
        f"{where} holds {mostly}whole numbers, but {what}, {where_first}. Counts are zero or more: mend these values "
        "where they come from and save the file again."
    )
    return Problem(
        "bad_values",
        "error",
        text,
        params={"matrix": where, "nan": seen.n_nan, "infinite": seen.n_infinite, "negative": seen.n_negative},
    )


def _cells_and_genes(found: Findings) -> list[Problem]:
    problems = []
    if found.n_empty and found.n_empty < len(found.obs):
        have, them = plural(found.n_empty, "has", "have"), plural(found.n_empty, "it", "them")
        text = f"{found.n_empty:,} of {len(found.obs):,} cells {have} no counts; training cannot work with {them}."
        remedy = Remedy(f"Drop {counted(found.n_empty, 'empty cell')}", "prepare", {"drop_empty_cells": True})
        problems.append(
            Problem("empty_cells", "error", text, (remedy,), {"n": found.n_empty, "of": len(found.obs)})
        )
    if found.n_rare and found.n_rare < len(found.var):
        are, they = plural(found.n_rare, "is", "are"), plural(found.n_rare, "It tells", "They tell")
        cost = plural(found.n_rare, "costs", "cost")
        text = (
            f"{found.n_rare:,} of {len(found.var):,} genes {are} seen in fewer than {RARE} cells. "
            f"{they} nothing and only {cost} time."
        )
        remedy = Remedy(f"Drop {counted(found.n_rare, 'rare gene')}", "prepare", {"min_cells_per_gene": RARE})
        problems.append(
            Problem("rare_genes", "info", text, (remedy,), {"n": found.n_rare, "of": len(found.var)})
        )
    n_cells, n_genes = found.n_repeated
    if n_cells or n_genes:
        parts = [counted(n, f"{word} name") for n, word in ((n_cells, "cell"), (n_genes, "gene")) if n]
        are = plural(n_cells + n_genes, "is a repeat", "are repeats")
        text = f"{listed(parts)} {are} of another. Numbers are added to tell them apart (MATR3, MATR3-1)."
        remedy = Remedy("Make names unique", "prepare", {"make_names_unique": True})
        problems.append(
            Problem("duplicate_names", "warning", text, (remedy,), {"cells": n_cells, "genes": n_genes})
        )
    return problems


def _batches(found: Findings) -> list[Problem]:
    problems = []
    for one in found.columns:
        if not one.n_missing or one.kind != "categorical" or one.verdict == "unsuitable":
            continue
        if one.column != found.batch_key and one.verdict != "recommended":
            continue
        cells = f"{counted(one.n_missing, 'cell')} {plural(one.n_missing, 'has', 'have')}"
        text = f"{cells} no value in {one.column}; as a batch every cell needs one."
        remedy = Remedy(f'Fill {one.column} with "unknown"', "prepare", {"fill_missing": [one.column]})
        problems.append(
            Problem("missing_batch", "warning", text, (remedy,), {"column": one.column, "n": one.n_missing})
        )
    return problems


def _remarks(found: Findings) -> list[Problem]:
    problems = []
    if guess_species(pd.DataFrame(index=found.obs.index)) and not guess_species(found.var):
        text = (
            "The names of the cells look like genes: the table is probably the wrong way round. "
            'In Python, adata.T.write_h5ad("data.h5ad") turns it.'
        )
        problems.append(Problem("transposed", "warning", text))
    if found.n_other_features:
        text = (
            f"Besides {len(found.var):,} genes the file has {counted(found.n_other_features, 'other feature')} "
            "(antibodies, guides or peaks). Only gene expression is used."
        )
        problems.append(Problem("other_features", "info", text, params={"n": found.n_other_features}))
    if found.n_other_genomes:
        text = (
            f"The file has {found.n_other_genomes + 1} genomes in separate tables; the largest one is used."
        )
        problems.append(Problem("other_genomes", "warning", text))
    unread = [one.where for one in found.verdicts if one.verdict == "unreadable" and found.choice.counts]
    skipped = [*unread, *found.skipped]
    if skipped:
        text = (
            f"{counted(len(skipped), 'part')} of the file cannot be read and "
            f"{plural(len(skipped), 'is', 'are')} left out: {', '.join(skipped[:5])}."
        )
        problems.append(Problem("unreadable_columns", "info", text, params={"parts": skipped}))
    if found.renamed:
        pairs = [f'"{before}" as "{after}"' for before, after in found.renamed.items()]
        text = f"In the prepared data, columns are called otherwise: {listed(pairs[:5])}."
        problems.append(Problem("renamed_columns", "info", text, params={"renamed": found.renamed}))
    problems += [Problem(one.code, "info", sentence(one), params=dict(one.params)) for one in found.notices]
    if found.choice.counts and len(found.var) > SELECTED:
        lead = ""
        if found.many_genes:
            lead = f"{len(found.var):,} genes is a lot, so a selection is proposed. "
        elif found.should_select:
            few = f"There are fewer cells ({len(found.obs):,}) than genes ({len(found.var):,})"
            lead = f"{few}, so a selection is proposed. "
        remedy = Remedy(
            f"Select {SELECTED:,} genes",
            "prepare",
            {"n_top_genes": SELECTED, "hvg_batch_key": found.batch_key},
        )
        problems.append(Problem("gene_selection", "info", lead + ADVICE_ON_SELECTION, (remedy,)))
    return problems


def _use(where: str, label: str = "") -> Remedy:
    return Remedy(label or f"Use {where}", "prepare", {"counts": where})
