"""The figures of a sweep: time by size, every run's loss, and time against loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from backend.charts import sweep_loss_chart, sweep_pareto_chart, sweep_tables, sweep_time_chart
from backend.types import Comparison, Curves, RunRecord
from pages.run.run_charts import AXES, dark_page
from pages.shared.live_chart import live_chart

_UNITS = {False: "In seconds", True: "Against 128"}


def sweep_charts(
    group_id: str, runs: Sequence[RunRecord], curves: Mapping[str, Curves], comparison: Comparison | None
) -> None:
    dark = dark_page()
    left, right = st.columns(2, gap="small")
    with left.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.markdown("**Time by minibatch size**", width="content")
            relative = st.segmented_control(
                "Unit of time",
                list(_UNITS),
                default=False,
                required=True,
                format_func=_UNITS.__getitem__,
                label_visibility="collapsed",
                key=f"sweep-relative-{group_id}",
                help="Against 128: how many times as long as with minibatches of 128, with the published "
                "shape beside it.",
            )
        live_chart(
            sweep_time_chart(
                sweep_tables(runs, curves), relative=bool(relative), dark=dark, revision=group_id
            ),
            key=f"sweep-time-{group_id}",
            height=340,
            name="sweep-time",
        )
    with right.container(border=True):
        st.markdown("**Time against loss**: left and low is best")
        chart = sweep_pareto_chart(comparison or Comparison(()), runs, dark=dark, revision=group_id)
        live_chart(chart, key=f"sweep-pareto-{group_id}", height=340, name="sweep-time-against-loss")
        st.caption(
            "Labels are minibatch sizes; the largest mark is the recommended setting. On the dotted line nothing "
            "is both faster and better."
        )
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.markdown("**Validation loss of every run**", width="content")
            axis = st.segmented_control(
                "Horizontal axis",
                list(AXES),
                default="epoch",
                required=True,
                format_func=AXES.__getitem__,
                label_visibility="collapsed",
                key=f"sweep-axis-{group_id}",
            )
        live_chart(
            sweep_loss_chart(runs, curves, axis=axis or "epoch", dark=dark, revision=group_id),
            key=f"sweep-loss-{group_id}",
            height=420,
            name="sweep-loss",
        )
        st.caption("Colours go from small minibatches (cold) to large ones (warm); **lower is better**.")
