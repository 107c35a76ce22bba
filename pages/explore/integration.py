"""Integration metrics: how well batches mix against the cells without scVI, and whether clusters agree with labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st

from backend import services
from backend.charts import overlap_chart
from backend.columns import likely_labels
from backend.errors import StudioError
from backend.types import Groups, RunRecord
from backend.words import count, counted, integration_sentences, percent
from pages.explore.groups import clusters_of, columns
from pages.explore.map import cell_names
from pages.shared.cell_map import MapPanel, by_groups, cell_map
from pages.shared.label_boxes import label_boxes
from pages.shared.literal import literal
from pages.shared.live_chart import live_chart
from pages.shared.named_clusters import named_clusters
from pages.shared.waiting import analysis_wait


def integration_section(run: RunRecord, *, stage: bool = False) -> None:
    st.fragment(_integration)(run, stage)


def _integration(run: RunRecord, stage: bool) -> None:
    if not columns(run):
        missing = _missing(run)
        text = missing or "obs has no categorical column, such as a donor or a cell type, to compare by."
        st.info(literal(text, limit=300), icon=":material/info:")
        return
    with st.container(key="integration_boxes", horizontal=True, vertical_alignment="bottom"):
        if stage:
            batch, label = services.current().cells.likely(run)
        else:
            batch, label = label_boxes(run, key="integration")
        shown = _colour_by(batch, label)
    if batch is None and label is None:
        st.info("Select a batch or a cell type column.", icon=":material/touch_app:")
        return
    found = analysis_wait(
        run.run_id,
        "mixing",
        options={"batch": batch, "label": label},
        button="Compare with unintegrated data",
        help="Also computes PCA and UMAP of the normalised counts; takes about as long as the first UMAP.",
        auto=batch is not None and batch == run.spec.batch_key,
    )
    before = services.current().analyses.result(run.run_id, "before")
    after = analysis_wait(run.run_id, "umap", auto=True) if found is not None else None
    if found is None or before is None or after is None:
        st.caption(
            "Left: normalised counts and PCA, without integration. Right: the latent space of the model. "
            "A good integration mixes batches and keeps cell types apart."
        )
        return
    _verdict(found.facts, batch, label)
    values = services.current().cells.column(run.spec.dataset_id, shown)
    assert isinstance(values, Groups)
    cell_map(
        [
            MapPanel(
                "Without scVI",
                before.array("xy"),
                f"PCA of {counted(before.facts['n_genes'], 'gene')}, then UMAP",
            ),
            MapPanel("With scVI", after.array("xy"), "Latent space of the model, then UMAP"),
        ],
        by_groups(shown, values),
        key=f"integration-{run.run_id}",
        runs=[run.run_id],
        names=cell_names(run),
        compact=not stage,
        stage=stage,
        saved_as="before-and-after",
    )


def _colour_by(batch: str | None, label: str | None) -> str:
    options = [name for name in (batch, label) if name is not None]
    if not options:
        return ""
    shown = st.segmented_control(
        "Colour by",
        options,
        default=options[0],
        format_func=lambda name: literal(name, limit=40),
        key="integration_colour",
        required=True,
    )
    return shown if shown in options else options[0]


def _verdict(facts: dict[str, Any], batch: str | None, label: str | None) -> None:
    """What was found in words, and beneath it each metric by its name."""
    st.markdown(" ".join(sentences(facts, batch, label)))
    before, after = facts["before"], facts["after"]
    others = facts.get("n_others", 14)  # scanpy's 15 neighbours count the cell itself
    with st.container(key="integration_numbers", horizontal=True):
        if batch is not None:
            _change(
                "Batch mixing (entropy)",
                before["entropy"],
                after["entropy"],
                f"Entropy of batches among a cell and its {others} nearest neighbours: 0 if all are from one batch, 1 "
                "if as mixed as in random cells. Higher is better.",
            )
            _change(
                "Batch mixing (iLISI)",
                before["ilisi"],
                after["ilisi"],
                "Local inverse Simpson's index of the batches (Korsunsky 2019), median over up to 2,000 cells, scaled "
                "as in scIB: 0 if unmixed, 1 if all batches are alike around every cell. Higher is better.",
            )
            _beside(
                "Same-batch neighbours (kNN)",
                _percent(after["same_batch"]),
                f"{_percent(before['same_batch'])} without · {_percent(facts['chance_batch'])} by chance",
                help=f"Fraction of the {others} nearest neighbours of a cell that are from its own batch. Well mixed: "
                "close to chance.",
            )
        if label is not None:
            _beside(
                "Cell-type purity (kNN)",
                _percent(after["same_label"]),
                f"{_percent(before['same_label'])} without · {_percent(facts['chance_label'])} by chance",
                help=f"Fraction of the {others} nearest neighbours of a cell with its own label. High: cell types "
                "stay apart.",
            )
            _change(
                "Cell-type separation (cLISI)",
                before["clisi"],
                after["clisi"],
                "Local inverse Simpson's index of the labels, scaled as in scIB: 1 if every cell is among its own cell "
                "type. Higher is better.",
            )


def _change(label: str, before: float, after: float, help: str) -> None:
    """A number from 0 to 1, where higher is better, and what it was without scVI."""
    st.metric(
        label,
        f"{after:.2f}",
        f"{before:.2f} without scVI",
        delta_color="off",
        delta_arrow="off",
        border=True,
        help=help,
    )


def _beside(label: str, value: str, reference: str, help: str | None = None) -> None:
    """A number and, beneath it, what to read it against."""
    st.metric(label, value, reference, delta_color="off", delta_arrow="off", border=True, help=help)


def sentences(facts: dict[str, Any], batch: str | None, label: str | None) -> list[str]:
    """What the numbers say, in Markdown."""
    return integration_sentences(facts, batch, label, lambda name: f"**{literal(name)}**")


def _percent(share: float) -> str:
    return percent(share, 0) if np.isfinite(share) else "–"


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
            "obs has no label column to compare the clusters with.",
            icon=":material/info:",
        )
        return
    likely = next(iter(likely_labels(names)), names[0])
    shown = clusters_of(run.run_id)
    proposal = analysis_wait(run.run_id, "resolution", auto=True) if shown is None else shown
    if proposal is None:
        return
    first = proposal.facts["resolution"] if shown is None else shown.options["resolution"]
    with st.container(horizontal=True):
        label = st.selectbox(
            "Labels",
            names,
            index=names.index(likely),
            key=f"labels_column_{run.run_id}",
            help="A column of obs with known cell types or other annotations.",
        )
        resolution = st.slider(
            "Resolution",
            0.1,
            3.0,
            float(first),
            0.1,
            key=f"labels_resolution_{run.run_id}",
            help="Higher values give more and smaller clusters. Agreement is usually best with about as many "
            "clusters as labels.",
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
    groups = named_clusters(clusters, analyses.names.of(run.run_id, leiden.options))
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
            "Rows are labels, columns are clusters; shading shows the fraction of each label in each cluster. One dark "
            "square in a row: the cluster matches the label. Several: the label was split. Dark squares of two rows in "
            "one column: the labels were merged. Hover over a square for its numbers."
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
        _beside(
            "Adjusted Rand index (ARI)",
            f"{facts['ari']:.2f}",
            "1: identical, 0: chance",
            help="Agreement of the Leiden clusters with the labels, by pairs of cells. Many small clusters lower it "
            "even if each contains only one label.",
        )
        _beside(
            "Same-label neighbours (kNN purity)",
            percent(facts["same_label"]),
            f"{percent(facts['chance_label'], 0)} by chance",
            help="Fraction of the 15 nearest neighbours in the latent space with the same label.",
        )
        _beside(
            "Clusters",
            count(facts["n_clusters"]),
            f"{count(len(facts['levels']))} labels",
        )


def sentence(facts: dict[str, Any], label: str) -> str:
    """What the numbers say, in Markdown."""
    chance = facts["chance_label"]
    together = (facts["same_label"] - chance) / max(1e-9, 1 - chance)
    if facts["ari"] >= GOOD:
        said = f"The clusters largely match **{literal(label)}**."
    elif facts["ari"] >= FAIR or together >= TOGETHER:
        said = f"The clusters partly match **{literal(label)}**."
    else:
        said = f"The clusters do not match **{literal(label)}**."
    if facts["ari"] < GOOD and facts["same_label"] > 0.8:
        finer = facts["n_clusters"] > len(facts["levels"])
        said += (
            f" Cells with the same label lie together, but the clustering is {'finer' if finer else 'coarser'} than "
            f"the labels: try a {'lower' if finer else 'higher'} resolution."
        )
    if facts["n_unknown"]:
        said += f" {count(facts['n_unknown'])} cells without a label are left out."
    return said
