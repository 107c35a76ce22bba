"""The charts of one run and the two choices that govern them: the horizontal axis and the loss scale."""

from __future__ import annotations

import streamlit as st

from backend.charts import (
    Trail,
    epoch_seconds_chart,
    loss_chart,
    parts_chart,
    speed_chart,
    steps_chart,
)
from pages.shared.live_chart import live_chart

AXES = {"epoch": "By epoch", "time": "By time"}


def dark_page() -> bool:
    return st.context.theme.type == "dark"


def run_charts(run_id: str, trail: Trail) -> None:
    dark = dark_page()
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.subheader("Loss", anchor=False, width="content")
            axis, log = loss_options(run_id)
        live_chart(
            loss_chart([trail], axis=axis, log=log, dark=dark, revision=run_id),
            key=f"loss-{run_id}",
            height=400,
            name=f"{trail.name}-loss",
        )
        st.caption(
            "How badly the model explains the counts of a cell, on average; **lower is better**. "
            "scvi-tools logs the negative ELBO. *Validation* is measured on cells that training never sees."
        )
    left, right = st.columns(2, gap="small")
    with left:
        with st.container(border=True):
            st.markdown("**Loss of each minibatch**")
            chart = steps_chart(trail, axis=axis, dark=dark, revision=run_id)
            live_chart(chart, key=f"steps-{run_id}", height=280, name=f"{trail.name}-steps")
        with st.container(border=True):
            st.markdown("**Seconds per epoch**")
            chart = epoch_seconds_chart(trail, dark=dark, revision=run_id)
            live_chart(chart, key=f"seconds-{run_id}", height=280, name=f"{trail.name}-seconds")
    with right:
        with st.container(border=True):
            st.markdown("**Reconstruction and KL**")
            chart = parts_chart(trail, axis=axis, dark=dark, revision=run_id)
            live_chart(chart, key=f"parts-{run_id}", height=280, name=f"{trail.name}-parts")
        with st.container(border=True):
            st.markdown("**Cells per second**")
            chart = speed_chart(trail, axis=axis, dark=dark, revision=run_id)
            live_chart(chart, key=f"speed-{run_id}", height=280, name=f"{trail.name}-speed")


def loss_options(key: str) -> tuple[str, bool]:
    """The horizontal axis and whether the loss is on a logarithmic scale, as the reader chose."""
    with st.container(horizontal=True, vertical_alignment="center", width="content"):
        axis = st.segmented_control(
            "Horizontal axis",
            list(AXES),
            default="epoch",
            required=True,
            format_func=AXES.__getitem__,
            label_visibility="collapsed",
            key=f"axis-{key}",
        )
        log = st.toggle("Log scale", key=f"log-{key}")
    return axis or "epoch", log
