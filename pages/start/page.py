"""A stranger's first minute: what this is, one button that trains, one that brings a file."""

from __future__ import annotations

import time
from contextlib import nullcontext

import streamlit as st

from backend import services
from backend.types import DatasetRef, Estimate, RunSpec
from backend.words import ago, count, training_time
from pages.shared.actions import attempt, demo_dataset, flash, launch, prepared_demo
from pages.shared.literal import literal
from pages.shared.run_status import run_badge
from pages.train.draft import starting_spec
from pages.train.estimate import refreshing_estimate

RECENT = 5
STEPS = (
    (
        "upload_file",
        "Load raw counts",
        "Upload an .h5ad or 10x .h5 file. The matrix with raw counts is found and checked.",
    ),
    (
        "monitoring",
        "Train and follow",
        "Start a run and follow the training and validation loss epoch by epoch. Stop at any time.",
    ),
    (
        "download",
        "Download",
        "Download the model, and the data with the latent space, UMAP and clusters of every cell.",
    ),
)


def hero() -> None:
    st.title("From a count matrix to a trained scVI model")
    st.markdown(
        "scVI learns a low-dimensional latent space from the raw counts of single cells and corrects for batch "
        "effects: ready for clustering, UMAP and differential expression. "
        "Train it here without writing code. Your data stays on this computer."
    )


def two_ways_in() -> None:
    built_in, own = st.columns(2, gap="medium")
    with built_in.container(border=True, height="stretch"):
        st.subheader("Try the example data", anchor=False)
        _about_the_demo()
        st.space("stretch")
        if st.button(
            "Train on the example data", type="primary", icon=":material/play_arrow:", width="stretch"
        ):
            _train_demo()
        flash("train-demo")
    with own.container(border=True, height="stretch"):
        st.subheader("Use your own data", anchor=False)
        st.markdown(
            "Upload a file, open one from a folder on this computer, or enter a URL. "
            "It is checked before training, and you see what it contains."
        )
        st.space("stretch")
        if st.button("Load a data set", icon=":material/upload_file:", width="stretch"):
            st.switch_page("data/page.py")


def _demo_spec(dataset: DatasetRef) -> RunSpec:
    """The Train page's own first values for this data set."""
    here = services.current()
    return starting_spec(dataset, here.datasets.report(dataset.source_id), here.devices.resolve("auto").name)


def _about_the_demo() -> None:
    dataset = prepared_demo()
    if dataset is None:
        st.markdown(
            "Human blood cells (PBMC) are included, so this works without a file and without a network."
        )
        return
    text = (
        f"{count(dataset.n_obs)} human blood cells (PBMC) are included, so this works without a file and "
        f"without a network. A run of {_demo_spec(dataset).max_epochs} epochs"
    )

    def sentence(estimate: Estimate) -> None:
        seconds = estimate.seconds_total
        takes = None if seconds is None else training_time(seconds, estimate.seconds_in_all)
        known = "shows what training does" if takes is None else f"takes {takes} on this computer"
        st.markdown(f"{text} {known}.")

    refreshing_estimate(_demo_spec(dataset), sentence)


def _train_demo() -> None:
    begun: list[str] = []
    # where there is nothing to wait for, no spinner comes and goes and moves the page
    with nullcontext() if prepared_demo() else st.spinner("Preparing the example data"):
        attempt(lambda: begun.append(launch(_demo_spec(demo_dataset()))), "train-demo")
    if begun:
        st.switch_page("train/page.py", query_params={"run": begun[0]})


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
        st.caption("No runs yet. Every run is listed here with its training curves, settings and model.")
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
            st.caption("No GPU that can be used for training was found; training runs on the CPU.")
        st.page_link("device/page.py", label="Devices", icon=":material/memory:")


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
