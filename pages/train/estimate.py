"""Before starting: how long it will take, how much memory, and whether that fits.

    estimate_panel(spec)                 # time and memory
    refreshing_estimate(spec, show)      # or drawn by ``show``

Never waits: while the speed of this computer is being measured, only these lines refresh themselves.
"""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from backend import services
from backend.errors import StudioError
from backend.types import Estimate, RunSpec
from backend.words import duration, memory_size, training_time
from pages.shared.literal import literal

SOURCE_WORDS = {
    "earlier run": "From the speed of earlier runs on this computer.",
    "calibration": "From a short measurement on this computer.",
    "measuring": "Measuring the speed of this computer, a few seconds…",
    "unknown": "Not measured yet: this computer is busy.",
}
REFRESH_SECONDS = {"measuring": 1.0, "unknown": 3.0}  # the others stay as they are


def estimate_panel(spec: RunSpec) -> None:
    refreshing_estimate(spec, _show)


def refreshing_estimate(spec: RunSpec, show: Callable[[Estimate], None]) -> None:
    """``show`` what is known now; where that is being measured, show it again until it is known."""
    try:
        estimate = services.current().runs.estimate(spec)
    except StudioError as error:
        st.caption(f":material/info: {literal(error, limit=1000)}")
        return
    refresh = REFRESH_SECONDS.get(estimate.source)

    @st.fragment(run_every=refresh)
    def panel() -> None:
        now = services.current().runs.estimate(spec) if refresh else estimate
        show(now)
        if refresh and now.source not in REFRESH_SECONDS:
            st.rerun()  # whole page once, so that the asking stops

    panel()


def _show(estimate: Estimate) -> None:
    seconds = estimate.seconds_total
    in_all = seconds if estimate.seconds_in_all is None else estimate.seconds_in_all
    with st.container(horizontal=True, gap="large"):  # side by side where there is room for both
        st.metric(
            "Time",
            "…" if in_all is None else "under 1 s" if in_all < 1 else f"≈ {duration(in_all)}",
            width="content",
        )
        st.metric("Memory", f"≈ {memory_size(estimate.memory_bytes)}", width="content")
    takes = "" if seconds is None else f"{training_time(seconds, estimate.seconds_in_all)}. "
    st.caption(takes[:1].upper() + takes[1:] + SOURCE_WORDS.get(estimate.source, ""))
    if not estimate.fits:
        st.warning(
            f"This needs about {memory_size(estimate.memory_bytes)} of memory and "
            f"{memory_size(estimate.memory_available)} is free, so it may be ended by the operating system. "
            "Choose fewer genes on the Data page, a smaller minibatch or a narrower network, or close "
            "other programs.",
            icon=":material/warning:",
        )
