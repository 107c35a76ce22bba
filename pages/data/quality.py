"""Quality control before a data set is prepared: one line until opened, then what was measured and the limits.

Limits are choices of the plan like any other: set here, counted at once, applied and recorded when the data set is
prepared. Those of a figure can be dragged.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import streamlit as st

from backend.charts import counts_genes_chart, value_at, violin_chart
from backend.quality import (
    CLASSES,
    Doublets,
    Judged,
    Quality,
    Samples,
    filters_cells,
    judge,
    limit_said,
    suggestions,
)
from backend.services import current
from backend.types import DatasetReport, PrepareSpec, settings_of
from backend.words import count, counted, listed, percent, rule_reasons, sentence_case
from pages.data.choices import batch_of, change, plan_of
from pages.data.work import work_button
from pages.shared.literal import code, literal
from pages.shared.live_chart import live_chart

_SETTINGS = settings_of(PrepareSpec)
_NONE = PrepareSpec()
_USUAL_MADS = 5.0
_ALL_CELLS = ""
_SUGGESTED_AT_FIRST = 12  # samples whose suggestions are listed without scrolling


def quality_section(report: DatasetReport) -> None:
    plan = plan_of(report)
    key = f"quality-{report.source_id}"
    panel = st.expander("Quality control", icon=":material/rule:", key=key, on_change="rerun")
    if not panel.open:  # measured only for those who look
        return
    with panel:
        quality = current().datasets.quality(report.source_id, plan)
        if quality is None:
            st.markdown(
                "Counts, genes and the shares of mitochondrial, ribosomal and haemoglobin counts of each cell are "
                "measured in one pass over the file. Nothing is removed unless you set a limit."
            )
            work_button(
                "measure",
                report.source_id,
                "Measure cells",
                lambda: current().datasets.measure(report.source_id, plan),
            )
        else:
            _measured(report, quality)


def _measured(report: DatasetReport, quality: Quality) -> None:
    plan = _with_sample(report, quality)
    genes = [f"{count(quality.report.class_genes[name])} {word}" for name, word in CLASSES.items()]
    where = f"in {code(quality.report.symbols)}" if quality.report.symbols else "by their names"
    st.caption(f"Genes recognised {where}: {listed(genes)}.")
    samples = quality.samples(plan.qc_sample_key)
    doublets = current().datasets.doublets(report.source_id, plan)
    scores = doublets or Doublets(np.full(quality.report.n_obs, np.nan), {})
    judged = judge(quality.cells, plan, samples, scores)
    _removed(plan, quality, judged)
    _suggested(report, quality, samples)
    _limits(report, quality)
    _figures(report, quality, samples, judged)
    _doublets(report, doublets)


def _with_sample(report: DatasetReport, quality: Quality) -> PrepareSpec:
    """The plan, once the column of the samples was chosen."""
    columns = quality.report.sample_columns
    plan = plan_of(report)
    if plan.qc_sample_key is not None and plan.qc_sample_key not in columns:
        change(report, qc_sample_key=None)
    if not columns:
        return plan_of(report)
    key = f"qc-sample-{report.source_id}"
    if key not in st.session_state and plan.qc_sample_key is None and not filters_cells(plan):
        likely = batch_of(report)
        change(report, qc_sample_key=likely if likely in columns else None)
    st.session_state[key] = plan_of(report).qc_sample_key or _ALL_CELLS
    one = _SETTINGS["qc_sample_key"]
    st.selectbox(
        one.label,
        [_ALL_CELLS, *columns],
        key=key,
        format_func=lambda name: name or sentence_case(one.none),
        help=one.help,
        on_change=lambda: change(report, qc_sample_key=st.session_state[key] or None),
    )
    return plan_of(report)


def _removed(plan: PrepareSpec, quality: Quality, judged: Judged) -> None:
    """Who would be removed, before anything is."""
    n_cells = len(judged.passed)
    if not judged.removed:
        st.markdown(f"No limit is set: all {counted(n_cells, 'cell')} are kept.")
        return
    share = percent(judged.n_removed / max(1, n_cells))
    st.markdown(f"**{count(judged.n_removed)} of {counted(n_cells, 'cell')} would be removed** ({share}):")
    rules = list(judged.removed)
    has_mt = bool(quality.report.class_genes["mt"])
    limits = [limit_said(plan, rule) for rule in rules]
    reasons = rule_reasons(rules, limits, plan.qc_sample_key or "", has_mt)
    for rule, reason in zip(rules, reasons, strict=True):
        st.markdown(f"- {count(int(judged.removed[rule].sum()))} {literal(reason)}")


def _suggested(report: DatasetReport, quality: Quality, samples: Samples) -> None:
    """Limits of each sample by median absolute deviations, and the switch that takes them."""
    plan = plan_of(report)
    one = _SETTINGS["max_mads"]
    key, number = f"qc-mads-on-{report.source_id}", f"qc-mads-{report.source_id}"
    mads = plan.max_mads or _USUAL_MADS
    st.session_state[key] = plan.max_mads is not None
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.toggle(
            "Remove outliers of each sample",
            key=key,
            help=one.help,
            on_change=lambda: change(report, max_mads=mads if st.session_state[key] else None),
        )
        if plan.max_mads is not None:
            st.session_state[number] = plan.max_mads
            st.number_input(
                one.label,
                min_value=one.ge,
                max_value=one.le,
                step=0.5,
                key=number,
                width=200,
                on_change=lambda: change(report, max_mads=float(st.session_state[number])),
            )
    rows = [
        {
            "Sample": limits.sample,
            "Cells": limits.n_cells,
            "Counts, median": round(limits.counts[0]),
            "Counts, limits": _between(limits.counts[1], limits.counts[2]),
            "Genes, median": round(limits.genes[0]),
            "Genes, limits": _between(limits.genes[1], limits.genes[2]),
            "Mitochondrial %, median": round(limits.pct_mt[0], 2),
            "Mitochondrial %, limit": round(limits.pct_mt[1], 2) if np.isfinite(limits.pct_mt[1]) else None,
        }
        for limits in suggestions(quality.cells, samples, mads)
    ]
    st.caption(
        f"Suggested limits: {mads:g} median absolute deviations (MADs) from the median of each sample."
    )
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        height="auto" if len(rows) <= _SUGGESTED_AT_FIRST else 460,
        alt="Medians and suggested limits of each sample",
    )


def _between(low: float, high: float) -> str:
    if not np.isfinite([low, high]).all():
        return "none"
    return f"{count(round(low))} to {count(round(high))}"


def _limits(report: DatasetReport, quality: Quality) -> None:
    """Limits for all cells alike, as numbers."""
    names = ["min_counts", "max_counts", "min_genes", "max_genes"]
    names += ["max_pct_mt"] if quality.report.class_genes["mt"] else []
    st.markdown("**Limits for all cells**")
    with st.grid(3, min_column_width=200):
        for name in [*names, "min_cells_per_gene"]:
            _limit(report, name)
    if not quality.report.class_genes["mt"]:
        st.caption(
            "No mitochondrial genes were recognised, so cells cannot be judged by their mitochondrial share."
        )
    fewest = plan_of(report).min_cells_per_gene
    if fewest and (n_genes := quality.rare_genes(fewest)) is not None:
        st.caption(
            f"{counted(n_genes, 'gene')} detected in fewer than {counted(fewest, 'cell')} of the file."
        )


def _limit(report: DatasetReport, name: str) -> None:
    one, key = _SETTINGS[name], f"qc-{name}-{report.source_id}"
    assert one.ge is not None
    assert one.le is not None
    value = getattr(plan_of(report), name)
    st.session_state[key] = None if value == one.default else value
    whole = one.kind is int
    st.number_input(
        one.label,
        min_value=int(one.ge) if whole else one.ge,
        max_value=int(one.le) if whole else one.le,
        value=None,
        step=1 if whole else 0.5,
        key=key,
        placeholder="no limit",
        help=one.help,
        on_change=lambda: _take(report, name, st.session_state[key]),
    )


def _take(report: DatasetReport, name: str, value: float | None) -> None:
    """A limit as typed or dragged; what is not allowed becomes the nearest that is."""
    one = _SETTINGS[name]
    taken = one.default if value is None else one.nearest(round(value) if one.kind is int else float(value))
    change(report, **{name: taken})


# --- figures ---


def _figures(report: DatasetReport, quality: Quality, samples: Samples, judged: Judged) -> None:
    cells, has_mt = quality.cells, bool(quality.report.class_genes["mt"])
    panels: list[tuple[str, npt.NDArray[Any], bool, tuple[str, ...]]] = [
        ("Counts per cell", cells.counts, True, ("min_counts", "max_counts")),
        ("Genes per cell", cells.genes, True, ("min_genes", "max_genes")),
    ]
    if has_mt:
        panels.append(("Mitochondrial % of counts", cells.pct_mt, False, ("max_pct_mt",)))
    st.caption("Limits that are set are lines in the figures: drag them, or type a number above.")
    with st.grid(2, min_column_width=340):
        for title, values, logarithmic, names in panels:
            _violins(report, title, values, samples, logarithmic, names)
        share = cells.pct_mt if has_mt else cells.complexity
        chart = counts_genes_chart(
            cells.counts, cells.genes, share, judged.passed, share_name="mito %" if has_mt else "complexity"
        )
        live_chart(chart, key=f"qc-scatter-{report.source_id}", height=320, name="counts and genes")
    more = [("Ribosomal", cells.pct_ribo, "ribo"), ("Haemoglobin", cells.pct_hb, "hb")]
    told = [
        f"{word.lower()} share {np.median(values):.1f} %"
        for word, values, name in more
        if quality.report.class_genes[name]
    ]
    told.append(f"complexity (log10 genes / log10 counts) {np.median(cells.complexity):.2f}")
    st.caption(f"Medians over all cells: {listed(told)}.")


def _violins(
    report: DatasetReport,
    title: str,
    values: npt.NDArray[Any],
    samples: Samples,
    logarithmic: bool,
    names: Sequence[str],
) -> None:
    plan = plan_of(report)
    given = [name for name in names if getattr(plan, name) != getattr(_NONE, name)]
    chart = violin_chart(
        values,
        samples.codes,
        samples.names,
        title=title,
        logarithmic=logarithmic,
        lines=[getattr(plan, name) for name in given],
        dark=st.context.theme.type == "dark",
        revision=f"{plan.qc_sample_key}",
    )

    def dragged(line: int, height: float) -> None:
        if line < len(given):
            _take(report, given[line], round(value_at(height, logarithmic), 2))

    live_chart(
        chart, key=f"qc-{names[-1]}-{report.source_id}-figure", height=320, name=title, on_drag=dragged
    )


# --- doublets ---


def _doublets(report: DatasetReport, doublets: Doublets | None) -> None:
    plan = plan_of(report)
    st.markdown("**Doublets**")
    if doublets is None:
        st.caption("Scrublet compares each cell with sums of two others of its sample.")
        begin = partial(current().datasets.score_doublets, report.source_id, plan)
        work_button("doublets", report.source_id, "Score doublets", begin)
        if plan.max_doublet_score is not None:
            st.caption("The limit on doublet scores is applied when the data set is prepared.")
        return
    known = doublets.scores[np.isfinite(doublets.scores)]
    if len(known):
        _limit(report, "max_doublet_score")
        chart = violin_chart(
            known,
            np.zeros(len(known), np.int64),
            ("all cells",),
            title="Doublet score",
            lines=[plan.max_doublet_score],
            dark=st.context.theme.type == "dark",
        )
        live_chart(
            chart,
            key=f"qc-doublets-{report.source_id}-figure",
            height=260,
            name="doublet scores",
            on_drag=lambda _, height: _take(report, "max_doublet_score", round(height, 3)),
        )
    thresholds = [
        f"{literal(name)} {value:.2f}" for name, value in doublets.thresholds.items() if value is not None
    ]
    if thresholds:
        st.caption(f"Scrublet suggests: {', '.join(thresholds)}.")
    if doublets.unscored:
        names = ", ".join(literal(name) for name in doublets.unscored[:8])
        st.caption(f"Too few cells to score: {names}.")
    if doublets.note:
        st.caption(literal(doublets.note))
