"""What can be done with the ticked runs: open, compare, name, continue, delete."""

from __future__ import annotations

import streamlit as st

from backend import services
from backend.types import RunRecord, RunStatus
from backend.words import status_word
from pages.compare.side.results import MOST
from pages.run.actions import can_resume, extend
from pages.runs.notebook import baselines, pin, unpin
from pages.runs.table import forget_choice
from pages.shared.actions import attempt
from pages.shared.literal import literal
from pages.shared.naming import name_and_note


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
    pinned = baselines().get(run.spec.dataset_id) == run.run_id
    st.button(
        "Unpin" if pinned else "Pin as baseline",
        icon=":material/keep_off:" if pinned else ":material/keep:",
        help="The baseline of a data set stays on top, and the column Δ ELBO is measured against it.",
        on_click=attempt,
        args=(lambda: (unpin if pinned else pin)(run),),
        key="runs-pin",
    )
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
