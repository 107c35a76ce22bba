"""Names for clusters: rename one, merge several, take it back. The map and the exports use them."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from backend import services
from backend.errors import StudioError
from backend.types import Labels
from backend.words import count

_REFUSED = "cluster_names_refused"


def names_editor(run_id: str, labels: Labels, sizes: dict[str, int]) -> None:
    with st.container(border=True):
        st.subheader("Name the clusters", anchor=False)
        st.caption(
            "Names are kept with the run, used on the map, and written into the exported cells. Two clusters of one "
            "name are one group."
        )
        if refused := st.session_state.pop(_REFUSED, None):
            st.warning(refused, icon=":material/info:")
        groups = list(labels.groups)
        options = labels.options
        left, right = st.columns(2, gap="medium")
        with left, st.form(f"rename-{run_id}", border=False, clear_on_submit=True):
            cluster = st.selectbox(
                "Group",
                groups,
                format_func=lambda n: f"{n} ({count(sizes[n])} cells)",
                help="The group to rename.",
            )
            name = st.text_input("New name", max_chars=80, help="What to call it, for example a cell type.")
            if st.form_submit_button("Rename", icon=":material/edit:"):
                first = labels.groups[cluster][0]
                _do(lambda: services.current().analyses.rename_cluster(run_id, options, first, name))
        with right, st.form(f"merge-{run_id}", border=False, clear_on_submit=True):
            several = st.multiselect(
                "Groups to merge", groups, help="Two or more groups that are one kind of cell."
            )
            together = st.text_input("Their name", max_chars=80, help="What the merged group is called.")
            if st.form_submit_button("Merge", icon=":material/merge:"):
                _do(lambda: services.current().analyses.merge_clusters(run_id, options, several, together))
        with st.container(horizontal=True):
            st.button(
                "Undo",
                icon=":material/undo:",
                disabled=not labels.can_undo,
                help="Takes back the last rename or merge.",
                on_click=_quietly,
                args=(lambda: services.current().analyses.undo_labels(run_id, options),),
                key=f"undo-names-{run_id}",
            )
            st.button(
                "Plain names again",
                icon=":material/restart_alt:",
                disabled=not labels.given,
                help="Every cluster by itself, with its number. Undo brings the names back.",
                on_click=_quietly,
                args=(lambda: services.current().analyses.reset_labels(run_id, options),),
                key=f"reset-names-{run_id}",
            )


def _do(change: Callable[[], object]) -> None:
    _quietly(change)
    st.rerun()


def _quietly(change: Callable[[], object]) -> None:
    try:
        change()
    except StudioError as error:
        st.session_state[_REFUSED] = str(error)
