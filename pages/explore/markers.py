"""Differential expression: which genes tell a group of cells from the others, as table, volcano and dot plot; and the
names of clusters, which the map and the exports use.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import streamlit as st

from backend import services
from backend.charts import dot_chart, volcano_chart
from backend.errors import StudioError
from backend.services import AnalysisResult
from backend.types import Labels, RunRecord
from backend.words import count
from pages.explore.groups import CHOSEN, CLUSTERS, Grouping, choose_grouping, without_model
from pages.shared.literal import literal
from pages.shared.live_chart import live_chart
from pages.shared.waiting import analysis_wait

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
        return [float(value) for value in np.asarray(result.array(name), float)[at] * factor]

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


REST = "\0rest"
_NAMED = 1000  # genes whose symbol is looked up: the surest
SEEN = [0, 5, 10, 25, 50]  # per cent of cells
SIDES = {"higher": "Higher in group", "lower": "Lower in group", "all": "All"}


def markers_section(run: RunRecord) -> None:
    st.caption(
        "Differential expression (Bayesian, scVI) between two groups of cells. Cells selected on the map can be a "
        "group too."
    )
    first, second, third = st.columns(3, gap="small")
    with first:
        grouping = choose_grouping(run)
    if grouping is None:
        return
    if len(grouping.sizes) < 2:
        st.info(
            "There is only one group, so there is nothing to compare. Select other groups.",
            icon=":material/info:",
        )
        return
    if without_model(run, "find marker genes"):
        if grouping.labels is not None:
            names_editor(run.run_id, grouping.labels, grouping.sizes)
        return
    one, other = _sides(run.run_id, grouping, second, third)
    others = [] if other == REST else grouping.parts(other)
    options = {"groups": grouping.options, "one": grouping.parts(one), "other": others}
    against = "all other cells" if other == REST else other
    found = analysis_wait(
        run.run_id,
        "markers",
        button="Find marker genes",
        help="Samples expression from the model for both groups; takes seconds to a minute.",
        options=options,
    )
    if found is not None:
        _result(run, found, one, against)
    _every_group(run, grouping)
    if grouping.labels is not None:
        names_editor(run.run_id, grouping.labels, grouping.sizes)


def _sides(run_id: str, grouping: Grouping, left: Any, right: Any) -> tuple[str, str]:
    def shown(name: str) -> str:
        return "all other cells" if name == REST else f"{name} ({count(grouping.sizes[name])} cells)"

    names = list(grouping.sizes)
    one_key, other_key = f"markers-one-{run_id}", f"markers-other-{run_id}"
    if grouping.source == CHOSEN:
        names = names[:1]
    if st.session_state.get(one_key) not in names:
        st.session_state[one_key] = names[0]
    with left:
        one = st.selectbox(
            "Group", names, format_func=shown, key=one_key, help="The group to find markers of."
        )
    others = [REST, *(name for name in names if name != one)]
    if st.session_state.get(other_key) not in others:
        st.session_state[other_key] = REST
    with right:
        other = st.selectbox(
            "Reference",
            others,
            format_func=shown,
            key=other_key,
            help="All other cells, or one group.",
        )
    return one, other


def _result(run: RunRecord, found: AnalysisResult, one: str, against: str) -> None:
    facts, dark = found.facts, st.context.theme.type == "dark"
    with st.container(border=True):
        st.markdown(
            f"**{count(facts['n_significant'])} genes** differ between **{literal(one, limit=60)}** "
            f"({count(facts['n_one'])} cells) and **{literal(against, limit=60)}** ({count(facts['n_other'])} cells) "
            "at 5 % FDR."
        )
        names = _names(run, found)
        chart = volcano_chart(
            [names[gene] for gene in found.array("gene").tolist()],
            found.array("lfc_median"),
            found.array("proba_de"),
            found.array("significant"),
            samples=int(facts["samples"]),
            dark=dark,
            revision=f"{run.run_id}-{one}-{against}",
        )
        live_chart(chart, key=f"volcano-{run.run_id}", height=420, name=f"{run.name}-markers")
        st.caption(
            "Right: higher in the group. Up: higher probability of differential expression. A gene counts as "
            f"differentially expressed above a log2 fold change of {facts['delta']:g} (scVI, "
            f"{count(facts['samples'])} posterior samples per group)."
        )
        _table(run, found, one, against, names)


def _table(run: RunRecord, found: AnalysisResult, one: str, against: str, names: dict[str, str]) -> None:
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        side = st.segmented_control(
            "Genes to show",
            list(SIDES),
            default="higher",
            required=True,
            format_func=SIDES.__getitem__,
            label_visibility="collapsed",
            key=f"markers-side-{run.run_id}",
        )
        seen = st.selectbox(
            "Expressed in",
            SEEN,
            index=SEEN.index(10),
            format_func=lambda part: f"expressed in ≥ {part} % of cells" if part else "no expression filter",
            key=f"markers-seen-{run.run_id}",
            label_visibility="collapsed",
            width=240,
            help="Minimum percentage of cells that express the gene, in the group where it is higher.",
        )
        st.download_button(
            "All genes (.csv)",
            data=lambda: as_csv(found, one, against),
            file_name=f"{_stem(run.name)}-{_stem(one)}-markers.csv",
            mime="text/csv",
            icon=":material/download:",
            help="All genes with all statistics.",
            key=f"markers-csv-{run.run_id}",
        )
    number = st.column_config.NumberColumn
    percent = st.column_config.ProgressColumn
    st.dataframe(
        rows(found, names, direction=side or "higher", seen=seen / 100),
        hide_index=True,
        height=360,
        column_config={
            "gene": st.column_config.TextColumn("Gene", pinned=True),
            "effect": number("log2 fold change", format="%.2f", help="Median; 1 is a two-fold difference."),
            "probability": number(
                "Probability", format="%.3f", help="Posterior probability of differential expression."
            ),
            "fraction1": percent("% expressing, group", format="%.0f", min_value=0, max_value=100),
            "fraction2": percent("% expressing, reference", format="%.0f", min_value=0, max_value=100),
            "mean1": number("Mean count, group", format="%.3g"),
            "mean2": number("Mean count, reference", format="%.3g"),
            "bayes": number("Bayes factor (ln)", format="%.1f", help="Natural log of the posterior odds."),
        },
    )
    st.caption(f"Up to {SHOWN} genes with the highest probability; the file has all genes.")


def _every_group(run: RunRecord, grouping: Grouping) -> None:
    if grouping.source == CHOSEN:
        return
    with st.container(border=True):
        st.subheader("Top genes of every group", anchor=False)
        found = analysis_wait(
            run.run_id,
            "top_genes",
            button="Compute top genes",
            help="Compares each group with all other cells; a few seconds per group.",
            options={"groups": grouping.merged},
        )
        if found is None:
            n = len(grouping.sizes)
            which = (
                f"{n} clusters"
                if grouping.source == CLUSTERS
                else f"{n} groups of {literal(grouping.source)}"
            )
            st.caption(f"Dot plot of the marker genes of {which}.")
            return
        names = _names(run, found)
        genes = [names[gene] for gene in found.array("gene").tolist()]
        groups = [grouping.shown(name) for name in found.facts["groups"]]
        live_chart(
            dot_chart(
                genes,
                groups,
                found.array("fraction"),
                found.array("mean"),
                dark=st.context.theme.type == "dark",
                revision=f"{run.run_id}-{grouping.source}",
            ),
            key=f"dots-{run.run_id}",
            height=max(260, 130 + 30 * len(groups)),
            name=f"{run.name}-top-genes",
        )
        st.caption(
            "Dot size: fraction of cells expressing the gene. Colour: mean of log(1 + counts per 10,000)."
        )


def _names(run: RunRecord, found: AnalysisResult) -> dict[str, str]:
    """What each gene is shown as: its symbol too, where the file has one."""
    cells, genes = services.current().cells, found.array("gene").tolist()
    shown = {gene: cells.gene_label(run.spec.dataset_id, gene) for gene in genes[:_NAMED]}
    return {gene: shown.get(gene, gene) for gene in genes}


def _stem(name: str) -> str:
    return re.sub(r"[^\w-]+", "-", name, flags=re.ASCII).strip("-")[:60] or "cells"


_REFUSED = "cluster_names_refused"


def names_editor(run_id: str, labels: Labels, sizes: dict[str, int]) -> None:
    with st.container(border=True):
        st.subheader("Name the clusters", anchor=False)
        st.caption(
            "Names are kept with the run, shown on the map and exported with the cells. Clusters with the same name "
            "form one group."
        )
        if refused := st.session_state.pop(_REFUSED, None):
            st.warning(refused, icon=":material/info:")
        groups = list(labels.groups)
        options = labels.options
        left, right = st.columns(2, gap="medium")
        with left, st.form(f"rename-{run_id}", border=False, clear_on_submit=True):
            cluster = st.selectbox(
                "Group",
                groups,
                format_func=lambda n: f"{n} ({count(sizes[n])} cells)",
                help="The group to rename.",
            )
            name = st.text_input("New name", max_chars=80, help="For example a cell type.")
            if st.form_submit_button("Rename", icon=":material/edit:"):
                first = labels.groups[cluster][0]
                _do(lambda: services.current().analyses.names.rename(run_id, options, first, name))
        with right, st.form(f"merge-{run_id}", border=False, clear_on_submit=True):
            several = st.multiselect(
                "Groups to merge", groups, help="Two or more groups of the same cell type."
            )
            together = st.text_input("Merged name", max_chars=80, help="The name of the merged group.")
            if st.form_submit_button("Merge", icon=":material/merge:"):
                _do(lambda: services.current().analyses.names.merge(run_id, options, several, together))
        with st.container(horizontal=True):
            st.button(
                "Undo",
                icon=":material/undo:",
                disabled=not labels.can_undo,
                help="Undoes the last rename or merge.",
                on_click=_quietly,
                args=(lambda: services.current().analyses.names.undo(run_id, options),),
                key=f"undo-names-{run_id}",
            )
            st.button(
                "Reset names",
                icon=":material/restart_alt:",
                disabled=not labels.given,
                help="Restores the numbered clusters. Undo brings the names back.",
                on_click=_quietly,
                args=(lambda: services.current().analyses.names.reset(run_id, options),),
                key=f"reset-names-{run_id}",
            )


def _do(change: Callable[[], object]) -> None:
    _quietly(change)
    st.rerun()


def _quietly(change: Callable[[], object]) -> None:
    try:
        change()
    except StudioError as error:
        st.session_state[_REFUSED] = str(error)
