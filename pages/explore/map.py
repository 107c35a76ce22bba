"""The UMAP of a run, and two runs of the same cells beside each other: cells selected in one stand out in the other."""

from __future__ import annotations

import streamlit as st

from backend import services
from backend.errors import StudioError
from backend.types import RunRecord
from backend.words import count
from pages.explore.colour import choose_colour
from pages.shared.cell_map import MapPanel, cell_map, selection
from pages.shared.waiting import analysis_wait

HOW_TO_READ = (
    "UMAP of the latent space: each point is a cell, and similar cells lie close together. Distances between "
    "distant groups are not meaningful."
)


def map_section(run: RunRecord) -> None:
    st.fragment(_map)(run)


def _map(run: RunRecord) -> None:
    found = analysis_wait(run.run_id, "umap", auto=True)
    if found is None:
        st.caption(
            "The first UMAP of a run takes a few seconds, about a minute for 50,000 cells. The result is kept."
        )
        return
    colour = choose_colour(run, key="map")
    cell_map(
        [MapPanel("", found.array("xy"))],
        colour,
        key=f"map-{run.run_id}",
        runs=[run.run_id],
        names=cell_names(run),
        saved_as="map-of-cells",
    )
    chosen = selection(run.run_id)
    st.caption(
        f"{HOW_TO_READ} To select cells, press Lasso or Box and draw around them."
        if chosen is None
        else f"{count(len(chosen))} of {count(run.n_obs)} cells are selected; the selection also applies to the other "
        "sections of this page."
    )


def cell_names(run: RunRecord) -> list[str] | None:
    try:
        return services.current().cells.names(run.spec.dataset_id)
    except StudioError:  # the data set was removed: the map itself does not need it
        return None


def linked_section(run: RunRecord) -> None:
    others = comparable(run)
    if not others:
        st.info(
            "There is no other run on the same cells yet. Train on this data set again with other settings to compare "
            "the two embeddings.",
            icon=":material/compare_arrows:",
        )
        st.page_link(
            "train/page.py",
            label="Train again",
            icon=":material/model_training:",
            query_params={"like": run.run_id},
        )
        return
    st.fragment(_linked)(run, others)


def comparable(run: RunRecord) -> list[RunRecord]:
    """Other runs with a model of the very same cells, newest first."""
    return [
        other
        for other in services.current().runs.list()
        if other.run_id != run.run_id
        and other.spec.dataset_id == run.spec.dataset_id
        and other.status.has_model
        and other.n_obs == run.n_obs
    ]


def _linked(run: RunRecord, others: list[RunRecord]) -> None:
    known = {other.run_id: other for other in others}
    asked = st.query_params.get("with")
    other_id = st.selectbox(
        "Second run",
        list(known),
        index=list(known).index(asked) if asked in known else 0,
        format_func=lambda run_id: known[run_id].name,
        key=f"linked_{run.run_id}",
        help="Runs on the same data set. Cells selected in one map are highlighted in the other.",
    )
    other = known[other_id]
    here = analysis_wait(run.run_id, "umap", auto=True)
    there = analysis_wait(other.run_id, "umap", auto=True)
    if here is None or there is None:
        return
    colour = choose_colour(run, key="linked")
    cell_map(
        [
            MapPanel(run.name, here.array("xy")),
            MapPanel(other.name, there.array("xy")),
        ],
        colour,
        key=f"linked-{run.run_id}-{other.run_id}",
        runs=[run.run_id, other.run_id],
        names=cell_names(run),
        height=430,
        saved_as="two-runs",
    )
    chosen = selection(run.run_id)
    st.caption(
        "Both maps are coloured by the first run. Press Lasso and draw around cells in one map to highlight them in "
        "the other. The maps may be rotated or mirrored relative to each other: only neighbourhoods matter."
        if chosen is None
        else f"{count(len(chosen))} cells are selected in both maps."
    )
