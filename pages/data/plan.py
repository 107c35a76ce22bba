"""The choices of how to prepare a data set, as plain functions: no widgets here, so they are easy to test.

A plan is a ``PrepareSpec``. Remedies of problems are switched on and off in it, and ``blocking`` says what
still stands in the way of training.
"""

from __future__ import annotations

from typing import Any

from backend.types import DatasetReport, PrepareSpec, Problem, Remedy

DEFAULT_TOP_GENES = 4000
GENE_SELECTION = "gene_selection"  # a remark shown beside the choice of genes


def is_applied(plan: PrepareSpec, remedy: Remedy) -> bool:
    return all(_holds(getattr(plan, name, None), _tidy(value)) for name, value in remedy.changes.items())


def toggle(plan: PrepareSpec, remedy: Remedy) -> PrepareSpec:
    """Switch ``remedy`` on, or off again where it is on."""
    undo = is_applied(plan, remedy)
    plain = PrepareSpec()
    changes: dict[str, Any] = {}
    for name, value in remedy.changes.items():
        if not hasattr(plan, name):
            continue
        value, now = _tidy(value), getattr(plan, name)
        if isinstance(value, tuple):
            rest = tuple(item for item in now if item not in value)
            changes[name] = rest if undo else (*rest, *value)
        else:
            changes[name] = getattr(plain, name) if undo else value
    return plan.replace(**changes)


def blocking(report: DatasetReport, plan: PrepareSpec) -> list[Problem]:
    """What has to be settled first: errors that no chosen remedy answers."""
    return [
        problem
        for problem in report.problems
        if problem.severity == "error" and not any(is_applied(plan, remedy) for remedy in problem.remedies)
    ]


def can_prepare(report: DatasetReport, plan: PrepareSpec) -> bool:
    usable = {matrix.where for matrix in report.matrices if matrix.usable}
    return plan.counts in usable and not blocking(report, plan)


def gene_advice(report: DatasetReport) -> str:
    """What the report says about selecting genes."""
    said = next((problem.message for problem in report.problems if problem.code == GENE_SELECTION), "")
    return said or f"With {report.n_vars:,} genes there is no need to select: keep them all."


def with_batch(
    report: DatasetReport, plan: PrepareSpec, before: str | None, column: str | None
) -> PrepareSpec:
    """The plan once ``column`` is the batch instead of ``before``.

    Cells without a value become a group of their own, and a gene selection looks at each batch.
    """
    fill = tuple(name for name in plan.fill_missing if name != before)
    if any(advice.column == column and advice.n_missing for advice in report.columns):
        fill = (*(name for name in fill if name != column), str(column))
    hvg = column if plan.n_top_genes is not None else None
    return plan.replace(fill_missing=fill, hvg_batch_key=hvg)


def in_words(report: DatasetReport, plan: PrepareSpec) -> str:
    """What preparing will do, as one sentence."""
    n_obs = report.n_obs - (report.empty_cells if plan.drop_empty_cells else 0)
    n_vars = report.n_vars
    for matrix in report.matrices:
        if matrix.where == plan.counts:
            n_obs += matrix.n_obs - report.n_obs
            n_vars = matrix.n_vars
    if plan.n_top_genes is not None and plan.n_top_genes < n_vars:
        genes = f"the {plan.n_top_genes:,} most variable genes"
    elif plan.min_cells_per_gene:
        genes = f"the genes seen in at least {plan.min_cells_per_gene} cells"
    else:
        genes = f"all {n_vars:,} genes"
    return f"{n_obs:,} cells and {genes}"


def _tidy(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _holds(now: Any, wanted: Any) -> bool:
    return set(wanted) <= set(now or ()) if isinstance(wanted, tuple) else now == wanted
