"""The form of a new sweep: one click starts the full default one. Says first how many runs and how long.

sweep_form()
"""

from __future__ import annotations

import time

import streamlit as st

from backend import services
from backend.errors import BadInput, StudioError
from backend.types import DatasetRef, SweepEstimate, SweepPlan
from backend.words import about, count, counted, memory_size
from pages.compare.sweep.axes import other_axis, sweep_axes
from pages.shared.literal import literal
from pages.train.draft import starting_spec

DEFAULT_EPOCHS = 5
_LAST = "sweep_launched"
_DOUBLE_CLICK_SECONDS = 3.0


def sweep_form() -> None:
    datasets = {dataset.dataset_id: dataset for dataset in services.current().datasets.prepared()}
    if not datasets:
        st.info(
            "No data set is ready yet. In a new workspace the built-in cells are ready after some seconds, and this "
            "page goes on by itself. Your own file is brought in on the Data page.",
            icon=":material/table_view:",
        )
        st.page_link("data/page.py", label="Go to Data", icon=":material/arrow_forward:")
        _go_on_when_ready()
        return
    settings, summary = st.columns([2, 1], gap="medium")
    try:
        with settings.container(border=True):
            plan = _plan(datasets)
    except BadInput as error:
        summary.error(literal(error, limit=400), icon=":material/error:")
        return
    with summary.container(border=True):
        st.subheader("What will happen", anchor=False)
        _announce(plan)


@st.fragment(run_every=1)
def _go_on_when_ready() -> None:
    if services.current().datasets.prepared():
        st.rerun()


def _plan(datasets: dict[str, DatasetRef]) -> SweepPlan:
    st.subheader("A new sweep", anchor=False)
    data, passes = st.columns([3, 1])
    dataset_id = data.selectbox(
        "Data set",
        list(datasets),
        format_func=lambda one: _label(datasets[one]),
        key="sweep-new-data",
        help="The cells every run of the sweep learns from.",
    )
    epochs = passes.number_input(
        "Epochs",
        1,
        10_000,
        DEFAULT_EPOCHS,
        key="sweep-new-epochs",
        help="How often each run goes through all cells. The published table used 5.",
    )
    dataset = datasets[dataset_id]
    device = services.current().devices.resolve("auto").name
    base = starting_spec(dataset, services.current().datasets.report(dataset.source_id), device)
    base = base.replace(max_epochs=int(epochs))
    plan = SweepPlan(base, accelerators=(device,))
    plan = plan.replace(**sweep_axes("new", plan))
    with st.expander("Vary something else", icon=":material/tune:", key="sweep-new-more"):
        return plan.replace(other=other_axis("new"))


def _label(dataset: DatasetRef) -> str:
    kind = ", simulated" if dataset.simulated else ""
    return f"{dataset.name} · {count(dataset.n_obs)} cells × {count(dataset.n_vars)} genes{kind}"


def _announce(plan: SweepPlan) -> None:
    try:
        estimate = services.current().groups.estimate(plan)
    except StudioError as error:
        st.error(literal(error, limit=600), icon=":material/error:")
        return
    st.markdown(
        f"**{counted(estimate.runs, 'run')}**, one after the other, on the same "
        "cells and the same split into training and validation. You can close this page meanwhile; pausing and "
        "adding more is possible at any time."
    )
    _how_long(plan)
    for notice in estimate.notices:
        st.caption(f":material/info: {literal(notice, limit=300)}")
    if not estimate.fits:
        st.warning(
            f"The largest needs about {memory_size(estimate.memory_bytes)} of memory, more than is free now.",
            icon=":material/memory:",
        )
    busy = services.current().runs.active() is not None
    if st.button(
        "Add the sweep to the queue" if busy else "Start the sweep",
        type="primary",
        icon=":material/playlist_add:" if busy else ":material/play_arrow:",
        width="stretch",
        key="sweep-start",
    ):
        _start(plan)


@st.fragment(run_every=1.5)
def _how_long(plan: SweepPlan) -> None:
    """Asked again while the speed is being measured."""
    try:
        st.markdown(in_words(services.current().groups.estimate(plan)))
    except StudioError:
        return  # the page says why


def in_words(estimate: SweepEstimate) -> str:
    if estimate.seconds is not None:
        return f":material/timer: {about(estimate.seconds).capitalize()} in all, as measured here."
    if estimate.measuring:
        return ":material/timer: The speed of this computer is being measured…"
    return ":material/timer: How long is known after the first runs."


def _start(plan: SweepPlan) -> None:
    last = st.session_state.get(_LAST)
    if last is not None and last[0] == plan and time.monotonic() - last[2] < _DOUBLE_CLICK_SECONDS:
        group_id = last[1]  # the second click of a double click
    else:
        try:
            group_id = services.current().groups.sweep(plan).group_id
        except StudioError as error:
            st.error(literal(error, limit=600), icon=":material/error:")
            return
        st.session_state[_LAST] = (plan, group_id, time.monotonic())
    st.query_params["group"] = group_id
    st.rerun()
