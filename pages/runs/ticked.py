"""What can be done with the ticked runs: open, compare, name, continue, delete."""

from __future__ import annotations

import streamlit as st

from backend import services
from backend.errors import BadInput
from backend.types import RunRecord, RunStatus
from backend.words import status_word
from pages.compare.side.results import MOST
from pages.run.actions import can_resume, extend
from pages.runs.table import forget_choice
from pages.shared.actions import attempt
from pages.shared.literal import literal


def run_table_actions(chosen: list[RunRecord]) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        if len(chosen) == 1:
            _one(chosen[0])
        else:
            st.markdown(f"**{len(chosen)} runs**", width="content")
            _compare(chosen)
        if st.button(
            "Delete" if len(chosen) == 1 else f"Delete {len(chosen)} runs",
            icon=":material/delete:",
            type="tertiary",
            key="runs-delete",
        ):
            confirm_delete(chosen)
    if len(chosen) == 1 and chosen[0].note:
        st.markdown(literal(chosen[0].note, limit=2000))


def _compare(chosen: list[RunRecord]) -> None:
    st.page_link(
        "compare/page.py",
        label="Compare these" if len(chosen) <= MOST else f"Compare the first {MOST}",
        icon=":material/compare_arrows:",
        help="Their training curves together, differing settings, and whether the comparison is fair.",
        query_params={"tab": "side", "runs": ",".join(run.run_id for run in chosen[:MOST])},
    )


def _one(run: RunRecord) -> None:
    runs = services.current().runs
    st.markdown(f"**{literal(run.name, limit=40)}**", width="content")
    st.page_link(
        "train/page.py", label="Open", icon=":material/monitoring:", query_params={"run": run.run_id}
    )
    if st.button("Duplicate run", icon=":material/content_copy:", key="runs-again"):
        st.switch_page("train/page.py", query_params={"like": run.run_id})
    if st.button("Rename", icon=":material/edit:", key="runs-rename"):
        name_and_note(run)
    mine = not run.imported_from  # runs of other computers can be looked at only
    if mine and can_resume(run) and run.epoch < run.spec.max_epochs:
        st.button(
            "Resume",
            icon=":material/play_arrow:",
            help=f"Continues to {run.spec.max_epochs} epochs in total.",
            on_click=attempt,
            args=(lambda: runs.resume(run.run_id),),
            key="runs-resume",
        )
    if mine and run.status is RunStatus.FINISHED:
        with st.popover("Extend", icon=":material/add:"):
            extend(run)


@st.dialog("Rename", icon=":material/edit:")
def name_and_note(run: RunRecord) -> None:
    with st.form("name-and-note", border=False):
        st.text_input("Name", run.name, max_chars=120, required=True, key="rename-name")
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


def _delete(chosen: list[RunRecord]) -> None:
    def all_of_them() -> None:
        for run in chosen:
            services.current().runs.delete(run.run_id)

    attempt(all_of_them)
    forget_choice()


@st.dialog("Delete permanently?", icon=":material/delete:")
def confirm_delete(chosen: list[RunRecord]) -> None:
    st.markdown("The model, training curves and log are deleted. Data sets are kept.")
    st.markdown("\n".join(f"- **{literal(run.name)}**, {status_word(run.status)}" for run in chosen))
    with st.container(horizontal=True):
        if st.button("Delete", type="primary", on_click=_delete, args=(chosen,), key="runs-delete-yes"):
            st.rerun()
        if st.button("Keep", key="runs-delete-no"):
            st.rerun()
