"""The line above every page while a model trains or an analysis runs, and the toast when a run is done.

    status_line(showing=run_id)     # ``showing``: the run, or the group of runs, that fills the page already

Asks the registry every two seconds; draws nothing while nothing is computed.
"""

from __future__ import annotations

import streamlit as st

from backend import services
from backend.types import AnalysisJob, RunRecord, RunStatus
from backend.words import counted, duration
from pages.shared.literal import literal
from pages.shared.waiting import job_line

_WATCHED = "status_line_watched"


@st.fragment(run_every=2)
def status_line(showing: str | None, analyses: bool = True) -> None:
    runs = services.current().runs
    active = runs.active()
    watched: set[str] = st.session_state.setdefault(_WATCHED, set())
    for run_id in sorted(watched - {active.run_id if active else None}):
        watched.discard(run_id)
        if run_id != showing:
            _announce(run_id, showing)
    if active is None:
        if analyses and (job := services.current().analyses.active()) is not None:
            _analysis(job)
        return
    watched.add(active.run_id)
    if showing not in (active.run_id, active.group_id or None) or showing is None:
        _line(active, waiting=len(runs.queue()))


def _line(run: RunRecord, waiting: int) -> None:
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.progress(min(1.0, run.epoch / max(1, run.spec.max_epochs)), text=progress_text(run, waiting))
        st.page_link(
            "train/page.py", label="Watch", icon=":material/monitoring:", query_params={"run": run.run_id}
        )


def _analysis(job: AnalysisJob) -> None:
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.progress(job.progress or 0.0, text=job_line(job))
        st.page_link(
            "explore/page.py", label="See", icon=":material/bubble_chart:", query_params={"run": job.run_id}
        )


def progress_text(run: RunRecord, waiting: int = 0) -> str:
    """One line, Markdown: what the active run is doing and how much is left."""
    parts = [f"**{literal(run.name, limit=60)}**"]
    if run.epoch:
        parts.append(f"epoch {run.epoch} of {run.spec.max_epochs}")
        if run.seconds_per_epoch and run.epoch < run.spec.max_epochs:
            left = (run.spec.max_epochs - run.epoch) * run.seconds_per_epoch
            parts.append(f"about {duration(left)} left" if left >= 1 else "nearly done")
    else:
        parts.append(run.phase or "starting")
    if run.requested:
        parts.append("stopping" if run.requested == "stop" else "canceling")
    if waiting:
        parts.append(f"{waiting} more waiting")
    return " · ".join(parts)


def _announce(run_id: str, showing: str | None) -> None:
    run = next((record for record in services.current().runs.list() if record.run_id == run_id), None)
    if run is None or not run.status.is_over:  # deleted, or handed back to the queue
        return
    if run.group_id and run.group_id == showing:
        return
    name = f"**{literal(run.name, limit=60)}**"
    match run.status:
        case RunStatus.FINISHED:
            text, icon = (
                f"{name} is finished: {counted(run.epoch, 'epoch')} in {duration(run.elapsed)}.",
                "check_circle",
            )
        case RunStatus.STOPPED:
            text, icon = (
                f"{name} was stopped after {counted(run.epoch, 'epoch')}. Its model is kept.",
                "stop_circle",
            )
        case RunStatus.CANCELED:
            text, icon = f"{name} was canceled.", "cancel"
        case _:
            why = literal(run.problem.message, limit=200) if run.problem else "See its log for the reason."
            text, icon = f"{name} ended early. {why}", "error"
    st.toast(text, icon=f":material/{icon}:", duration="long")
    st.set_page_config(page_title=f"✓ {run.name}" if run.status.has_model else f"! {run.name}")
