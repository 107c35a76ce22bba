"""Name, note and tags of a run: one dialog for the table of runs and for the run's own page."""

from __future__ import annotations

import streamlit as st

from backend import services
from backend.errors import BadInput
from backend.types import RunRecord
from pages.shared.actions import attempt


def known_tags() -> list[str]:
    return sorted({tag for run in services.current().runs.list() for tag in run.tags}, key=str.casefold)


@st.dialog("Rename", icon=":material/edit:")
def name_and_note(run: RunRecord) -> None:
    with st.form("name-and-note", border=False):
        st.text_input("Name", run.name, max_chars=120, required=True, key="rename-name")
        st.multiselect(
            "Tags",
            sorted({*known_tags(), *run.tags}, key=str.casefold),
            default=list(run.tags),
            accept_new_options=True,
            placeholder="Choose or type a tag",
            key="rename-tags",
        )
        st.text_area("Note", run.note, max_chars=2000, placeholder="Purpose of this run", key="rename-note")
        if st.form_submit_button("Save", type="primary", on_click=attempt, args=(lambda: _save(run),)):
            st.rerun()


def _save(run: RunRecord) -> None:
    runs = services.current().runs
    name, note = st.session_state["rename-name"].strip(), st.session_state["rename-note"]
    if not name:
        raise BadInput("A run needs a name. The previous name was kept.")
    if name != run.name:
        runs.rename(run.run_id, name)
    if note != run.note:
        runs.annotate(run.run_id, note)
    tags = tuple(st.session_state["rename-tags"])
    if tags != run.tags:
        runs.tag(run.run_id, tags)
