"""What can be done with a sweep: pause, resume, cancel the rest, add points, rename, delete."""

from __future__ import annotations

import streamlit as st

from backend import services
from backend.errors import BadInput, StudioError
from backend.types import GroupProgress, GroupRecord
from backend.words import count, counted, sentence
from pages.compare.sweep.form import sweep_axes
from pages.shared.actions import attempt
from pages.shared.literal import literal


def sweep_controls(group: GroupRecord, state: GroupProgress) -> None:
    groups, group_id = services.current().groups, group.group_id
    with st.container(horizontal=True, vertical_alignment="center"):
        if state.state in ("running", "waiting"):
            st.button(
                "Pause",
                icon=":material/pause:",
                help="The current run finishes; the others wait until you resume.",
                on_click=attempt,
                args=(lambda: groups.pause(group_id),),
                key="sweep-pause",
            )
        if state.paused or state.interrupted:
            st.button(
                "Resume",
                type="primary",
                icon=":material/play_arrow:",
                help="Continues with the remaining runs. An interrupted run continues where it was.",
                on_click=attempt,
                args=(lambda: groups.resume(group_id),),
                key="sweep-resume",
            )
        left = state.queued or state.running
        if left and st.button(
            "Cancel remaining", icon=":material/close:", type="tertiary", key="sweep-cancel"
        ):
            confirm_cancel(group, state)
        grows = group.plan is not None
        if grows and st.button("Add settings", icon=":material/add:", type="tertiary", key="sweep-extend"):
            extend(group)
        if st.button("Rename", icon=":material/edit:", type="tertiary", key="sweep-rename"):
            rename(group)
        still = not state.running
        if still and st.button("Delete", icon=":material/delete:", type="tertiary", key="sweep-delete"):
            confirm_delete(group, state)


@st.dialog("Cancel the remaining runs?", icon=":material/close:")
def confirm_cancel(group: GroupRecord, state: GroupProgress) -> None:
    left = []
    if state.queued:
        left.append(f"{count(state.queued)} queued run{'s are' if state.queued > 1 else ' is'} removed")
    if state.running:
        left.append("the run in training is discarded")
    st.markdown(
        f"{' and '.join(left).capitalize()}. Finished runs are kept, and *Add settings* can add the others again."
    )
    with st.container(horizontal=True):
        if st.button(
            "Cancel them",
            type="primary",
            key="sweep-cancel-yes",
            on_click=attempt,
            args=(lambda: services.current().groups.cancel(group.group_id),),
        ):
            st.rerun()
        if st.button("Keep going", key="sweep-cancel-no"):
            st.rerun()


@st.dialog("Add settings", icon=":material/add:", width="large")
def extend(group: GroupRecord) -> None:
    st.markdown("Settings that the sweep already has are not trained again.")
    assert group.plan is not None
    plan = group.plan.replace(**sweep_axes("extend", group.plan))
    try:
        estimate = services.current().groups.estimate(plan)
    except StudioError as error:
        st.error(literal(error, limit=400), icon=":material/error:")
        return
    for notice in estimate.notices:
        st.caption(f":material/info: {literal(sentence(notice), limit=300)}")
    if st.button("Add to the queue", type="primary", icon=":material/playlist_add:", key="sweep-extend-yes"):
        try:
            services.current().groups.extend(group.group_id, plan)
        except StudioError as error:
            st.error(literal(error, limit=400), icon=":material/error:")
            return
        st.rerun()


@st.dialog("Rename", icon=":material/edit:")
def rename(group: GroupRecord) -> None:
    with st.form("sweep-name", border=False):
        st.text_input("Name", group.name, max_chars=120, required=True, key="sweep-name-text")
        if st.form_submit_button("Save", type="primary", on_click=attempt, args=(lambda: _save(group),)):
            st.rerun()


def _save(group: GroupRecord) -> None:
    name = st.session_state["sweep-name-text"].strip()
    if not name:
        raise BadInput("A sweep needs a name. The previous name was kept.")
    services.current().groups.rename(group.group_id, name)


@st.dialog("Delete permanently?", icon=":material/delete:")
def confirm_delete(group: GroupRecord, state: GroupProgress) -> None:
    st.markdown(f"**{literal(group.name)}** has {counted(state.total, 'run')}.")
    kept = st.radio(
        "What to delete",
        [False, True],
        format_func=lambda keep: "The sweep only" if keep else "The sweep and its runs",
        key="sweep-delete-what",
        captions=[
            "Models, training curves and logs are deleted. Data sets are kept.",
            "Its runs stay on the Runs page.",
        ],
    )
    with st.container(horizontal=True):
        if st.button(
            "Delete",
            type="primary",
            key="sweep-delete-yes",
            on_click=_delete,
            args=(group.group_id, bool(kept)),
        ):
            st.rerun()
        if st.button("Keep", key="sweep-delete-no"):
            st.rerun()


def _delete(group_id: str, keep_runs: bool) -> None:
    def gone() -> None:
        services.current().groups.delete(group_id, keep_runs=keep_runs)
        st.query_params.from_dict({"tab": "sweep"})

    attempt(gone)
