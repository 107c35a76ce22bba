"""Which run the Explore page is about: ``?run=<id>``, a list of those that have cells to show, or what to do first.

run = chosen_run()      # None: the page has said what is missing
"""

from __future__ import annotations

import time

import streamlit as st

from backend import services
from backend.types import RunRecord, RunStatus
from backend.words import ago, count, counted
from pages.shared.literal import literal
from pages.shared.run_badge import run_badge

_KEY = "explore_run"


def explorable() -> list[RunRecord]:
    """Runs whose cells can be looked at, newest first: those with a latent space, and those being trained."""
    shown = {*(status for status in RunStatus if status.has_model), RunStatus.RUNNING}
    return [run for run in services.current().runs.list() if run.status in shown]


def chosen_run() -> RunRecord | None:
    runs = explorable()
    if not runs:
        _empty()
        return None
    known = {run.run_id: run for run in runs}
    asked = st.query_params.get("run")
    if asked and asked not in known:
        st.warning(
            "The run in the address is not here, or has no model yet. Choose another one.",
            icon=":material/search_off:",
        )
    default = next((run.run_id for run in runs if run.status.has_model), runs[0].run_id)
    wanted = asked if asked in known else default
    if st.session_state.get(_KEY) not in known or st.session_state.get(f"{_KEY}_asked") != asked:
        st.session_state[_KEY] = wanted
    st.session_state[f"{_KEY}_asked"] = asked
    with st.container(horizontal=True, vertical_alignment="bottom"):
        run_id = st.selectbox(
            "Run",
            list(known),
            format_func=lambda run_id: _label(known[run_id]),
            key=_KEY,
            help="Runs that ended with a model, the newest first. A run that trains can be watched.",
            on_change=_remember,
            width=520,
        )
        run = known[run_id]
        with st.container(horizontal=True, vertical_alignment="center", width="content"):
            run_badge(run.status)
            st.caption(
                f"{literal(run.spec.dataset_name, limit=60)} · {count(run.n_obs)} cells · "
                f"{counted(run.epoch, 'epoch')} · {ago(run.ended_at or run.started_at or run.created_at, time.time())}",
                width="content",
            )
            st.page_link(
                "train/page.py",
                label="Its curves",
                icon=":material/monitoring:",
                query_params={"run": run_id},
            )
    return run


def _label(run: RunRecord) -> str:
    return run.name if len(run.name) <= 90 else f"{run.name[:89]}…"


def _remember() -> None:
    st.query_params["run"] = st.session_state[_KEY]
    st.session_state[f"{_KEY}_asked"] = st.session_state[_KEY]


def _empty() -> None:
    with st.container(border=True, horizontal_alignment="center", gap="small"):
        st.space("small")
        st.subheader("No cells to show yet", anchor=False, width="content")
        st.markdown(
            "Train a model first. Then its cells appear here as a map: similar cells lie close together.",
            width="content",
        )
        with st.container(horizontal=True, horizontal_alignment="center"):
            st.page_link("train/page.py", label="Train a model", icon=":material/model_training:")
            st.page_link("start/page.py", label="Try the built-in data", icon=":material/home:")
        st.space("small")
