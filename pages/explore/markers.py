"""Which genes tell a group of cells from the others: choose two sides, see the genes, take the table away."""

from __future__ import annotations

import re
from typing import Any

import streamlit as st

from backend import services
from backend.charts import dot_chart, volcano_chart
from backend.services import AnalysisResult
from backend.types import RunRecord
from backend.words import count
from pages.explore.elsewhere import without_model
from pages.explore.groups import CHOSEN, CLUSTERS, Grouping, choose_grouping
from pages.explore.markers_names import names_editor
from pages.explore.markers_table import SHOWN, as_csv, rows
from pages.shared.literal import literal
from pages.shared.live_chart import live_chart
from pages.shared.waiting import analysis_wait

REST = "\0rest"
_NAMED = 1000  # genes whose symbol is looked up: the surest
SEEN = [0, 5, 10, 25, 50]  # per cent of cells
SIDES = {"higher": "Higher in the group", "lower": "Lower", "all": "All"}


def markers_section(run: RunRecord) -> None:
    st.caption(
        "The model is asked how strongly each gene differs between two groups of cells, and how sure it is. "
        "Drawing around cells on the map makes a group too."
    )
    first, second, third = st.columns(3, gap="small")
    with first:
        grouping = choose_grouping(run, key="markers")
    if grouping is None:
        return
    if len(grouping.sizes) < 2:
        st.info(
            "These are all one group: there is nothing to compare. Choose other groups.",
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
        help="Samples expression from the model for both groups. Takes seconds to a minute.",
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
        one = st.selectbox("Genes of", names, format_func=shown, key=one_key, help="The group to describe.")
    others = [REST, *(name for name in names if name != one)]
    if st.session_state.get(other_key) not in others:
        st.session_state[other_key] = REST
    with right:
        other = st.selectbox(
            "Against",
            others,
            format_func=shown,
            key=other_key,
            help="What it is compared with: the rest, or a group.",
        )
    return one, other


def _result(run: RunRecord, found: AnalysisResult, one: str, against: str) -> None:
    facts, dark = found.facts, st.context.theme.type == "dark"
    with st.container(border=True):
        st.markdown(
            f"**{count(facts['n_significant'])} genes** differ between **{literal(one, limit=60)}** "
            f"({count(facts['n_one'])} cells) and **{literal(against, limit=60)}** ({count(facts['n_other'])} cells), "
            "with 5 % of them expected to be wrong."
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
            "To the right: higher in the group; 1 means twice as much, 2 four times. Upwards: surer. A gene counts as "
            f"different from a log2 fold change of {facts['delta']:g} on. scVI's differential expression, from "
            f"{count(facts['samples'])} samples of each side."
        )
        _table(run, found, one, against, names)


def _table(run: RunRecord, found: AnalysisResult, one: str, against: str, names: dict[str, str]) -> None:
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        side = st.segmented_control(
            "Genes to list",
            list(SIDES),
            default="higher",
            required=True,
            format_func=SIDES.__getitem__,
            label_visibility="collapsed",
            key=f"markers-side-{run.run_id}",
        )
        seen = st.selectbox(
            "Seen in",
            SEEN,
            index=SEEN.index(10),
            format_func=lambda part: f"{part} % of the cells or more" if part else "any number of cells",
            key=f"markers-seen-{run.run_id}",
            label_visibility="collapsed",
            width=240,
            help="Leaves out genes that hardly any cell has, on the side where they are higher.",
        )
        st.download_button(
            "All genes (.csv)",
            data=lambda: as_csv(found, one, against),
            file_name=f"{_stem(run.name)}-{_stem(one)}-markers.csv",
            mime="text/csv",
            icon=":material/download:",
            help="Every gene with all numbers, for a spreadsheet.",
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
            "effect": number("log2 fold change", format="%.2f", help="Median; 1 means twice as much."),
            "probability": number("Probability", format="%.3f", help="That the difference is real."),
            "fraction1": percent("Cells with it, group (%)", format="%.0f", min_value=0, max_value=100),
            "fraction2": percent("Cells with it, other (%)", format="%.0f", min_value=0, max_value=100),
            "mean1": number("Mean count, group", format="%.3g"),
            "mean2": number("Mean count, other", format="%.3g"),
            "bayes": number("Bayes factor (ln)", format="%.1f", help="ln of probability over its opposite."),
        },
    )
    st.caption(f"The surest {SHOWN} genes at most; the file has all of them.")


def _every_group(run: RunRecord, grouping: Grouping) -> None:
    if grouping.source == CHOSEN:
        return
    with st.container(border=True):
        st.subheader("Every group at a glance", anchor=False)
        found = analysis_wait(
            run.run_id,
            "top_genes",
            button="Find the top genes of every group",
            help="Compares each group with all other cells: a few seconds a group.",
            options={"groups": grouping.merged},
        )
        if found is None:
            n = len(grouping.sizes)
            which = (
                f"{n} clusters"
                if grouping.source == CLUSTERS
                else f"{n} groups of {literal(grouping.source)}"
            )
            st.caption(f"The genes that mark each of the {which}, in one picture.")
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
            "A larger dot: more cells of the group have the gene. A stronger colour: more of it, as the mean of "
            "log(1 + counts per 10,000)."
        )


def _names(run: RunRecord, found: AnalysisResult) -> dict[str, str]:
    """What each gene is shown as: its symbol too, where the file has one."""
    cells, genes = services.current().cells, found.array("gene").tolist()
    shown = {gene: cells.gene_label(run.spec.dataset_id, gene) for gene in genes[:_NAMED]}
    return {gene: shown.get(gene, gene) for gene in genes}


def _stem(name: str) -> str:
    return re.sub(r"[^\w-]+", "-", name, flags=re.ASCII).strip("-")[:60] or "cells"
