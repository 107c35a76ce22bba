"""The Sweep tab: many settings, one after the other. An open sweep, or the form and the sweeps there are.

``?tab=sweep`` and ``?tab=sweep&group=<id>``. One sweep shows how far it is, what it found, and what can be done with
it: pause, resume, cancel the rest, add points, rename, delete; live while a run trains.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import streamlit as st

from backend import services
from backend.charts import SweepTable, sweep_tables
from backend.errors import BadInput, NotFound, StudioError
from backend.types import Comparison, GroupProgress, GroupRecord, RunRecord, RunStatus
from backend.words import about, ago, count, counted, sentence
from pages.compare.sweep.form import sweep_axes, sweep_form
from pages.compare.sweep.results import sweep_charts, tables_beside_published
from pages.compare.verdict import fair_play, verdict, ways_on
from pages.run.downloads import shared_downloads
from pages.shared.actions import attempt, flash
from pages.shared.literal import literal

_STATES = {
    "running": ":material/play_circle: training",
    "waiting": ":material/schedule: queued",
    "pausing": ":material/pause_circle: pausing after the current run",
    "paused": ":material/pause_circle: paused",
    "interrupted": ":material/power_off: interrupted",
    "done": ":material/check_circle: done",
}


def progress_words(state: GroupProgress) -> str:
    """``3 of 12 runs done · training · about 4 min left``, as Markdown."""
    parts = [
        f"{state.finished} of {counted(state.total, 'run')} done",
        _STATES[state.state],
    ]
    if state.elsewhere and state.state in ("running", "waiting"):
        parts.append("from the command line")
    for number, what in ((state.failed, "failed"), (state.canceled, "cancelled")):
        if number:
            parts.append(f"{number} {what}")
    if state.interrupted and state.state != "interrupted":
        parts.append(f"{state.interrupted} interrupted")
    if state.state in ("running", "waiting") and state.seconds_left:
        parts.append(f"{about(state.seconds_left)} left")
    return " · ".join(parts)


def sweep_tab() -> None:
    flash()
    group_id = st.query_params.get("group", "")
    if group_id:
        try:
            group = services.current().groups.get(group_id)
        except NotFound:
            st.warning(
                "Sweep not found: it was deleted, or the address belongs to another workspace.",
                icon=":material/link_off:",
            )
        else:
            sweep_view(group)
            return
    sweep_form()
    sweep_list()


_WAS_OVER = "sweep_was_over"


def sweep_view(group: GroupRecord) -> None:
    st.button(
        "All sweeps",
        icon=":material/arrow_back:",
        type="tertiary",
        on_click=st.query_params.from_dict,
        args=({"tab": "sweep"},),
        key="sweep-back",
    )
    state = services.current().groups.progress(group.group_id)
    quiet = not (state.queued or state.running)
    st.session_state[_WAS_OVER] = quiet
    st.fragment(_live, run_every=None if quiet else 1.0)(group.group_id)
    if quiet and state.finished:
        compared = _compared(_with_model(services.current().groups.runs(group.group_id)))
        if compared is not None:
            with st.container(horizontal=True):
                ways_on(compared)
        sweep_downloads(group.group_id)


def _live(group_id: str) -> None:
    groups = services.current().groups
    try:
        group, state, runs = groups.get(group_id), groups.progress(group_id), groups.runs(group_id)
    except NotFound:  # deleted in another tab
        st.rerun()
    if (not (state.queued or state.running)) != st.session_state.get(_WAS_OVER):
        st.rerun()  # it has just ended, or begun again
    comparer = services.current().comparer
    curves = {run.run_id: comparer.curves(run) for run in runs}
    tables = sweep_tables(runs, curves)
    _header(group, state, runs, tables)
    sweep_controls(group, state)
    for notice in group.notices:
        st.caption(f":material/info: {literal(sentence(notice), limit=300)}")
    _problems(runs)
    comparison = _compared(_with_model(runs))
    if comparison is not None:
        verdict(comparison, "Verdict" if state.is_over else "So far")
        fair_play(comparison)
    tables_beside_published(tables, comparison.recommended if comparison is not None else "")
    sweep_charts(group_id, runs, curves, comparison)


def _with_model(runs: list[RunRecord]) -> list[str]:
    return [run.run_id for run in runs if run.status.has_model]


def _header(
    group: GroupRecord, state: GroupProgress, runs: list[RunRecord], tables: Sequence[SweepTable]
) -> None:
    st.subheader(literal(group.name, limit=120), anchor=False)
    share = state.epochs / state.epochs_total if state.epochs_total else 1.0
    st.progress(min(1.0, share), text=progress_words(state))
    for running in (run for run in runs if run.status is RunStatus.RUNNING):
        with st.container(horizontal=True, vertical_alignment="center"):
            doing = f"epoch {running.epoch} of {running.spec.max_epochs}" if running.epoch else running.phase
            where = f" on {literal(running.worker)}" if running.worker else ""
            st.markdown(
                f"Now{where}: **{literal(_point(running, tables), limit=80)}**, {doing or 'starting'}",
                width="content",
            )
            st.page_link(
                "train/page.py",
                label="Watch",
                icon=":material/monitoring:",
                query_params={"run": running.run_id},
            )


def _point(run: RunRecord, tables: Sequence[SweepTable]) -> str:
    """Which point of the sweep a run is, in the words of the tables: ``fused · CPU · minibatch 512``."""
    label = next((t.label for t in tables for row in t.rows if run.run_id in row.run_ids), run.name)
    repeated = any(len(row.run_ids) > 1 for table in tables for row in table.rows)
    return f"{label} · minibatch {count(run.spec.batch_size)}" + (
        f" · seed {run.spec.seed}" if repeated else ""
    )


def _problems(runs: list[RunRecord]) -> None:
    for run in runs:
        if run.problem is not None and not run.status.has_model:
            st.error(
                f"**{literal(run.name, limit=80)}:** {literal(run.problem.message, limit=400)}",
                icon=":material/error:",
            )


def _compared(run_ids: list[str]) -> Comparison | None:
    if len(run_ids) < 2:
        return None
    try:
        return services.current().comparer.compare(run_ids)
    except StudioError:  # one was deleted this moment
        return None


_SHOWN = 20


def sweep_list() -> None:
    groups = [group for group in services.current().groups.list() if group.kind == "sweep"]
    if not groups:
        st.caption("Your sweeps are listed here.")
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


def sweep_downloads(group_id: str) -> None:
    shared_downloads(group_id, key=group_id)
    st.page_link(
        "runs/page.py",
        label="Runs of this sweep",
        icon=":material/history:",
        query_params={"group": group_id},
    )


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
