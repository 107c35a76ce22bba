"""The Sweep tab: many settings, one after the other. An open sweep, or the form and the sweeps there are.

``?tab=sweep`` and ``?tab=sweep&group=<id>``. One sweep shows how far it is, what can be done with it, and what it
found; live while a run trains.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import streamlit as st

from backend import services
from backend.charts import SweepTable, sweep_tables
from backend.errors import NotFound, StudioError
from backend.types import Comparison, GroupProgress, GroupRecord, RunRecord
from backend.words import about, ago, count, counted, sentence
from pages.compare.sweep.controls import sweep_controls
from pages.compare.sweep.form import sweep_form
from pages.compare.sweep.results import sweep_charts, tables_beside_published
from pages.compare.verdict import fair_play, verdict, ways_on
from pages.run.downloads import shared_downloads
from pages.shared.actions import flash
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
    running = next((run for run in runs if run.run_id == state.running_id), None)
    if running is not None:
        with st.container(horizontal=True, vertical_alignment="center"):
            doing = f"epoch {running.epoch} of {running.spec.max_epochs}" if running.epoch else running.phase
            st.markdown(
                f"Now: **{literal(_point(running, tables), limit=80)}**, {doing or 'starting'}",
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
    return f"{label} · minibatch {run.spec.batch_size:,}" + (f" · seed {run.spec.seed}" if repeated else "")


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
