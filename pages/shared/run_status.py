"""How runs stand: a run's status as a badge, the queue, and the line above every page while something is computed.

run_badge(run.status)
queue(run_id)                   # ``run_id``: the run that fills the page
status_line(showing=run_id)     # ``showing``: the run, or the group of runs, that fills the page already
"""

from __future__ import annotations

from typing import Literal

import streamlit as st

from backend import services
from backend.types import Job, RunRecord, RunStatus
from backend.words import counted, duration, status_word
from pages.shared.actions import attempt
from pages.shared.literal import literal
from pages.shared.waiting import job_line

Color = Literal["red", "orange", "blue", "green", "gray"]

LOOK: dict[RunStatus, tuple[str, Color]] = {
    RunStatus.QUEUED: ("schedule", "gray"),
    RunStatus.RUNNING: ("play_circle", "blue"),
    RunStatus.FINISHED: ("check_circle", "green"),
    RunStatus.STOPPED: ("stop_circle", "orange"),
    RunStatus.FAILED: ("error", "red"),
    RunStatus.CANCELED: ("cancel", "gray"),
    RunStatus.INTERRUPTED: ("power_off", "orange"),
}


def run_badge(status: RunStatus) -> None:
    icon, color = LOOK[status]
    st.badge(status_word(status), icon=f":material/{icon}:", color=color)


def queue(highlighted: str | None = None) -> None:
    st.fragment(queue_panel, run_every=2.0)(highlighted)


def queue_panel(highlighted: str | None = None) -> None:
    """The queue as it is now; ``queue`` looks again by itself."""
    runs = services.current().runs
    running, waiting = runs.running(), runs.queue()
    ahead = running or [run.run_id for run in waiting] != [highlighted]
    if not waiting or not ahead:
        return
    with st.container(border=True):
        st.markdown("**Queue**")
        for one in running:
            where = f" on {literal(one.worker)}" if one.worker else ""
            st.markdown(
                f":material/play_circle: {literal(one.name, limit=60)}, "
                f"epoch {one.epoch} of {one.spec.max_epochs}, is training now{where}."
            )
        for index, run in enumerate(waiting):
            with st.container(horizontal=True, vertical_alignment="center"):
                name = literal(run.name, limit=60)
                own = run.run_id == highlighted
                st.markdown(f"{index + 1}. **{name}** (this run)" if own else f"{index + 1}. {name}")
                for label, icon, where in (
                    ("Move to top", "vertical_align_top", "top"),
                    ("Move up", "arrow_upward", "up"),
                    ("Move down", "arrow_downward", "down"),
                ):
                    st.button(
                        label,
                        icon=f":material/{icon}:",
                        type="tertiary",
                        disabled=index == (len(waiting) - 1 if where == "down" else 0),
                        on_click=attempt,
                        args=(lambda run_id=run.run_id, where=where: runs.move(run_id, where),),
                        key=f"queue-{where}-{run.run_id}",
                    )
                st.button(
                    "Remove from queue",
                    icon=":material/close:",
                    type="tertiary",
                    on_click=attempt,
                    args=(lambda run_id=run.run_id: runs.cancel(run_id),),
                    key=f"queue-out-{run.run_id}",
                )


_WATCHED = "status_line_watched"
_LINES = 3  # runs under way that have a line each above every page


@st.fragment(run_every=2)
def status_line(showing: str | None, analyses: bool = True) -> None:
    runs = services.current().runs
    if trouble := runs.trouble():
        st.error(literal(trouble, limit=600), icon=":material/error:")
    running = runs.running()
    watched: set[str] = st.session_state.setdefault(_WATCHED, set())
    for run_id in sorted(watched - {run.run_id for run in running}):
        watched.discard(run_id)
        if run_id != showing:
            _announce(run_id, showing)
    if not running:
        job = services.current().analyses.active() if analyses else None
        if job is not None and job.subject != showing:  # whose page shows it itself
            _analysis_line(job)
        return
    watched |= {run.run_id for run in running}
    waiting = len(runs.queue())
    for run in running[:_LINES]:
        if showing not in (run.run_id, run.group_id or None) or showing is None:
            _line(run, waiting)


def _line(run: RunRecord, waiting: int) -> None:
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.progress(
            min(1.0, max(0, run.epoch) / max(1, run.spec.max_epochs)), text=progress_text(run, waiting)
        )
        st.page_link(
            "train/page.py", label="Watch", icon=":material/monitoring:", query_params={"run": run.run_id}
        )


def _analysis_line(job: Job) -> None:
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.progress(job.progress or 0.0, text=job_line(job))
        st.page_link(
            "explore/page.py", label="View", icon=":material/bubble_chart:", query_params={"run": job.subject}
        )


def progress_text(run: RunRecord, waiting: int = 0) -> str:
    """One line, Markdown: what the active run is doing and how much is left."""
    parts = [f"**{literal(run.name, limit=60)}**", *([literal(run.worker)] if run.worker else [])]
    if run.epoch:
        parts.append(f"epoch {run.epoch} of {run.spec.max_epochs}")
        if run.seconds_per_epoch and run.epoch < run.spec.max_epochs:
            left = (run.spec.max_epochs - run.epoch) * run.seconds_per_epoch
            parts.append(f"about {duration(left)} left" if left >= 1 else "nearly done")
    else:
        parts.append(run.phase or "starting")
    if run.requested:
        parts.append("stopping" if run.requested == "stop" else "cancelling")
    if waiting:
        parts.append(f"{waiting} more queued")
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
                f"{name} finished: {counted(run.epoch, 'epoch')} in {duration(run.elapsed)}.",
                "check_circle",
            )
        case RunStatus.STOPPED:
            text, icon = (
                f"{name} was stopped after {counted(run.epoch, 'epoch')}. Its model is kept.",
                "stop_circle",
            )
        case RunStatus.CANCELED:
            text, icon = f"{name} was cancelled.", "cancel"
        case _:
            why = literal(run.problem.message, limit=200) if run.problem else "Its log says why."
            text, icon = f"{name} ended early. {why}", "error"
    st.toast(text, icon=f":material/{icon}:", duration="long")
    st.set_page_config(page_title=f"✓ {run.name}" if run.status.has_model else f"! {run.name}")
