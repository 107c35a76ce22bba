"""The choices before a data set is prepared: which counts, what to correct, which column is the batch, which genes.

A choice is kept per source in the session (``plan_of``), so it survives reruns and visits to other pages; widgets
only show and change it. The plan itself is a ``PrepareSpec``, changed by the plain functions at the top; what widgets
say and allow is declared with its settings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from backend.quality import filters_cells
from backend.types import (
    ColumnAdvice,
    DatasetRef,
    DatasetReport,
    PrepareSpec,
    Problem,
    Remedy,
    RunSpec,
    settings_of,
)
from backend.words import count, counted
from pages.shared.literal import code, literal

_SETTINGS = settings_of(PrepareSpec)
_BATCH = settings_of(RunSpec)["batch_key"]
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
    return said or f"With {counted(report.n_vars, 'gene')}, no gene selection is needed."


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
    within = ", those within the limits of quality control," if filters_cells(plan) else ""
    if plan.n_top_genes is not None and plan.n_top_genes < n_vars:
        genes = f"the {count(plan.n_top_genes)} most highly variable genes"
    elif plan.min_cells_per_gene:
        genes = f"the genes detected in at least {plan.min_cells_per_gene} cells"
    else:
        genes = f"all {counted(n_vars, 'gene')}"
    return f"{counted(n_obs, 'cell')}{within} and {genes}"


def _tidy(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _holds(now: Any, wanted: Any) -> bool:
    return set(wanted) <= set(now or ()) if isinstance(wanted, tuple) else now == wanted


_KEPT = "data-choices"
NO_BATCH = ""
ALL, SELECTION = "All genes", "Highly variable genes"
_SIGNS = {"error": ("red", "error"), "warning": ("orange", "warning"), "info": ("blue", "info")}
_FIT = {
    "recommended": ("recommended", "green", "thumb_up"),
    "possible": ("possible", "blue", "check"),
    "unsuitable": ("not suitable", "gray", "block"),
}
_COLUMNS_AT_FIRST = 3


def start_from(report: DatasetReport, prepared: Sequence[DatasetRef]) -> None:
    """Where nothing was chosen yet in this session, take up what the source was last prepared with."""
    if report.source_id in st.session_state.setdefault(_KEPT, {}):
        return
    mine = [dataset for dataset in prepared if dataset.source_id == report.source_id]
    if mine:
        _choices(report).plan = max(mine, key=lambda dataset: dataset.created_at).prepare


def plan_of(report: DatasetReport) -> PrepareSpec:
    """The present choices for this source; at first what the report recommends."""
    return _choices(report).plan


def batch_of(report: DatasetReport) -> str | None:
    """The column chosen as the experimental batch."""
    return _choices(report).batch or None


@dataclass
class _Choices:
    plan: PrepareSpec
    batch: str  # a column, or ``NO_BATCH``


def _choices(report: DatasetReport) -> _Choices:
    kept: dict[str, _Choices] = st.session_state.setdefault(_KEPT, {})
    return kept.setdefault(report.source_id, _Choices(report.recommended, report.batch_key or NO_BATCH))


def change(report: DatasetReport, **changes: Any) -> None:
    """Other choices for this source, by the names of ``PrepareSpec``."""
    choices = _choices(report)
    choices.plan = choices.plan.replace(**changes)


# --- which counts ---------------------------------------------------------------------------------


def counts_choice(report: DatasetReport) -> None:
    """Offered only where more than one matrix can be trained on."""
    usable = [matrix.where for matrix in report.matrices if matrix.usable]
    if len(usable) < 2:
        return
    key = f"counts-{report.source_id}"
    st.session_state[key] = plan_of(report).counts
    st.selectbox(
        _SETTINGS["counts"].label,
        usable,
        key=key,
        on_change=lambda: change(report, counts=st.session_state[key]),
        help=_SETTINGS["counts"].help,
    )


# --- problems and their remedies ------------------------------------------------------------------


def problems(report: DatasetReport) -> None:
    """What was found, the worst first; where nothing can be trained, only what stands in the way."""
    shown = [problem for problem in report.problems if problem.code != GENE_SELECTION]
    if report.counts is None:
        shown = [problem for problem in shown if problem.severity == "error"]
    if not shown:
        return
    with st.container(border=True, gap="small"):
        st.subheader("Findings", anchor=False)
        for index, problem in enumerate(sorted(shown, key=lambda one: list(_SIGNS).index(one.severity))):
            _problem(report, problem, index)


def _problem(report: DatasetReport, problem: Problem, index: int) -> None:
    plan = plan_of(report)
    remedies = [remedy for remedy in problem.remedies if remedy.action == "prepare"]
    solved = any(is_applied(plan, remedy) for remedy in remedies)
    color, icon = ("green", "check_circle") if solved else _SIGNS[problem.severity]
    sentence = f":{color}[:material/{icon}:] {literal(problem.message, limit=1000)}"
    if not remedies:
        st.markdown(sentence)
        return
    text, buttons = st.columns([3, 1], vertical_alignment="center")
    text.markdown(sentence)
    with buttons:
        remedy_buttons(report, problem, str(index))


def remedy_buttons(report: DatasetReport, problem: Problem, key: str) -> None:
    """One button for each change of the choices that answers ``problem``."""
    for number, remedy in enumerate(one for one in problem.remedies if one.action == "prepare"):
        _remedy(report, remedy, is_applied(plan_of(report), remedy), f"{key}-{number}")


def _remedy(report: DatasetReport, remedy: Remedy, applied: bool, key: str) -> None:
    st.button(
        literal(remedy.label),
        key=f"remedy-{report.source_id}-{key}",
        icon=":material/check_box:" if applied else ":material/check_box_outline_blank:",
        help="Selected. Press again to undo."
        if applied
        else "Press to apply this when the data set is prepared.",
        width="stretch",
        wrap=True,
        on_click=_toggle,
        args=(report, remedy),
    )


def _toggle(report: DatasetReport, remedy: Remedy) -> None:
    choices = _choices(report)
    choices.plan = toggle(choices.plan, remedy)


# --- the experimental batch -----------------------------------------------------------------------


def batch_choice(report: DatasetReport) -> None:
    st.markdown(
        "If the cells come from several donors, samples or experiments, scVI can correct for batch effects. "
        "Select the column of obs that identifies the batch of each cell."
    )
    fitting = [column for column in report.columns if column.verdict != "unsuitable"]
    if not report.columns:
        st.caption("obs has no columns, so there is no batch to correct for. That is fine.")
        return
    if not fitting:
        st.caption("No column of obs is suitable, so all cells are treated as one batch. That is fine.")
    else:
        key = f"batch-{report.source_id}"
        options = [NO_BATCH, *(column.column for column in fitting)]
        chosen = _choices(report).batch
        st.session_state[key] = chosen if chosen in options else NO_BATCH
        st.selectbox(
            _BATCH.label,
            options,
            format_func=lambda name: name or "None: all cells are one batch",
            key=key,
            on_change=lambda: _take_batch(report, st.session_state[key]),
            help=_BATCH.help,
        )
        if chosen in plan_of(report).fill_missing:
            st.caption("Cells without a value in this column form a batch of their own, “unknown”.")
        for column in fitting[:_COLUMNS_AT_FIRST]:
            _advice(column)
    with st.expander(f"All {len(report.columns)} columns", icon=":material/view_column:"):
        st.dataframe(
            pd.DataFrame([_row(column) for column in report.columns]),
            hide_index=True,
            column_config={"Column": st.column_config.TextColumn(pinned=True)},
            alt="Every column of obs and its suitability as batch key",
        )


def _take_batch(report: DatasetReport, column: str) -> None:
    choices = _choices(report)
    choices.plan = with_batch(report, choices.plan, choices.batch or None, column or None)
    choices.batch = column


def _advice(column: ColumnAdvice) -> None:
    text, color, icon = _FIT.get(column.verdict, (column.verdict, "gray", "help"))
    with st.container(gap=None):
        st.markdown(f"{code(column.column)}  :{color}-badge[:material/{icon}: {text}]")
        st.caption(literal(column.reason, limit=300))
        if column.levels:
            some = ", ".join(literal(level, limit=24) for level in column.levels[:6])
            more = f" and {count(column.n_levels - 6)} more" if column.n_levels > 6 else ""
            st.caption(f"{some}{more}")


def _row(column: ColumnAdvice) -> dict[str, object]:
    return {
        "Column": column.column,
        "As batch key": _FIT.get(column.verdict, (column.verdict,))[0],
        "Levels": column.n_levels,
        "Missing": column.n_missing,
        "Reason": column.reason,
    }


# --- which genes ----------------------------------------------------------------------------------


def gene_choice(report: DatasetReport) -> None:
    plan = plan_of(report)
    st.markdown(literal(gene_advice(report), limit=600))
    key = f"genes-{report.source_id}"
    st.session_state[key] = ALL if plan.n_top_genes is None else SELECTION
    st.segmented_control(
        "Genes",
        [ALL, SELECTION],
        key=key,
        required=True,
        label_visibility="collapsed",
        on_change=lambda: _take_genes(report, st.session_state[key]),
    )
    if plan.n_top_genes is not None:
        number, genes = f"n-genes-{report.source_id}", _SETTINGS["n_top_genes"]
        assert genes.ge is not None
        fewest = int(genes.ge)
        st.session_state[number] = plan.n_top_genes
        st.number_input(
            genes.label,
            min_value=min(fewest, report.n_vars),
            max_value=max(fewest, report.n_vars),
            step=500,
            key=number,
            on_change=lambda: change(report, n_top_genes=int(st.session_state[number])),
            help=genes.help,
        )
        if plan.hvg_batch_key:
            st.caption(
                f"Ranked within each batch of {code(plan.hvg_batch_key)}, so that no single batch dominates."
            )
    few = report.genes_in_few_cells
    if few and not any("min_cells_per_gene" in r.changes for p in report.problems for r in p.remedies):
        rare = f"rare-{report.source_id}"
        st.session_state[rare] = plan.min_cells_per_gene > 0
        st.toggle(
            f"Remove {counted(few, 'gene')} detected in fewer than 3 cells",
            key=rare,
            on_change=lambda: change(report, min_cells_per_gene=3 if st.session_state[rare] else 0),
            help=_SETTINGS["min_cells_per_gene"].help,
        )


def _take_genes(report: DatasetReport, chosen: str) -> None:
    if chosen == SELECTION:
        top = min(DEFAULT_TOP_GENES, max(1, report.n_vars // 2))
        change(report, n_top_genes=top, hvg_batch_key=batch_of(report))
    else:
        change(report, n_top_genes=None, hvg_batch_key=None)
