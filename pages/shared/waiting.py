"""Wait for background work: an analysis, a check, work on data. A bar, Cancel, or why it failed and Try again.

    found = analysis_wait(run.run_id, "umap", button="Compute UMAP")      # None: the page shows what to wait for
    found = analysis_wait(run.run_id, "umap", auto=True)                  # begins without a button
    if not check_progress("cpu"): st.button("Check now", on_click=begin)
    data_jobs(jobs, key="fetching")

Only a fragment looks at work under way; when any of it ends, the page is drawn anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from backend import services
from backend.errors import NotFound, StudioError
from backend.services import AnalysisResult
from backend.types import Job, JobState
from backend.words import percent
from pages.shared.literal import literal

EVERY = 0.7  # seconds between looks
Look = Callable[[str], Job | None]
_REFUSED = "analysis_wait_refused"


# --- work under way, of every kind ---


def watch(
    jobs: Sequence[Job],
    look: Look,
    cancel: Callable[[str], None],
    *,
    key: str = "",
    failed: Callable[[Job], None] | None = None,
) -> None:
    """A bar with Cancel for each job under way; ``failed`` shows one that failed."""
    active = [job.job_id for job in jobs if not job.is_over]
    panel = st.fragment(_panel, run_every=EVERY if active else None)
    panel([job.job_id for job in jobs], active, look, cancel, key, failed)


def _panel(
    job_ids: list[str],
    were_active: list[str],
    look: Look,
    cancel: Callable[[str], None],
    key: str,
    failed: Callable[[Job], None] | None,
) -> None:
    jobs = [job for job_id in job_ids if (job := look(job_id))]
    active = {job.job_id for job in jobs if not job.is_over}
    if set(were_active) - active:
        st.rerun(scope="app")
    for job in jobs:
        if job.job_id in active:
            with st.container(horizontal=True, vertical_alignment="center"):
                st.progress(min(1.0, max(0.0, job.progress or 0.0)), text=job_line(job))
                st.button(
                    "Cancel",
                    icon=":material/close:",
                    type="tertiary",
                    on_click=cancel,
                    args=(job.job_id,),
                    key=key or f"cancel-{job.job_id}",
                )
        elif job.state is JobState.FAILED and failed is not None:
            failed(job)


def job_line(job: Job) -> str:
    """What a job does and how far it is, in one line of Markdown."""
    if job.state is JobState.WAITING:
        return f"{literal(job.title, limit=90)} · {waits_for()}"
    done = f"{percent(job.progress, 0)} · " if job.progress else ""
    return f"{literal(job.title, limit=90)} · {done}{literal(job.phase or 'working')}"


def waits_for() -> str:
    """Why a waiting job waits: there is one computation at a time."""
    runs = services.current().runs
    running = runs.active()
    if running is not None and not running.worker:  # a worker process leaves the computing here to others
        return f"queued until {literal(running.name, limit=50)} has finished training"
    return "queued"


# --- analyses of a run ---


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
    if job is None:
        job = analyses.first_look(run_id, kind)
    if job is None and auto:
        try:
            job = analyses.request(run_id, kind, **wanted)
        except StudioError as error:
            st.info(literal(error, limit=400), icon=":material/info:")
            return None
        if job.state is JobState.DONE:
            return analyses.result(run_id, kind, **wanted)
    if job is not None and not job.is_over:
        watch([job], _analysis, analyses.cancel)
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


def _begin(run_id: str, kind: str, options: dict[str, Any]) -> None:
    try:
        services.current().analyses.request(run_id, kind, **options)
    except StudioError as error:
        st.session_state[_REFUSED] = str(error)


def _analysis(job_id: str) -> Job | None:
    try:
        return services.current().analyses.get(job_id)
    except StudioError:
        return None


# --- checks of this computer ---


def check_progress(subject: str) -> bool:
    checks = services.current().checks
    state = checks.state(subject)
    if state is None:
        return False
    if state.problem:
        st.error(
            f"The check could not be completed: {literal(state.problem.message, limit=400)}",
            icon=":material/error:",
        )
        return False
    watch(
        [state],
        lambda _: checks.state(subject),
        lambda _: checks.cancel(subject),
        key=f"check_cancel_{subject}",
    )
    return True


# --- work on data ---


def data_jobs(jobs: Sequence[Job], *, key: str, on_again: Callable[[], None] | None = None) -> None:
    """Show ``jobs``; ``on_again`` is offered as "Try again" on the failed ones."""
    if jobs:
        watch(
            jobs,
            data_job,
            services.current().datasets.cancel_job,
            failed=lambda job: _failure(job, key, on_again),
        )


def data_job(job_id: str) -> Job | None:
    try:
        return services.current().datasets.job(job_id)
    except NotFound:
        return None


def _failure(job: Job, key: str, on_again: Callable[[], None] | None) -> None:
    message = job.problem.message if job.problem else "It failed without giving a reason."
    st.error(f"**{literal(job.title)}**: {literal(message, limit=800)}", icon=":material/error:")
    with st.container(horizontal=True):
        if on_again is not None:
            st.button(
                "Try again", key=f"{key}-again-{job.job_id}", icon=":material/refresh:", on_click=on_again
            )
        st.button(
            "Dismiss",
            key=f"{key}-dismiss-{job.job_id}",
            on_click=services.current().datasets.dismiss_job,
            args=(job.job_id,),
        )
