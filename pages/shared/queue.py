"""The line of runs that wait, with what a waiting run allows: earlier, first, out."""

from __future__ import annotations

import streamlit as st

from backend import services
from pages.run.run_actions import attempt
from pages.shared.literal import literal


def queue(highlighted: str | None = None) -> None:
    st.fragment(_queue, run_every=2.0)(highlighted)


def _queue(highlighted: str | None) -> None:
    runs = services.current().runs
    active, waiting = runs.active(), runs.queue()
    ahead = active is not None or [run.run_id for run in waiting] != [highlighted]
    if not waiting or not ahead:
        return
    with st.container(border=True):
        st.markdown("**Queue**")
        if active is not None:
            st.markdown(
                f":material/play_circle: {literal(active.name, limit=60)}, "
                f"epoch {active.epoch} of {active.spec.max_epochs}, trains now."
            )
        for index, run in enumerate(waiting):
            with st.container(horizontal=True, vertical_alignment="center"):
                name = literal(run.name, limit=60)
                own = run.run_id == highlighted
                st.markdown(f"{index + 1}. **{name}** (this run)" if own else f"{index + 1}. {name}")
                for label, icon, where in (
                    ("First", "vertical_align_top", "top"),
                    ("Earlier", "arrow_upward", "up"),
                    ("Later", "arrow_downward", "down"),
                ):
                    st.button(
                        label,
                        icon=f":material/{icon}:",
                        type="tertiary",
                        disabled=index == (len(waiting) - 1 if where == "down" else 0),
                        on_click=attempt,
                        args=(lambda run_id=run.run_id, where=where: runs.move(run_id, where),),
                        key=f"queue-{where}-{run.run_id}",
                    )
                st.button(
                    "Take out",
                    icon=":material/close:",
                    type="tertiary",
                    on_click=attempt,
                    args=(lambda run_id=run.run_id: runs.cancel(run_id),),
                    key=f"queue-out-{run.run_id}",
                )
