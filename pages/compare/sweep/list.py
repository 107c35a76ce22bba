"""The sweeps there are: how far each is, and the way into it."""

from __future__ import annotations

import time

import streamlit as st

from backend import services
from backend.words import ago, count
from pages.compare.sweep.words import progress_words
from pages.shared.literal import literal

_SHOWN = 20


def sweep_list() -> None:
    groups = [group for group in services.current().groups.list() if group.kind == "sweep"]
    if not groups:
        st.caption("Sweeps you start are kept here, with their tables, figures and models.")
        return
    st.subheader("Your sweeps", anchor=False)
    now = time.time()
    for group in groups[:_SHOWN]:
        state = services.current().groups.progress(group.group_id)
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            st.markdown(
                f"**{literal(group.name, limit=80)}**  \n{progress_words(state)} · {ago(group.created_at, now)}"
            )
            st.button(
                "Open",
                icon=":material/table_chart:",
                key=f"sweep-open-{group.group_id}",
                on_click=st.query_params.from_dict,
                args=({"tab": "sweep", "group": group.group_id},),
            )
    if len(groups) > _SHOWN:
        st.caption(f"The newest {_SHOWN} of {count(len(groups))}.")
