"""Load data: upload, a folder of the server, a web address, and what is built in or simulated.

    load_data()

Whatever arrives is opened: its report is the next thing on the page. Work that takes time becomes a job, and the
page goes to its result as soon as it is done, in the session that asked for it. An upload of any size goes straight
to the server's disk (Streamlit's own uploader would hold it in memory) and survives reruns and other pages.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypedDict, cast

import streamlit as st

from backend.errors import StudioError
from backend.services import current
from backend.types import Job, JobState
from backend.words import ago, count, file_size
from pages.server.access import TOKEN, TOKEN_HEADER
from pages.server.receive import SUFFIXES
from pages.server.routes import UPLOAD_URL
from pages.shared.literal import code, literal
from pages.shared.waiting import data_jobs

_HERE = Path(__file__).parent
_zone = st.components.v2.component(
    "scvi_studio_upload",
    html=(_HERE / "upload.html").read_text("utf-8"),
    css=(_HERE / "upload.css").read_text("utf-8"),
    js=(_HERE / "upload.js").read_text("utf-8"),
)


class Uploaded(TypedDict):
    source_id: str
    name: str
    size: int


def upload(*, max_bytes: int, key: str = "upload") -> Uploaded | None:
    """Mount the drop zone; the finished upload is returned once, in the rerun that it causes."""
    result = _zone(
        key=key,
        data={
            "url": UPLOAD_URL,
            "header": TOKEN_HEADER,
            "token": TOKEN,
            "suffixes": list(SUFFIXES),
            "max_bytes": max_bytes,
        },
        on_uploaded_change=lambda: None,
    )
    uploaded = result.uploaded
    sound = isinstance(uploaded, dict) and all(
        isinstance(uploaded.get(one), str) for one in ("source_id", "name")
    )
    return cast(Uploaded, uploaded) if sound else None


FOLLOWED = "data-followed-jobs"  # jobs that this session started and wants to see the result of
UPLOAD, FOLDER, WEB, BUILT_IN = "Upload", "Open from folder", "From a URL", "Example or simulated"
_ICONS = {UPLOAD: "upload_file", FOLDER: "folder_open", WEB: "cloud_download", BUILT_IN: "science"}
_SHOWN_FILES = 12
_AT_ONCE = 1.0  # seconds that a press may take before it becomes work with a progress bar
_SIZES = {
    "Small": (2_000, 2_000),
    "Medium": (20_000, 8_000),
    "Large": (90_852, 20_000),
}
DENSITY = 0.08


def open_source(source_id: str) -> None:
    st.query_params["source"] = source_id


def ways_to_bring() -> None:
    way = st.segmented_control(
        "How to load data",
        list(_ICONS),
        format_func=lambda name: f":material/{_ICONS[name]}: {name}",
        default=UPLOAD,
        required=True,
        key="data-way",
        persist_state="session",
        label_visibility="collapsed",
        wrap=True,
    )
    with st.container(border=way != UPLOAD):
        {UPLOAD: _upload, FOLDER: _folder, WEB: _web, BUILT_IN: _built_in}[way or UPLOAD]()


def work_under_way() -> None:
    """The jobs that are active or failed; goes to the result of one this session waits for."""
    jobs = current().datasets.jobs()
    followed: list[str] = st.session_state.setdefault(FOLLOWED, [])
    for job in jobs:
        if job.job_id in followed and job.state is JobState.DONE and job.result_id:
            followed.remove(job.job_id)
            current().datasets.dismiss_job(job.job_id)
            open_source(job.result_id)
            st.rerun()
    data_jobs([job for job in jobs if job.state not in (JobState.DONE, JobState.CANCELED)], key="work")


# --- the four ways --------------------------------------------------------------------------------


def _upload() -> None:
    arrived = upload(max_bytes=current().settings.max_upload_bytes)
    if arrived:
        open_source(arrived["source_id"])
        st.toast(f"{literal(arrived['name'])} was uploaded.", icon=":material/check_circle:")
        st.rerun()
    st.caption(
        "The file stays on this computer. From Seurat or another R package, export an .h5ad first, for example with "
        "zellkonverter; from Cell Ranger, use filtered_feature_bc_matrix.h5."
    )


def _folder() -> None:
    services = current()
    files = services.datasets.browse()
    folders = ", ".join(code(folder) for folder in services.settings.allowed_dirs)
    if not files:
        st.markdown("#### :material/folder_open: No files yet")
        st.markdown(f"Put .h5ad or .h5 files into {folders} on the server. They are opened in place.")
        st.button("Refresh", icon=":material/refresh:")
        return
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.caption(f"Files in {folders}. They are opened in place, not copied.", width="content")
        st.button("Refresh", icon=":material/refresh:", type="tertiary")
    wanted = ""
    if len(files) > _SHOWN_FILES:
        wanted = st.text_input("Find a file", placeholder="Part of its name", live="300ms").lower()
    fitting = [file for file in files if wanted in str(file.path).lower()]
    for index, file in enumerate(fitting[:_SHOWN_FILES]):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            with st.container(width="content", gap=None):
                st.markdown(f"**{literal(file.path)}**")
                st.caption(f"{file_size(file.size)} · changed {ago(file.modified, time.time())}")
            pressed = st.button(
                "Open", key=f"open-file-{index}-{file.location}", icon=":material/arrow_forward:"
            )
        if pressed:
            _follow(partial(services.datasets.open_local, file.location), patience=_AT_ONCE)
    if len(fitting) > _SHOWN_FILES:
        st.caption(f"{count(len(fitting) - _SHOWN_FILES)} more. Type part of the name above.")
    elif not fitting:
        st.caption("No file name matches.")


def _web() -> None:
    with st.form("fetch-url", border=False):
        url = st.text_input(
            "URL of a file",
            placeholder="https://datasets.cellxgene.cziscience.com/….h5ad",
            help="A direct link to an .h5ad or 10x .h5 file, for example a CELLxGENE download link.",
        )
        if st.form_submit_button("Download", icon=":material/download:", type="primary"):
            if url.strip():
                _follow(lambda: current().datasets.fetch_url(url.strip()))
            else:
                st.error("Paste the URL of a file first.", icon=":material/link_off:")
    st.markdown("##### Public data sets")
    st.caption("Published data sets with raw counts, downloaded from their authors' repositories.")
    for chosen in current().datasets.public_sets():
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            with st.container(gap="xsmall", width="stretch"):
                st.markdown(f"**{literal(chosen.title)}**")
                st.caption(literal(chosen.description, limit=400))
                shape = f"{count(chosen.n_obs)} cells × {count(chosen.n_vars)} genes"
                st.caption(
                    f"{shape} · download about {file_size(chosen.size_bytes)} · {literal(chosen.source)}"
                )
            if st.button("Download", key=f"fetch-{chosen.key}", icon=":material/download:"):
                _follow(lambda key=chosen.key: current().datasets.fetch_public(key))  # type: ignore[misc]


def _built_in() -> None:
    demo = current().datasets.demo()
    with st.container(horizontal=True, vertical_alignment="center"):
        with st.container(gap="xsmall", width="stretch"):
            st.markdown(f"**{literal(demo.name)}**")
            st.caption(literal(demo.note, limit=400))
        st.button(
            "Open",
            key="open-demo",
            icon=":material/arrow_forward:",
            on_click=open_source,
            args=(demo.source_id,),
        )
    st.markdown("##### Simulated data")
    st.caption(
        "Simulated counts with known cell types and two batches: for testing data size and speed, not for biology. "
        "Simulated data is labelled as such everywhere."
    )
    preset = st.segmented_control(
        "Size", [*_SIZES, "Custom"], default="Small", required=True, key="simulate-size"
    )
    n_obs, n_vars = _SIZES.get(preset or "Small", _SIZES["Small"])
    if preset == "Custom":
        left, right = st.columns(2)
        n_obs = left.number_input("Cells", 100, 90_852, 10_000, step=1000)
        n_vars = right.number_input("Genes", 100, 20_000, 5_000, step=500)
    with st.expander("More settings", icon=":material/tune:"):
        n_types = st.number_input("Cell types", 1, 50, 8)
        n_batches = st.number_input(
            "Batches", 1, 20, 2, help="Experimental batches with a small batch effect."
        )
        seed = st.number_input("Seed", 0, 2**31 - 1, 0, help="The same seed gives the same data.")
    expected = n_obs * n_vars * DENSITY * 8
    st.caption(f"{count(n_obs)} cells × {count(n_vars)} genes, about {file_size(expected)} on disk.")
    if st.button("Simulate", icon=":material/science:", type="primary"):
        _follow(
            lambda: current().datasets.simulate(
                int(n_obs),
                int(n_vars),
                density=DENSITY,
                seed=int(seed),
                n_batches=int(n_batches),
                n_types=int(n_types),
            )
        )


# --------------------------------------------------------------------------------------------------


def _follow(begin: Callable[[], Job], patience: float = 0.0) -> None:
    """Begin work and go to its result: at once where that is there within ``patience`` seconds."""
    datasets = current().datasets
    job = None
    try:
        job = begin()
        if patience:
            with st.spinner("Reading the file"):
                job = datasets.wait(job.job_id, patience)
    except StudioError as error:
        if job is not None:  # said here, where the button is
            datasets.dismiss_job(job.job_id)
        st.error(literal(error, limit=800), icon=":material/error:")
        return
    if job.state is JobState.DONE and job.result_id:
        datasets.dismiss_job(job.job_id)
        open_source(job.result_id)
    else:
        st.session_state.setdefault(FOLLOWED, []).append(job.job_id)
    st.rerun()
