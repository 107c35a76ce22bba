"""What is in a source, for somebody who does not program: a headline, numbers, two small plots, the matrices.

headline(source, report, plan); numbers(report, plan); shapes(report); matrices(report, plan)
"""

from __future__ import annotations

import pandas as pd
import streamlit as st

from backend.charts import histogram
from backend.services import estimate_memory
from backend.types import DatasetReport, MatrixVerdict, PrepareSpec, RunSpec
from backend.words import count, memory_size, percent, short
from pages.data.choices import blocking
from pages.shared.literal import code, literal

VERDICTS = {
    "counts": ("raw counts", "green", "check_circle"),
    "log1p": ("log-normalised", "orange", "show_chart"),
    "normalised": ("normalised", "orange", "show_chart"),
    "scaled": ("scaled", "orange", "show_chart"),
    "unclear": ("unclear", "gray", "help"),
    "unreadable": ("damaged", "red", "broken_image"),
    "empty": ("empty", "gray", "block"),
}


def headline(report: DatasetReport, plan: PrepareSpec) -> None:
    """One sentence that says whether this can be trained on."""
    species = f" {literal(report.species)}" if report.species else ""
    cells, genes = (
        word if n == 1 else f"{word}s" for word, n in (("cell", report.n_obs), ("gene", report.n_vars))
    )
    what = f"{count(report.n_obs)}{species} {cells}, {count(report.n_vars)} {genes}"
    stops = blocking(report, plan)
    sure = any(matrix.where == plan.counts and matrix.verdict == "counts" for matrix in report.matrices)
    kind = "with raw counts" if sure else "with values close to raw counts (see Findings)"
    if report.counts is None:
        st.error(
            f"**No raw counts found.** The file has {what}, but scVI needs raw counts. See below for what to do.",
            icon=":material/block:",
        )
    elif any(not problem.remedies for problem in stops):
        st.error(
            f"**Not usable for scVI.** The file has {what}. The reason is given below.",
            icon=":material/block:",
        )
    elif stops:
        st.warning(
            f"**Almost ready.** {what}, {kind}. Resolve the problems below first.",
            icon=":material/warning:",
        )
    else:
        st.success(f"**Ready for scVI.** {what}, {kind}.", icon=":material/check_circle:")


def numbers(report: DatasetReport, plan: PrepareSpec) -> None:
    with st.grid(4, min_column_width=140):
        st.metric("Cells", count(report.n_obs), border=True, height="stretch")
        st.metric("Genes", count(report.n_vars), border=True, height="stretch")
        if report.counts_per_cell:
            st.metric(
                "Counts per cell",
                short(report.counts_per_cell.median),
                border=True,
                height="stretch",
                help="Median number of counts (UMIs) per cell.",
            )
        if memory := _memory(report, plan):
            st.metric(
                "Memory for training",
                memory_size(memory),
                border=True,
                height="stretch",
                help="Estimated for training with the usual settings on the genes selected below.",
            )
    filled = (
        f"{percent(report.density)} non-zero ({percent(1 - report.density)} sparsity)"
        if report.density
        else ""
    )
    species = f"gene names suggest {literal(report.species)}" if report.species else ""
    facts = "; ".join(fact for fact in (filled, species) if fact)
    if facts:
        st.caption(f"{facts[0].upper()}{facts[1:]}.")


def _memory(report: DatasetReport, plan: PrepareSpec) -> int:
    """Bytes to train with the usual settings on what ``plan`` prepares; 0 where it prepares nothing."""
    counts = next(
        (matrix for matrix in report.matrices if matrix.where == plan.counts and matrix.usable), None
    )
    if counts is None:
        return 0
    genes = min(plan.n_top_genes or counts.n_vars, counts.n_vars)
    return estimate_memory(
        RunSpec(dataset_id=""), counts.replace(n_vars=genes, nnz=min(counts.nnz, counts.n_obs * genes))
    )


def shapes(report: DatasetReport) -> None:
    """How many counts and genes the cells have."""
    plots = [
        ("Counts per cell", "counts", report.counts_per_cell),
        ("Genes per cell", "genes", report.genes_per_cell),
    ]
    if not any(data and sum(data.counts) for _, _, data in plots):
        return
    colour = st.get_option(f"theme.{st.context.theme.type or 'light'}.primaryColor")
    with st.grid(2, min_column_width=280, gap="medium"):
        for title, of, data in plots:
            if not data or not sum(data.counts):
                continue
            with st.container(border=True, gap="small"):
                st.markdown(f"**{title}**")
                st.plotly_chart(
                    histogram(data, of=of, colour=colour),
                    config={"displayModeBar": False, "displaylogo": False},
                    key=f"shape-{report.source_id}-{of}",
                    alt=f"{title}: median {short(data.median)}",
                )


def matrices(report: DatasetReport, chosen: str) -> None:
    """Each matrix of the file, what it holds and how that was seen."""
    for matrix in report.matrices:
        text, color, icon = VERDICTS.get(matrix.verdict, (matrix.verdict, "gray", "help"))
        if matrix.verdict == "log1p" and matrix.log_base:
            text += f", base {matrix.log_base}"
        used = "  :blue-badge[used for training]" if matrix.where == chosen and matrix.usable else ""
        with st.container(gap=None):
            st.markdown(f"{code(matrix.where)}  :{color}-badge[:material/{icon}: {literal(text)}]{used}")
            st.caption(literal(matrix.evidence[:1].upper() + matrix.evidence[1:], limit=400))
    with st.expander("Matrix details", icon=":material/table_rows:"):
        st.dataframe(
            pd.DataFrame([_row(matrix) for matrix in report.matrices]),
            hide_index=True,
            column_config={
                "Integers": st.column_config.NumberColumn(format="percent"),
                "Matrix": st.column_config.TextColumn(pinned=True),
            },
            alt="Every matrix of the file with its range and storage format",
        )


def _row(matrix: MatrixVerdict) -> dict[str, object]:
    return {
        "Matrix": matrix.where,
        "Content": VERDICTS.get(matrix.verdict, (matrix.verdict,))[0],
        "Cells": matrix.n_obs,
        "Genes": matrix.n_vars,
        "Minimum": matrix.minimum,
        "Maximum": matrix.maximum,
        "Integers": matrix.fraction_integer,
        "Stored values": matrix.nnz,
        "Storage": matrix.storage,
    }
