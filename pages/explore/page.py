"""See the cells of a run: ``?run=<id>&see=<section>``.

One section is shown at a time; each is a function of the run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from backend import services
from backend.types import RunRecord, RunStatus
from backend.words import count
from pages.explore.integration import integration_section, labels_section
from pages.explore.map import linked_section, map_section
from pages.explore.markers import markers_section
from pages.explore.quality import trust_section
from pages.run.downloads import downloads
from pages.shared.cell_frames import live_section
from pages.shared.literal import literal
from pages.shared.run_status import run_badge

_KEY = "explore_run"


def explorable() -> list[RunRecord]:
    """Runs whose cells can be looked at, newest first: those with a latent space, and those being trained."""
    shown = {*(status for status in RunStatus if status.has_model), RunStatus.RUNNING}
    return [run for run in services.current().runs.list() if run.status in shown]


def chosen_run() -> RunRecord | None:
    runs = explorable()
    if not runs:
        st.header("Explore", anchor=False)
        _empty()
        return None
    known = {run.run_id: run for run in runs}
    asked = st.query_params.get("run")
    if asked and asked not in known:
        st.warning(
            "The run in the address was not found or has no model yet. Select another one.",
            icon=":material/search_off:",
        )
    default = next((run.run_id for run in runs if run.status.has_model), runs[0].run_id)
    wanted = asked if asked in known else default
    if st.session_state.get(_KEY) not in known or st.session_state.get(f"{_KEY}_asked") != asked:
        st.session_state[_KEY] = wanted
    st.session_state[f"{_KEY}_asked"] = asked
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.header("Explore", anchor=False, width="content")
        run_id = st.selectbox(
            "Run",
            list(known),
            format_func=lambda run_id: _label(known[run_id]),
            key=_KEY,
            help="Runs with a trained model, newest first, and the run in training.",
            on_change=_remember,
            label_visibility="collapsed",
            width=280,
        )
        run = known[run_id]
        with st.container(
            key="explore_about", horizontal=True, vertical_alignment="center", width="content", gap="small"
        ):
            run_badge(run.status)
            st.caption(about(run), width="content")
            st.page_link(
                "train/page.py",
                label="Training curves",
                icon=":material/monitoring:",
                query_params={"run": run_id},
                width="content",
            )
        if run.status.has_model and st.query_params.get("see", "map") in STAGED:
            st.page_link(
                "explore/page.py",
                label="Present",
                icon=":material/present_to_all:",
                help="The map alone, in large type, for a projector.",
                query_params={"run": run_id, "see": st.query_params.get("see", "map"), "stage": "1"},
                width="content",
            )
    return run


def about(run: RunRecord) -> str:
    return f"{literal(run.spec.dataset_name, limit=36)} · {count(run.n_obs)} cells"


def _label(run: RunRecord) -> str:
    return run.name if len(run.name) <= 90 else f"{run.name[:89]}…"


def _remember() -> None:
    st.query_params["run"] = st.session_state[_KEY]
    st.session_state[f"{_KEY}_asked"] = st.session_state[_KEY]


def _empty() -> None:
    with st.container(border=True, horizontal_alignment="center", gap="small"):
        st.space("small")
        st.subheader("No embeddings yet", anchor=False, width="content")
        st.markdown(
            "Train a model first; its latent space is then shown here as a UMAP.",
            width="content",
        )
        with st.container(horizontal=True, horizontal_alignment="center"):
            st.page_link("train/page.py", label="Train a model", icon=":material/model_training:")
            st.page_link("start/page.py", label="Try the example data", icon=":material/home:")
        st.space("small")


_SECTION = "explore_see"
# On a phone the sections stand in one line that is pushed sideways, and only what chooses a run above them.
_NARROW = """<style>@media (max-width: 640px) {
.st-key-explore_see [role=radiogroup] { flex-wrap: nowrap; overflow-x: auto; scrollbar-width: none; }
.st-key-explore_see label, .st-key-explore_see button { flex: none; min-height: 44px; }
.st-key-explore_about { display: none; }
.st-key-integration_boxes > div, .st-key-integration_numbers > div {
  flex: 1 1 40% !important; min-width: 9rem !important;
}
div:has(> .st-key-integration_numbers) { order: 1; }  /* the maps before the numbers */
}</style>"""


@dataclass(frozen=True)
class Section:
    title: str
    icon: str
    show: Callable[[RunRecord], None]
    while_training: bool = False  # can be seen before there is a model


SECTIONS = {
    "map": Section("UMAP", "scatter_plot", map_section),
    "integration": Section("Before/after", "join_inner", integration_section),
    "markers": Section("Marker genes", "genetics", markers_section),
    "labels": Section("Compare with labels", "label", labels_section),
    "linked": Section("Compare runs", "compare_arrows", linked_section),
    "live": Section("During training", "animation", live_section, while_training=True),
    "trust": Section("Model quality", "fact_check", trust_section),
    "files": Section("Downloads", "download", downloads),
}
STAGED = {"map": map_section, "integration": integration_section}  # for a projector


def chosen_section(run: RunRecord) -> Callable[[RunRecord], None] | None:
    """The part to show, by the control that chooses it or by the address; None where a run has none yet."""
    training = run.status is RunStatus.RUNNING
    there = [name for name, section in SECTIONS.items() if section.while_training or not training]
    if not there:
        return None
    asked = st.query_params.get("see")
    if st.session_state.get(_SECTION) not in there or (
        asked in there and asked != st.session_state[_SECTION]
    ):
        st.session_state[_SECTION] = asked if asked in there else there[0]
    name = st.segmented_control(
        "Section",
        there,
        format_func=lambda name: f":material/{SECTIONS[name].icon}: {SECTIONS[name].title}",
        key=_SECTION,
        on_change=_remember_section,
        label_visibility="collapsed",
        required=True,
    )
    return SECTIONS[name or there[0]].show


def _remember_section() -> None:
    st.query_params["see"] = st.session_state[_SECTION]


def on_stage() -> bool:
    """The map, or the cells before and after, of a run for a projector: ``&stage=1``."""
    see, asked = st.query_params.get("see", "map"), st.query_params.get("run")
    run = next((run for run in explorable() if run.run_id == asked), None)
    if st.query_params.get("stage") != "1" or run is None or not run.status.has_model or see not in STAGED:
        return False
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.header(literal(run.name, limit=80), anchor=False, width="content")
        st.page_link(
            "explore/page.py",
            label="Exit presentation",
            icon=":material/close:",
            query_params={"run": run.run_id, "see": see},
            width="content",
        )
    STAGED[see](run, stage=True)
    return True


def page() -> None:
    st.html(_NARROW)
    run = chosen_run()
    if run is None:
        return
    section = chosen_section(run)
    if section is None:
        st.info(
            "This run is in training. Its embedding can be explored when it has finished.",
            icon=":material/hourglass_empty:",
        )
    else:
        section(run)


if not on_stage():
    page()
