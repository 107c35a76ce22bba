"""Loaded files that cannot be trained on yet: one line each, with the button that makes it ready."""

from __future__ import annotations

import streamlit as st

from backend import services
from backend.errors import StudioError
from backend.types import JobState, SourceRef
from pages.shared.literal import literal
from pages.train.state import adopt_prepared

_JOBS = "train_prepare_jobs"
SHOWN = 5


def unprepared_sources() -> None:
    """Draws nothing where every source has a prepared data set."""
    datasets = services.current().datasets
    done = {dataset.source_id for dataset in datasets.prepared()}
    under_way = st.session_state.get(_JOBS, {})
    waiting = [s for s in datasets.sources() if s.source_id not in done and s.source_id not in under_way]
    if under_way:
        _preparing()
    if not waiting:
        return
    st.caption("Loaded, not prepared for training yet:")
    for source in waiting[:SHOWN]:
        _row(source)
    if len(waiting) > SHOWN:
        st.page_link(
            "data/page.py",
            label=f"{len(waiting) - SHOWN} more on the Data page",
            icon=":material/table_view:",
        )


def _row(source: SourceRef) -> None:
    datasets = services.current().datasets
    report = datasets.report(source.source_id)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(literal(source.name, limit=60), width="content")
        if report is None or not report.trainable:
            st.page_link(
                "data/page.py",
                label="Look at it first" if report is None else "See what is missing",
                icon=":material/table_view:",
                query_params={"source": source.source_id},
            )
        elif st.button(
            "Prepare",
            key=f"train_prepare_{source.source_id}",
            icon=":material/build:",
            help="Makes a copy ready for training, with the settings recommended for this file.",
        ):
            try:
                job = datasets.prepare(source.source_id, report.recommended)
            except StudioError as error:
                st.error(literal(error, limit=1000), icon=":material/error:")
                return
            st.session_state.setdefault(_JOBS, {})[source.source_id] = job.job_id
            st.rerun()


@st.fragment(run_every=1)
def _preparing() -> None:
    datasets = services.current().datasets
    for source_id, job_id in list(st.session_state.get(_JOBS, {}).items()):
        try:
            job = datasets.job(job_id)
        except StudioError:  # dismissed elsewhere
            del st.session_state[_JOBS][source_id]
            continue
        match job.state:
            case JobState.DONE:
                del st.session_state[_JOBS][source_id]
                adopt_prepared(job.result_id)
                st.rerun()
            case JobState.FAILED | JobState.CANCELED:
                message = job.problem.message if job.problem else "Preparing was cancelled."
                st.error(literal(message, limit=400), icon=":material/error:")
                if st.button("Close", key=f"train_prepare_close_{source_id}", icon=":material/close:"):
                    del st.session_state[_JOBS][source_id]
                    st.rerun()
            case _:
                text = f"{literal(job.title)}: {literal(job.phase)}" if job.phase else literal(job.title)
                st.progress(job.progress or 0.0, text=text)
