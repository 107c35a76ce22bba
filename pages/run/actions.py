"""What can be done with a run in its present state; what went wrong with it, and the buttons that help."""

from __future__ import annotations

import streamlit as st

from backend import services
from backend.types import Remedy, RunRecord, RunSpec, RunStatus
from backend.words import counted
from pages.shared.actions import attempt, launch
from pages.shared.literal import literal
from pages.shared.naming import name_and_note

MORE_EPOCHS = 10
CAN_RESUME = (RunStatus.INTERRUPTED, RunStatus.STOPPED)


def actions(run: RunRecord) -> None:
    runs, run_id = services.current().runs, run.run_id
    with st.container(horizontal=True, width="content", vertical_alignment="bottom"):
        if run.status is RunStatus.RUNNING:
            st.button(
                "Stopping…" if run.requested == "stop" else "Stop",
                icon=":material/stop_circle:",
                help="Ends after the current minibatch. The model is kept and training can be resumed.",
                disabled=bool(run.requested),
                on_click=attempt,
                args=(lambda: runs.stop(run_id),),
                key=f"stop-{run_id}",
            )
        if not run.status.is_over and st.button(
            "Cancelling…" if run.requested == "cancel" else "Cancel",
            icon=":material/delete_forever:",
            help="Ends the run and discards the model.",
            disabled=run.requested == "cancel",
            type="tertiary",
            key=f"cancel-{run_id}",
        ):
            confirm_cancel(run)
        mine = not run.imported_from  # runs of other computers can be looked at only
        if mine and can_resume(run) and run.epoch < run.spec.max_epochs:
            st.button(
                "Resume",
                type="primary",
                icon=":material/play_arrow:",
                help=f"Continues to {run.spec.max_epochs} epochs in total, on the same cells.",
                on_click=attempt,
                args=(lambda: runs.resume(run_id),),
                key=f"resume-{run_id}",
            )
        if mine and run.status is RunStatus.FINISHED:
            with st.popover("Extend", icon=":material/add:"):
                extend(run)
        if st.button("Rename", icon=":material/edit:", type="tertiary", key=f"rename-{run_id}"):
            name_and_note(run)
        st.button(
            "Duplicate run",
            icon=":material/content_copy:",
            type="tertiary",
            help="Opens the form with the settings of this run.",
            on_click=st.query_params.from_dict,
            args=({"like": run_id},),
            key=f"again-{run_id}",
        )


def can_resume(run: RunRecord) -> bool:
    no_room = run.problem is not None and run.problem.code == "no_space"  # which can be mended
    return run.status in CAN_RESUME or (run.status is RunStatus.FAILED and no_room)


def extend(run: RunRecord) -> None:
    n = st.number_input("Epochs to add", 1, 10_000, MORE_EPOCHS, key=f"more-{run.run_id}")
    st.button(
        f"Train {n} more epochs",
        type="primary",
        help="Continues this run with the same cells and settings.",
        on_click=attempt,
        args=(lambda: services.current().runs.extend(run.run_id, int(n)),),
        key=f"extend-{run.run_id}",
    )


@st.dialog("Cancel this run?", icon=":material/delete_forever:")
def confirm_cancel(run: RunRecord) -> None:
    st.markdown(
        f"**{literal(run.name)}** ends, and the model trained for {counted(run.epoch, 'epoch')} is discarded. "
        "To keep the model, press Stop instead."
        if run.status is RunStatus.RUNNING
        else f"**{literal(run.name)}** is removed from the queue."
    )
    with st.container(horizontal=True):
        if st.button(
            "Cancel the run",
            type="primary",
            on_click=attempt,
            args=(lambda: services.current().runs.cancel(run.run_id),),
            key="confirm-cancel",
        ):
            st.rerun()
        if st.button("Keep running", key="confirm-keep"):
            st.rerun()


def problem(run: RunRecord) -> None:
    found = run.problem
    if found is None or not run.status.is_over:
        return
    show = {"error": st.error, "warning": st.warning}.get(found.severity, st.info)
    show(literal(found.message, limit=1000), icon=f":material/{_icon(found.severity)}:")
    remedies = [remedy for remedy in found.remedies if remedy.action == "resubmit"]
    if remedies:
        with st.container(horizontal=True):
            for index, remedy in enumerate(remedies):
                st.button(
                    literal(remedy.label),
                    icon=":material/replay:",
                    help="Starts a new run with this change; this run is not changed.",
                    on_click=attempt,
                    args=(lambda remedy=remedy: resubmit(run.spec, remedy),),
                    key=f"remedy-{run.run_id}-{index}",
                )


def resubmit(spec: RunSpec, remedy: Remedy) -> None:
    """A new run with the remedy's changes; the page then shows that one."""
    st.query_params["run"] = launch(RunSpec.from_dict(spec.to_dict() | remedy.changes))


def _icon(severity: str) -> str:
    return {"error": "error", "warning": "warning"}.get(severity, "info")
