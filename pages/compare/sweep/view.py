"""One sweep: how far it is, what can be done with it, and what it found; live while a run trains.

sweep_view(group)
"""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from backend import services
from backend.charts import SweepTable, sweep_tables
from backend.errors import NotFound, StudioError
from backend.types import Comparison, GroupProgress, GroupRecord, RunRecord
from pages.compare.fair_play import fair_play
from pages.compare.sweep.charts import sweep_charts
from pages.compare.sweep.controls import sweep_controls
from pages.compare.sweep.results_table import tables_beside_published
from pages.compare.sweep.sweep_downloads import sweep_downloads
from pages.compare.sweep.words import progress_words
from pages.compare.verdict import verdict, ways_on
from pages.shared.literal import literal

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
        st.caption(f":material/info: {literal(notice, limit=300)}")
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
