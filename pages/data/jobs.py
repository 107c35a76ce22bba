"""Work on data that is under way: a bar, what it is doing, Cancel; and, when it failed, why.

    watch(jobs, key="fetching")

Asks for news only while something is active; a finished job makes the whole page run again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from backend.errors import NotFound
from backend.services import current
from backend.types import Job, JobState
from backend.words import percent
from pages.shared.literal import literal

ACTIVE = (JobState.WAITING, JobState.WORKING)
EVERY = 0.7  # seconds between looks


def watch(jobs: Sequence[Job], *, key: str, on_again: Callable[[], None] | None = None) -> None:
    """Show ``jobs``; ``on_again`` is offered as "Try again" on the failed ones."""
    if not jobs:
        return
    active = [job.job_id for job in jobs if job.state in ACTIVE]
    panel = st.fragment(_panel, run_every=EVERY if active else None)
    panel([job.job_id for job in jobs], active, key, on_again)


def _panel(job_ids: list[str], were_active: list[str], key: str, on_again: Callable[[], None] | None) -> None:
    jobs = [job for job_id in job_ids if (job := _find(job_id))]
    active = {job.job_id for job in jobs if job.state in ACTIVE}
    if set(were_active) - active:
        st.rerun(scope="app")
    for job in jobs:
        if job.state in ACTIVE:
            _progress(job, key)
        elif job.state is JobState.FAILED:
            _failure(job, key, on_again)


def _find(job_id: str) -> Job | None:
    try:
        return current().datasets.job(job_id)
    except NotFound:
        return None


def _progress(job: Job, key: str) -> None:
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.markdown(f"**{literal(job.title)}**", width="content")
            st.button(
                "Cancel",
                key=f"{key}-cancel-{job.job_id}",
                icon=":material/close:",
                on_click=current().datasets.cancel_job,
                args=(job.job_id,),
            )
        share = min(1.0, max(0.0, job.progress)) if job.progress is not None else 0.0
        done = f"{percent(share, 0)} · " if job.progress is not None else ""
        st.progress(share, text=done + literal(job.phase or "starting"))


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
            on_click=current().datasets.dismiss_job,
            args=(job.job_id,),
        )
