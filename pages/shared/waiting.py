"""Wait for computed results: an analysis of a run, or a check of this computer; a bar, Cancel, or why it failed.

    found = analysis_wait(run.run_id, "umap", button="Compute UMAP")      # None: the page shows what to wait for
    found = analysis_wait(run.run_id, "umap", auto=True)                  # begins without a button
    if not check_progress("cpu"): st.button("Check now", on_click=begin)

While the work is under way only a fragment looks at it; when it ends the page is drawn anew.
"""

from __future__ import annotations

from typing import Any

import streamlit as st

from backend import services
from backend.errors import StudioError
from backend.services import AnalysisResult
from backend.types import Job, JobState
from pages.shared.literal import literal


def analysis_wait(
    run_id: str,
    kind: str,
    *,
    button: str = "",
    help: str = "",
    auto: bool = False,
    options: dict[str, Any] | None = None,
) -> AnalysisResult | None:
    analyses, wanted = services.current().analyses, options or {}
    found = analyses.result(run_id, kind, **wanted)
    if found is not None:
        return found
    job = analyses.find(run_id, kind, **wanted)
    if job is not None and job.state is JobState.DONE:
        job = None  # the run was trained further since
    if job is None and auto:
        try:
            job = analyses.request(run_id, kind, **wanted)
        except StudioError as error:
            st.info(literal(error, limit=400), icon=":material/info:")
            return None
        if job.state is JobState.DONE:
            return analyses.result(run_id, kind, **wanted)
    if job is not None and not job.is_over:
        watch(job)
        return None
    if job is not None and job.problem is not None:
        st.error(literal(job.problem.message, limit=800), icon=":material/error:")
    elif job is not None:
        st.info("The analysis was cancelled.", icon=":material/cancel:")
    label = "Try again" if job is not None else button
    if label:
        st.button(
            label,
            icon=":material/refresh:" if job is not None else ":material/play_arrow:",
            type="primary" if job is None else "secondary",
            help=help or None,
            on_click=_begin,
            args=(run_id, kind, wanted),
            key=f"begin-{run_id}-{kind}-{sorted(wanted.items())}",
        )
    if refused := st.session_state.pop(_REFUSED, None):
        st.warning(literal(refused, limit=400), icon=":material/info:")
    return None


_REFUSED = "analysis_wait_refused"


def _begin(run_id: str, kind: str, options: dict[str, Any]) -> None:
    try:
        services.current().analyses.request(run_id, kind, **options)
    except StudioError as error:
        st.session_state[_REFUSED] = str(error)


def watch(job: Job) -> None:
    """The bar of a job under way; the page is drawn anew when it ends."""
    st.fragment(_watch, run_every=0.5)(job.job_id)


def _watch(job_id: str) -> None:
    analyses = services.current().analyses
    try:
        job = analyses.get(job_id)
    except StudioError:
        st.rerun()
    if job.is_over:
        st.rerun()
    with st.container(horizontal=True, vertical_alignment="center", key=f"analysis-{job_id}"):
        st.progress(job.progress or 0.0, text=job_line(job))
        st.button(
            "Cancel",
            icon=":material/close:",
            type="tertiary",
            on_click=analyses.cancel,
            args=(job_id,),
            key=f"cancel-{job_id}",
        )


def job_line(job: Job) -> str:
    """What a job does, in one line of Markdown."""
    if job.state is JobState.WAITING:
        return f"{literal(job.title, limit=90)} · {waits_for()}"
    return f"{literal(job.title, limit=90)} · {literal(job.phase or 'working')}"


def waits_for() -> str:
    """Why a waiting job waits: there is one computation at a time."""
    running = services.current().runs.active()
    if running is not None:
        return f"queued until {literal(running.name, limit=50)} has finished training"
    return "queued"


CHECK_EVERY = 0.7  # seconds between looks


def check_progress(subject: str) -> bool:
    state = services.current().checks.state(subject)
    if state is None:
        return False
    if state.problem:
        st.error(
            f"The check could not be completed: {literal(state.problem.message, limit=400)}",
            icon=":material/error:",
        )
        return False
    st.fragment(_under_way, run_every=CHECK_EVERY)(subject)
    return True


def _under_way(subject: str) -> None:
    state = services.current().checks.state(subject)
    if state is None or state.problem:
        st.rerun(scope="app")
    bar, cancel = st.columns([5, 1], vertical_alignment="center")
    bar.progress(state.progress or 0.0, text=literal(state.phase, limit=120))
    cancel.button(
        "Cancel",
        key=f"check_cancel_{subject}",
        icon=":material/close:",
        width="stretch",
        help="Stops the check at its next step. Earlier results are kept.",
        on_click=services.current().checks.cancel,
        args=(subject,),
    )
