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
    "Each point is a cell; cells that the model finds alike lie close together. Which groups touch is worth a look; "
    "how far apart two distant groups lie means little."
)


def map_section(run: RunRecord) -> None:
    st.fragment(_map)(run)


def _map(run: RunRecord) -> None:
    found = analysis_wait(run.run_id, "umap", auto=True)
    if found is None:
        st.caption("The first map of a run takes some seconds, for 50,000 cells about a minute. It is kept.")
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
        f"{HOW_TO_READ} To choose cells, press Lasso or Box and draw around them."
        if chosen is None
        else f"{count(len(chosen))} of {count(run.n_obs)} cells are chosen; they stay chosen in the other parts of "
        "this page."
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
            "There is no other run of the same cells yet. Train this data set again with other settings, and see here "
            "which cells change places.",
            icon=":material/compare_arrows:",
        )
        st.page_link(
            "train/page.py",
            label="Train it again",
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
        "The other run",
        list(known),
        index=list(known).index(asked) if asked in known else 0,
        format_func=lambda run_id: known[run_id].name,
        key=f"linked_{run.run_id}",
        help="Runs of the same data set. Cells chosen in one map stand out in the other.",
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
        "Both maps have the colours of the first run. Press Lasso, draw around cells in one map, and see where the "
        "other run puts them. Maps may be turned or mirrored against each other: only who lies beside whom counts."
        if chosen is None
        else f"{count(len(chosen))} cells are chosen in both maps."
    )
