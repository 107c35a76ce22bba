"""The UMAP of a run, and two runs of the same cells beside each other: cells selected in one stand out in the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import streamlit as st

from backend import services
from backend.errors import StudioError
from backend.types import RunRecord
from pages.explore.colour import Colouring, choose, choose_colour, show
from pages.explore.groups import compare_chosen
from pages.shared.cell_map import MapPanel, Tools, cell_map, decode
from pages.shared.literal import literal
from pages.shared.waiting import analysis_wait

HOW_TO_READ = (
    "UMAP of the latent space: each point is a cell, and similar cells lie close together. Distances between "
    "distant groups are not meaningful. To select cells, press Lasso or Box and draw around them."
)
_COLUMN = "annotation"  # what the first column of names is called
_LEAVING, _REFUSED = "map_leaving", "map_refused"


def map_section(run: RunRecord, *, stage: bool = False) -> None:
    st.fragment(_map)(run, stage)


def _map(run: RunRecord, stage: bool) -> None:
    _after_act()
    found = analysis_wait(run.run_id, "umap", auto=True)
    if found is None:
        st.caption(
            "The first UMAP of a run takes a few seconds, about a minute for 50,000 cells. The result is kept."
        )
        return
    colour, tools = coloured(run)
    cell_map(
        [MapPanel("", found.array("xy"))],
        colour,
        key=f"map-{run.run_id}",
        runs=[run.run_id],
        names=cell_names(run),
        tools=None if stage else tools,
        stage=stage,
        saved_as="map-of-cells",
    )
    if not stage:
        st.caption(HOW_TO_READ)


def coloured(run: RunRecord) -> tuple[dict[str, Any] | None, Tools]:
    """The colours of a map, while others are computed those of before, and what can be done on it."""
    colouring = choose_colour(run)
    before = f"map_coloured_{run.run_id}"
    if colouring.colour is not None:
        st.session_state[before] = colouring.colour
    columns = services.current().analyses.annotations.columns(run.run_id)
    tools = Tools(_act(run, colouring), colouring.menu, columns or [_COLUMN])
    return st.session_state.get(before), tools


def cell_names(run: RunRecord) -> list[str] | None:
    try:
        return services.current().cells.names(run.spec.dataset_id)
    except StudioError:  # the data set was removed: the map itself does not need it
        return None


# --- what was asked for on the map ---


def _act(run: RunRecord, colouring: Colouring) -> Callable[[dict[str, Any]], None]:
    def act(asked: dict[str, Any]) -> None:
        try:
            _do(run, colouring, asked)
        except StudioError as error:
            st.session_state[_REFUSED] = str(error)

    return act


def _do(run: RunRecord, colouring: Colouring, asked: dict[str, Any]) -> None:
    annotations = services.current().analyses.annotations
    undo: list[Callable[[], object] | None] = st.session_state.setdefault(f"map_undo_{run.run_id}", [])
    what = asked.get("do")
    if what in ("name", "remove", "rename"):
        undo.append(None)  # as the browser counts, also what is refused
    match what:
        case "colour" | "resolution" | "expression":
            choose(run, asked)
        case "name":
            cells = _cells(run, asked)
            column = str(asked.get("column", "")) or _COLUMN
            annotations.name(run.run_id, cells, str(asked.get("label", "")), column, _taken(run))
            undo[-1] = lambda: annotations.undo(run.run_id)
            show(run, column.strip())
        case "remove" if asked.get("column") in annotations.columns(run.run_id):
            annotations.remove(run.run_id, str(asked["column"]))
            undo[-1] = lambda: annotations.undo(run.run_id)
        case "rename" if colouring.rename is not None and colouring.colour is not None:
            levels, at = colouring.colour["levels"], asked.get("level")
            if isinstance(at, int) and 0 <= at < len(levels):
                undo[-1] = colouring.rename(levels[at], str(asked.get("name", "")))
        case "undo" if undo:
            if (take_back := undo.pop()) is not None:
                take_back()
        case "markers":
            _cells(run, asked)
            compare_chosen(run.run_id)
            st.session_state[_LEAVING] = "markers"


def _cells(run: RunRecord, asked: dict[str, Any]) -> np.ndarray:
    found = decode(str(asked.get("bits", "")), run.n_obs)
    return np.zeros(0, np.int64) if found is None else found


def _taken(run: RunRecord) -> set[str]:
    """Names of columns that an exported file has already."""
    exported = {"scvi_cluster", "scvi_label"}
    try:
        return exported | set(services.current().datasets.dataset(run.spec.dataset_id).obs_columns)
    except StudioError:
        return exported


def _after_act() -> None:
    if refused := st.session_state.pop(_REFUSED, None):
        st.toast(literal(refused, limit=300), icon=":material/error:")
    if section := st.session_state.pop(_LEAVING, None):
        st.query_params["see"] = section
        st.rerun(scope="app")


# --- two runs ---


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
    _after_act()
    known = {other.run_id: other for other in others}
    asked = st.query_params.get("with")
    other_id = st.selectbox(
        "Second run",
        list(known),
        index=list(known).index(asked) if asked in known else 0,
        format_func=lambda run_id: known[run_id].name,
        key=f"linked_{run.run_id}",
        help="Runs on the same data set. Cells selected in one map are highlighted in the other.",
        width=420,
    )
    other = known[other_id]
    here = analysis_wait(run.run_id, "umap", auto=True)
    there = analysis_wait(other.run_id, "umap", auto=True)
    if here is None or there is None:
        return
    colour, tools = coloured(run)
    cell_map(
        [
            MapPanel(run.name, here.array("xy")),
            MapPanel(other.name, there.array("xy")),
        ],
        colour,
        key=f"linked-{run.run_id}-{other.run_id}",
        runs=[run.run_id, other.run_id],
        names=cell_names(run),
        tools=tools,
        saved_as="two-runs",
    )
    st.caption(
        "Both maps are coloured by the first run. Press Lasso and draw around cells in one map to highlight them in "
        "the other. The maps may be rotated or mirrored relative to each other: only neighbourhoods matter."
    )
