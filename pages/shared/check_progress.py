"""A check of this computer that waits or is under way: a bar, what it does now, Cancel; and, when it failed, why.

    if not check_progress("cpu"): st.button("Check now", on_click=begin)

True while there is something to wait for. When it ends the whole page runs again, and shows what was found.
"""

from __future__ import annotations

import streamlit as st

from backend import services
from pages.shared.literal import literal

EVERY = 0.7  # seconds between looks


def check_progress(subject: str) -> bool:
    state = services.current().checks.state(subject)
    if state is None:
        return False
    if state.problem:
        st.error(
            f"The check could not be completed: {literal(state.problem, limit=400)}", icon=":material/error:"
        )
        return False
    st.fragment(_under_way, run_every=EVERY)(subject)
    return True


def _under_way(subject: str) -> None:
    state = services.current().checks.state(subject)
    if state is None or state.problem:
        st.rerun(scope="app")
    bar, cancel = st.columns([5, 1], vertical_alignment="center")
    bar.progress(state.progress, text=literal(state.phase, limit=120))
    cancel.button(
        "Cancel",
        key=f"check_cancel_{subject}",
        icon=":material/close:",
        width="stretch",
        help="Ends the check at its next step. What was known before stays.",
        on_click=services.current().checks.cancel,
        args=(subject,),
    )
