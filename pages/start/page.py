"""A stranger's first minute: what this is, one button that trains, one that brings a file."""

from __future__ import annotations

import time

import streamlit as st

from backend import services
from backend.errors import StudioError
from backend.services import QUICK_LOOK
from backend.types import DatasetRef, Estimate, RunSpec
from backend.words import about, ago, count
from pages.shared.actions import demo_dataset, launch, prepared_demo
from pages.shared.literal import literal
from pages.shared.run_status import run_badge
from pages.train.draft import starting_spec
from pages.train.estimate import refreshing_estimate

RECENT = 5
STEPS = (
    (
        "upload_file",
        "Bring your counts",
        "Drop in an .h5ad or 10x .h5 file. The raw counts are found and checked.",
    ),
    (
        "monitoring",
        "Train and watch",
        "Press Train. See the model improve, pass by pass, and stop whenever you like.",
    ),
    (
        "download",
        "Take it with you",
        "Download the model, and your data with a compact description of every cell.",
    ),
)


def hero() -> None:
    st.title("From a table of counts to a trained scVI model")
    st.markdown(
        "scVI learns, from the raw counts of single cells, a short list of numbers that describes each cell "
        "and evens out differences between experiments: ready for clustering, maps and comparison. "
        "Here you train it without writing code, on this computer. Your data stays on it."
    )


def two_ways_in() -> None:
    built_in, own = st.columns(2, gap="medium")
    with built_in.container(border=True, height="stretch"):
        st.subheader("See it work", anchor=False)
        _about_the_demo()
        st.space("stretch")
        if st.button(
            "Train the built-in data", type="primary", icon=":material/play_arrow:", width="stretch"
        ):
            _train_demo()
    with own.container(border=True, height="stretch"):
        st.subheader("Use your own cells", anchor=False)
        st.markdown(
            "Upload a file, open one from a folder on this computer, or give a web address. "
            "You see what is in it before anything is trained."
        )
        st.space("stretch")
        if st.button("Bring your own file", icon=":material/upload_file:", width="stretch"):
            st.switch_page("data/page.py")


def _demo_spec(dataset: DatasetRef) -> RunSpec:
    """The Train page's own first values for this data set, with fewer epochs."""
    here = services.current()
    spec = starting_spec(dataset, here.datasets.report(dataset.source_id), here.devices.resolve("auto").name)
    return spec.replace(max_epochs=QUICK_LOOK)


def _about_the_demo() -> None:
    dataset = prepared_demo()
    if dataset is None:
        st.markdown(
            "Real human blood cells are built in, so this works without a file and without a network."
        )
        return
    text = (
        f"{count(dataset.n_obs)} real human blood cells are built in, so this works without a file and "
        f"without a network. Training goes through them {QUICK_LOOK} times"
    )

    def sentence(estimate: Estimate) -> None:
        seconds = estimate.seconds_total
        known = "" if seconds is None else f": {about(seconds)} on this computer"
        st.markdown(f"{text}{known}.")

    refreshing_estimate(_demo_spec(dataset), sentence)


def _train_demo() -> None:
    try:
        with st.spinner("Getting the built-in data ready"):
            run_id = launch(_demo_spec(demo_dataset()))
    except StudioError as error:
        st.error(literal(error, limit=1000), icon=":material/error:")
        return
    st.switch_page("train/page.py", query_params={"run": run_id})


def three_steps() -> None:
    for number, (column, (icon, title, text)) in enumerate(
        zip(st.columns(3, gap="medium"), STEPS, strict=True), 1
    ):
        with column:
            st.markdown(f"##### :primary[:material/{icon}:] {number}. {title}")
            st.markdown(text)


def recent_runs() -> None:
    st.subheader("Recent runs", anchor=False)
    runs = services.current().runs.list()[:RECENT]
    if not runs:
        st.caption(
            "None yet. Every run you start is listed here, with its curve, its settings and its model."
        )
        return
    now = time.time()
    with st.container(border=True):
        for run in runs:
            with st.container(
                horizontal=True, vertical_alignment="center", horizontal_alignment="distribute", gap="xsmall"
            ):
                st.page_link(
                    "train/page.py", label=literal(run.name, limit=60), query_params={"run": run.run_id}
                )
                with st.container(horizontal=True, vertical_alignment="center", width="content"):
                    st.caption(f"{run.epoch} of {run.spec.max_epochs} epochs · {ago(run.created_at, now)}")
                    run_badge(run.status)


def this_computer() -> None:
    st.subheader("This computer", anchor=False)
    found = [a for a in services.current().devices.accelerators() if a.available]
    gpus = [a for a in found if a.name != "cpu"]
    best = (gpus or found)[0]
    with st.container(border=True):
        st.markdown(
            f"Training runs on the **{literal(best.label)}**"
            + (f": {literal(best.device_name)}." if best.device_name else ".")
        )
        if not gpus:
            st.caption("No graphics processor that can train was found, so the CPU does the work.")
        st.page_link("device/page.py", label="See what it can do", icon=":material/memory:")


hero()
two_ways_in()
st.space("small")
three_steps()
st.space("small")
left, right = st.columns([2, 1], gap="medium")
with left:
    recent_runs()
with right:
    this_computer()
