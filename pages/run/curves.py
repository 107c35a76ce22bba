"""The metrics of a run as charts, and how a session reads them: once, then only what is new.

    curves = watched(run)          # all metrics so far, up to date
    axis = loss_card(run.run_id, trail)
    more_charts(run.run_id, trail, axis)

When a run begins anew or ends it is read anew: points beyond a checkpoint, or of an extension that was discarded,
are then gone from the registry.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import streamlit as st

from backend import services
from backend.charts import (
    Trail,
    epoch_seconds_chart,
    loss_chart,
    parts_chart,
    speed_chart,
    steps_chart,
)
from backend.types import ELBO, Curves, RunRecord
from pages.shared.live_chart import live_chart

_KEY = "run_view_watched"
_KEEP = 8  # runs a session holds in memory


@dataclass
class _Watched:
    session: object  # when this stretch of the run began and ended
    cursor: int = 0
    curves: Curves = field(default_factory=Curves)


def watched(run: RunRecord) -> Curves:
    """All points of ``run`` so far; asks the registry only for those after the last look."""
    known: dict[str, _Watched] = st.session_state.setdefault(_KEY, {})
    entry = known.pop(run.run_id, None)
    if entry is None or entry.session != (run.started_at, run.ended_at):
        entry = _Watched((run.started_at, run.ended_at))
    known[run.run_id] = entry  # the latest used last
    while len(known) > _KEEP:
        known.pop(next(iter(known)))
    batch = services.current().runs.metrics_since(run.run_id, entry.cursor)
    entry.curves.add(batch.points)
    entry.cursor = batch.cursor
    return entry.curves


AXES = {"epoch": "By epoch", "time": "By time"}


def dark_page() -> bool:
    return st.context.theme.type == "dark"


PICTURE = 330  # pixels: with all above it, loss and latent space are in the first screen of 1280 x 800

AROUND = 400  # pixels above and below the pictures for a projector


def loss_card(run_id: str, trail: Trail, *, stage: bool = False) -> str:
    """The loss curve and how it is looked at; returns the horizontal axis chosen, for the charts below.

    ``stage``: without what explains it, for a projector.
    """
    with st.container(border=True, height="stretch"):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            weighted = quantity(run_id, trail.curves)
            axis, log = loss_options(run_id)
        live_chart(
            loss_chart([trail], axis=axis, log=log, dark=dark_page(), weighted=weighted, revision=run_id),
            key=f"loss-{run_id}",
            height=PICTURE,
            around=AROUND if stage else 0,
            name=f"{trail.name}-loss",
        )
        if stage:
            return axis
        st.caption(f"{WEIGHTED if weighted else ELBO_IS} *Validation* is measured on held-out cells.")
    return axis


def more_charts(run_id: str, trail: Trail, axis: str) -> None:
    """Below the first screen: steps, time, the parts of the loss, speed."""
    dark = dark_page()
    left, right = st.columns(2, gap="small")
    with left:
        with st.container(border=True):
            st.markdown("**Minibatch loss**, KL-weighted")
            chart = steps_chart(trail, axis=axis, dark=dark, revision=run_id)
            live_chart(chart, key=f"steps-{run_id}", height=280, name=f"{trail.name}-steps")
        with st.container(border=True):
            st.markdown("**Seconds per epoch**")
            chart = epoch_seconds_chart(trail, dark=dark, revision=run_id)
            live_chart(chart, key=f"seconds-{run_id}", height=280, name=f"{trail.name}-seconds")
    with right:
        with st.container(border=True):
            st.markdown("**Reconstruction loss and KL**")
            chart = parts_chart(trail, axis=axis, dark=dark, revision=run_id)
            live_chart(chart, key=f"parts-{run_id}", height=280, name=f"{trail.name}-parts")
        with st.container(border=True):
            st.markdown("**Cells per second**")
            chart = speed_chart(trail, axis=axis, dark=dark, revision=run_id)
            live_chart(chart, key=f"speed-{run_id}", height=280, name=f"{trail.name}-speed")


QUANTITIES = {"elbo": "ELBO", "weighted": "KL-weighted loss"}
ELBO_IS = "Negative ELBO per cell, with the KL part in full; **lower is better**."
WEIGHTED = (
    "The loss that training minimises: reconstruction plus the KL part times its weight, which rises during the KL "
    "warm-up, so that values of different epochs do not compare; lower is better."
)


def quantity(run_id: str, curves: Curves) -> bool:
    """Whether the reader wants the loss that was minimised; of a run without the ELBO there is no other."""
    if curves.judged_by != ELBO:
        st.caption("This run did not log the ELBO.", width="content")
        return True
    chosen = st.segmented_control(
        "Quantity",
        list(QUANTITIES),
        default="elbo",
        required=True,
        format_func=QUANTITIES.__getitem__,
        label_visibility="collapsed",
        key=f"quantity-{run_id}",
    )
    return chosen == "weighted"


def loss_options(key: str) -> tuple[str, bool]:
    """The horizontal axis and whether the loss is on a logarithmic scale, as the reader chose."""
    with st.container(horizontal=True, vertical_alignment="center", width="content"):
        axis = chosen_axis(f"axis-{key}")
        log = st.toggle("Log", key=f"log-{key}")
    return axis, log


def chosen_axis(key: str) -> str:
    axis = st.segmented_control(
        "Horizontal axis",
        list(AXES),
        default="epoch",
        required=True,
        format_func=AXES.__getitem__,
        label_visibility="collapsed",
        key=key,
    )
    return axis or "epoch"
