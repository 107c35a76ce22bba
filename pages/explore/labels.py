"""Do the clusters agree with labels that the cells came with? A number, what it means, and which went where."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st

from backend import services
from backend.charts import overlap_chart
from backend.errors import StudioError
from backend.types import RunRecord
from backend.words import count, percent
from pages.explore.colour import named_clusters
from pages.explore.groups import clusters_of, columns
from pages.shared.literal import literal
from pages.shared.live_chart import live_chart
from pages.shared.waiting import analysis_wait

_WORDS = ("cell_type", "celltype", "cell.type", "cell type", "label", "annot", "ident")
GOOD, FAIR = 0.7, 0.4  # adjusted Rand index
TOGETHER = 0.5  # of the way from chance to all neighbours of one label


def labels_section(run: RunRecord) -> None:
    st.fragment(_labels)(run)


def _labels(run: RunRecord) -> None:
    names = columns(run)
    if not names and (missing := _missing(run)):
        st.info(literal(missing, limit=300), icon=":material/info:")
        return
    if not names:
        st.info(
            "The data has no column that says what a cell is, so there is nothing to compare the clusters with.",
            icon=":material/info:",
        )
        return
    likely = next((name for name in names if any(word in name.casefold() for word in _WORDS)), names[0])
    shown = clusters_of(run.run_id)
    with st.container(horizontal=True):
        label = st.selectbox(
            "Known labels",
            names,
            index=names.index(likely),
            key=f"labels_column_{run.run_id}",
            help="The column that says what each cell is, as somebody found it before.",
        )
        resolution = st.slider(
            "Resolution",
            0.1,
            3.0,
            float(shown.options["resolution"]) if shown is not None else 1.0,
            0.1,
            key=f"labels_resolution_{run.run_id}",
            help="Higher finds more and smaller clusters. Agreement is best where it finds about as many as labels.",
        )
    options = {"label": label, "resolution": resolution}
    found = analysis_wait(run.run_id, "known_labels", auto=True, options=options)
    if found is None:
        return
    facts = found.facts
    _numbers(facts)
    st.markdown(sentence(facts, label))
    analyses = services.current().analyses
    leiden = analyses.result(run.run_id, "leiden", resolution=resolution)
    if leiden is None:
        return
    clusters = np.asarray(leiden.array("labels"))
    groups = named_clusters(clusters, analyses.labels(run.run_id, leiden.options))
    table = np.zeros((len(groups.levels), len(facts["levels"])), np.int64)
    member = np.zeros(facts["n_clusters"], np.int64)
    member[clusters] = groups.codes
    np.add.at(table, member, np.asarray(found.array("table")))
    with st.container(border=True):
        live_chart(
            overlap_chart(
                table,
                facts["levels"],
                list(groups.levels),
                dark=st.context.theme.type == "dark",
                revision=f"{run.run_id}-{label}-{resolution}",
            ),
            key=f"overlap-{run.run_id}",
            height=170 + 26 * min(len(facts["levels"]), 40),
            name=f"{run.name}-clusters-and-labels",
        )
        st.caption(
            "Each row is a label, and its shades say into which clusters its cells went. One strong square in a row: "
            "the cluster is the label. Several: the label was split. Strong squares of two rows in one column: these "
            "labels were merged. Point at a square for its numbers."
        )


def _missing(run: RunRecord) -> str:
    """Why the table of the cells cannot be read; empty where it can."""
    try:
        services.current().cells.columns(run.spec.dataset_id)
    except StudioError as error:
        return str(error)
    return ""


def _numbers(facts: dict[str, Any]) -> None:
    with st.container(horizontal=True):
        st.metric(
            "Clusters agree with labels",
            f"{facts['ari']:.2f}",
            "1 is the same, 0 is chance",
            delta_color="off",
            delta_arrow="off",
            border=True,
            help="Adjusted Rand index of the Leiden clusters with the labels. It counts pairs of cells that both put "
            "together or both keep apart, so many small clusters lower it even where each holds one label only.",
        )
        st.metric(
            "Neighbours of the same label",
            percent(facts["same_label"]),
            f"{percent(facts['chance_label'], 0)} by chance",
            delta_color="off",
            delta_arrow="off",
            border=True,
            help="Of a cell's 15 nearest neighbours in the latent space, the share with its own label.",
        )
        st.metric(
            "Clusters",
            count(facts["n_clusters"]),
            f"{count(len(facts['levels']))} labels",
            delta_color="off",
            delta_arrow="off",
            border=True,
        )


def sentence(facts: dict[str, Any], label: str) -> str:
    """What the numbers say, in Markdown."""
    chance = facts["chance_label"]
    together = (facts["same_label"] - chance) / max(1e-9, 1 - chance)
    if facts["ari"] >= GOOD:
        said = f"The clusters are largely the groups of **{literal(label)}**."
    elif facts["ari"] >= FAIR or together >= TOGETHER:
        said = f"The clusters follow **{literal(label)}** in part."
    else:
        said = f"The clusters have little to do with **{literal(label)}**."
    if facts["ari"] < GOOD and facts["same_label"] > 0.8:
        finer = facts["n_clusters"] > len(facts["levels"])
        said += (
            f" Cells of one label do lie together, but they are cut {'more' if finer else 'less'} finely than the "
            f"labels: try a {'lower' if finer else 'higher'} resolution."
        )
    if facts["n_unknown"]:
        said += f" {count(facts['n_unknown'])} cells have no label and are left out."
    return said
