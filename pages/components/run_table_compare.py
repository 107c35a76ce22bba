"""The loss curves of the ticked runs in one chart, live where a run is."""

from __future__ import annotations

import streamlit as st

from backend import services
from backend.charts import loss_chart
from backend.errors import NotFound
from backend.types import RunRecord
from pages.components.live_chart import live_chart
from pages.components.run_view_charts import dark_page, loss_options
from pages.components.run_view_numbers import trail
from pages.components.run_view_watch import watched

MOST = 8


def compare(chosen: list[RunRecord]) -> None:
    shown = chosen[:MOST]
    active = any(not run.status.is_over for run in shown)
    st.fragment(_compare, run_every=1.0 if active else None)([run.run_id for run in shown])
    if len(chosen) > MOST:
        st.caption(f"The first {MOST} of {len(chosen)} ticked runs are drawn.")


def _compare(run_ids: list[str]) -> None:
    service = services.current().runs
    trails = []
    for run_id in run_ids:
        try:
            run = service.get(run_id)
        except NotFound:  # deleted in another tab
            continue
        trails.append(trail(run, watched(run)))
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.subheader("Loss", anchor=False, width="content")
            with_training = st.toggle("Training loss too", key="compare-training")
            axis, log = loss_options("compare")
        chart = loss_chart(
            trails,
            axis=axis,
            log=log,
            dark=dark_page(),
            show_train=with_training or len(trails) == 1,
            revision=" ".join(sorted(run_ids)),
        )
        live_chart(chart, key="compare-loss", height=420, name="compared-runs")
        st.caption(
            "Validation loss, and dotted the training loss where it is shown; **lower is better**. Losses can "
            "be compared between runs on the same data set with the same likelihood."
        )
