"""The choices of how to prepare a data set, as plain functions: no widgets here, so they are easy to test.

A plan is a ``PrepareSpec``. Remedies of problems are switched on and off in it, and ``blocking`` says what
still stands in the way of training.
"""

from __future__ import annotations

from typing import Any

from backend.types import DatasetReport, PrepareSpec, Problem, Remedy

DEFAULT_TOP_GENES = 4000
MANY_GENES = 8000  # beyond this, a selection makes training much faster and rarely worse


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
    """The errors that no chosen remedy answers."""
    return [
        problem
        for problem in report.problems
        if problem.severity == "error" and not any(is_applied(plan, remedy) for remedy in problem.remedies)
    ]


def can_prepare(report: DatasetReport, plan: PrepareSpec) -> bool:
    usable = {matrix.where for matrix in report.matrices if matrix.usable}
    return plan.counts in usable and not blocking(report, plan)


def gene_advice(report: DatasetReport) -> str:
    """One or two sentences on whether to keep all genes."""
    if report.n_vars <= MANY_GENES // 2:
        return "There are few enough genes to keep them all."
    if report.n_vars <= MANY_GENES:
        return "All genes train well here. A selection makes training faster and can sharpen the cell types."
    times = report.n_vars / DEFAULT_TOP_GENES
    return (
        f"A selection of {DEFAULT_TOP_GENES:,} is a good start: training is about {times:.0f} times faster, "
        "and genes that hardly vary say little about how cells differ. Keep all genes if you want to look at "
        "every one of them with the trained model."
    )


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
