"""The page of one source: what it is, what to choose, and the way to "ready to train".

dataset_page(source_id)
"""

from __future__ import annotations

import time

import streamlit as st

from backend.errors import NotFound, StudioError
from backend.services import current
from backend.types import DatasetRef, DatasetReport, Job, JobState, SourceRef
from backend.words import ago, count, file_size, sentence
from pages.data import report as report_view
from pages.data.choices import (
    batch_choice,
    batch_of,
    blocking,
    can_prepare,
    counts_choice,
    gene_choice,
    in_words,
    plan_of,
    problems,
    remedy_buttons,
    start_from,
)
from pages.data.design import design_section
from pages.data.library import confirm_removal, source_badges
from pages.data.quality import quality_section
from pages.shared.literal import literal
from pages.shared.waiting import data_job, data_jobs


def dataset_page(source_id: str) -> None:
    try:
        source = current().datasets.source(source_id)
    except NotFound as error:
        _all_data()
        st.title("Data set not found")
        st.error(literal(error), icon=":material/search_off:")
        return
    _top(source)
    report = current().datasets.report(source_id)
    if report is None:
        _being_checked(source)
    else:
        _understand_and_choose(source, report)


def _all_data() -> None:
    st.button("All data sets", icon=":material/arrow_back:", type="tertiary", on_click=_close)


def _close() -> None:
    st.query_params.pop("source", None)


def _top(source: SourceRef) -> None:
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        _all_data()
        if source.origin != "demo" and st.button("Remove", icon=":material/delete:", type="tertiary"):
            confirm_removal(source)
    st.title(literal(source.name), anchor=False)
    with st.container(gap="xsmall"):
        st.markdown(
            f"{source_badges(source)}  {file_size(source.size)} · added {ago(source.added_at, time.time())}"
        )
        if source.note:
            st.caption(literal(source.note, limit=600))


def _being_checked(source: SourceRef) -> None:
    """Start checking once per session and source; a failed check is repeated only when asked for."""
    datasets = current().datasets
    key = f"inspecting-{source.source_id}"

    def begin() -> None:
        st.session_state[key] = datasets.inspect(source.source_id).job_id

    job = data_job(st.session_state.get(key, ""))
    if job is None or job.state is JobState.DONE:  # done, and yet no report: it went missing meanwhile
        begin()
        job = datasets.job(st.session_state[key])
    st.markdown("Checking that the matrix contains raw counts, and for anything that could affect training.")
    if job.state is JobState.CANCELED:
        st.info("The check was cancelled.", icon=":material/info:")
        st.button("Check again", icon=":material/refresh:", on_click=begin)
        return
    data_jobs([job], key="inspect", on_again=begin)


def _understand_and_choose(source: SourceRef, report: DatasetReport) -> None:
    if changed := current().datasets.check_source(source.source_id):
        st.warning(literal(changed, limit=400), icon=":material/warning:")
    start_from(report, current().datasets.prepared())
    plan = plan_of(report)
    report_view.headline(report, plan)
    trainable = report.counts is not None
    problems(report)
    if trainable:
        counts_choice(report)
        left, right = st.columns(2, gap="medium")
        with left.container(border=True, height="stretch"):
            st.subheader("Batch", anchor=False)
            batch_choice(report)
        with right.container(border=True, height="stretch"):
            st.subheader("Genes", anchor=False)
            gene_choice(report)
        quality_section(report)
        design_section(report)
        with st.container(border=True):
            _make_ready(source, report)
    report_view.numbers(report, plan)
    report_view.shapes(report)
    with st.container(border=True):
        st.subheader("Matrices", anchor=False)
        if not trainable:
            st.markdown("None of these contains raw counts.")
        report_view.matrices(report, plan.counts)
    if not trainable:
        st.button("Load another file", icon=":material/upload_file:", type="primary", on_click=_close)
        return
    _other_versions(source, report)


def _make_ready(source: SourceRef, report: DatasetReport) -> None:
    """The way on, with the choices as they are: prepare, watch it, go to training."""
    datasets = current().datasets
    plan = plan_of(report)
    dataset_id = datasets.dataset_id(source.source_id, plan)
    if ready := next((dataset for dataset in datasets.prepared() if dataset.dataset_id == dataset_id), None):
        _ready(report, ready)
        return
    st.markdown("#### Prepare data set")
    if not can_prepare(report, plan):
        fixable = all(problem.remedies for problem in blocking(report, plan))
        st.markdown(
            "Resolve the problems marked :red[:material/error:] above first."
            if fixable
            else "This file cannot be prepared; the reason is given above. Load another file."
        )
        return
    st.markdown(
        f"Writes a copy optimised for training: {in_words(report, plan)}. "
        "The options above change what it contains."
    )
    key = f"preparing-{dataset_id}"

    def begin() -> None:
        try:
            st.session_state[key] = datasets.prepare(source.source_id, plan).job_id
        except StudioError as error:
            st.session_state[f"{key}-refused"] = str(error)

    if refused := st.session_state.pop(f"{key}-refused", None):
        st.error(literal(refused, limit=800), icon=":material/error:")
    job = data_job(st.session_state.get(key, "")) or _running(f"prepare-{dataset_id}")
    if job is None or job.state in (JobState.CANCELED, JobState.DONE):
        st.button("Prepare", type="primary", icon=":material/play_arrow:", on_click=begin)
    else:
        data_jobs([job], key="prepare", on_again=begin)
        if job.state is JobState.FAILED and job.problem:
            remedy_buttons(report, job.problem, "failed")


def _ready(report: DatasetReport, ready: DatasetRef) -> None:
    st.markdown("#### :green[:material/check_circle:] Ready for training")
    st.markdown(f"{count(ready.n_obs)} cells × {count(ready.n_vars)} genes.")
    for notice in ready.notices:
        st.caption(f":material/info: {literal(sentence(notice), limit=400)}")
    # an empty key says that all cells are one batch; without it the form would take the adviser's choice
    query = {"dataset": ready.dataset_id, "batch_key": batch_of(report) or ""}
    if st.button("Continue to training", type="primary", icon=":material/arrow_forward:"):
        st.switch_page("train/page.py", query_params=query)


def _running(job_id: str) -> Job | None:
    """The job of another tab or an earlier visit that does this very work."""
    job = data_job(job_id)
    return job if job and not job.is_over else None


def _other_versions(source: SourceRef, report: DatasetReport) -> None:
    datasets = current().datasets
    present = datasets.dataset_id(source.source_id, plan_of(report))
    others = [d for d in datasets.prepared() if d.source_id == source.source_id and d.dataset_id != present]
    if not others:
        return
    with st.expander(f"Other prepared versions of this file: {len(others)}", icon=":material/history:"):
        for dataset in others:
            with st.container(
                horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"
            ):
                st.markdown(
                    f"{count(dataset.n_obs)} cells × {count(dataset.n_vars)} genes, "
                    f"{ago(dataset.created_at, time.time())}",
                    width="content",
                )
                if st.button("Train", key=f"train-{dataset.dataset_id}", icon=":material/model_training:"):
                    st.switch_page("train/page.py", query_params={"dataset": dataset.dataset_id})
