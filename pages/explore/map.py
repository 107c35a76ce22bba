"""The map of the cells of one run: similar cells lie close together. Coloured by what the reader asks for."""

from __future__ import annotations

import streamlit as st

from backend import services
from backend.errors import StudioError
from backend.types import RunRecord
from backend.words import count
from pages.explore.colour import choose_colour
from pages.shared.cell_map import MapPanel, cell_map
from pages.shared.cell_map_selection import selection
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
