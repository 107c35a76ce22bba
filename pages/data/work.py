"""A button that begins work on a source, then its progress; failed work can be tried again."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from backend.errors import StudioError
from backend.types import Job, JobState
from pages.shared.literal import literal
from pages.shared.waiting import data_job, data_jobs


def work_button(kind: str, source_id: str, label: str, begin: Callable[[], Job]) -> None:
    key = f"{kind}-job-{source_id}"

    def press() -> None:
        try:
            st.session_state[key] = begin().job_id
        except StudioError as error:
            st.session_state[f"{key}-refused"] = str(error)

    if refused := st.session_state.pop(f"{key}-refused", None):
        st.error(literal(refused, limit=800), icon=":material/error:")
    job = data_job(st.session_state.get(key, ""))
    if job is None or job.state in (JobState.CANCELED, JobState.DONE):
        st.button(label, key=f"{kind}-begin-{source_id}", icon=":material/play_arrow:", on_click=press)
    else:
        data_jobs([job], key=kind, on_again=press)
