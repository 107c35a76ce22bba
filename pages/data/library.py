"""The data sets of this workspace: the files that were loaded, and the prepared data sets."""

from __future__ import annotations

import time

import streamlit as st

from backend.errors import StudioError
from backend.services import current
from backend.types import DatasetRef, SourceRef
from backend.words import ago, count, file_size
from pages.data.load import open_source
from pages.shared.literal import literal

ORIGINS = {
    "upload": ("Uploaded", "upload_file"),
    "folder": ("From a folder", "folder_open"),
    "url": ("From a URL", "cloud_download"),
    "public": ("Public data set", "public"),
    "demo": ("Example", "star"),
    "simulated": ("Simulated", "science"),
}
_AT_FIRST = 6


def source_badges(source: SourceRef) -> str:
    """Where a source is from, as a Markdown badge; simulated data always says so."""
    text, icon = ORIGINS.get(source.origin, (source.origin, "description"))
    if source.simulated:
        return ":orange-badge[:material/science: Simulated, not real cells]"
    return f":gray-badge[:material/{icon}: {literal(text)}]"


def sources_here() -> None:
    sources = current().datasets.sources()
    st.subheader("Your data sets", anchor=False)
    if not sources:
        st.caption("No data sets yet. Every file you load is listed here.")
        return
    shown = sources if st.session_state.get("all-sources") else sources[:_AT_FIRST]
    with st.grid(2, min_column_width=300, gap="medium"):
        for source in shown:
            with st.container(border=True, height="stretch", gap="xsmall"):
                _source_card(source)
    if len(shown) < len(sources):
        st.button(
            f"Show all {len(sources)}",
            icon=":material/expand_more:",
            on_click=lambda: st.session_state.update({"all-sources": True}),
        )


def _source_card(source: SourceRef) -> None:
    st.markdown(f"**{literal(source.name)}**", wrap=False)
    report = current().datasets.report(source.source_id)
    facts = [f"{count(report.n_obs)} cells × {count(report.n_vars)} genes"] if report else []
    facts += [file_size(source.size)]
    if source.origin != "demo":
        facts += [ago(source.added_at, time.time())]
    st.markdown(f"{source_badges(source)}  :small[{' · '.join(facts)}]")
    st.space("xsmall")
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.button(
            "Open",
            key=f"open-{source.source_id}",
            icon=":material/arrow_forward:",
            on_click=open_source,
            args=(source.source_id,),
        )
        if source.origin != "demo" and st.button(
            "Remove", key=f"remove-{source.source_id}", icon=":material/delete:", type="tertiary"
        ):
            confirm_removal(source)


@st.dialog("Remove this file?", icon=":material/delete:")
def confirm_removal(source: SourceRef) -> None:
    """Ask first; a file that was opened from a folder stays where it is."""
    st.markdown(f"**{literal(source.name)}**, {file_size(source.size)}")
    if source.origin == "folder":
        st.markdown("It is removed from this list. The file itself stays in its folder.")
    else:
        st.markdown("The file is deleted from the workspace. This cannot be undone.")
    st.caption("Data sets prepared from it, and runs trained on them, are kept.")
    with st.container(horizontal=True, horizontal_alignment="right"):
        if st.button("Cancel"):
            st.rerun()
        if st.button("Remove", type="primary", icon=":material/delete:"):
            try:
                current().datasets.remove_source(source.source_id)
            except StudioError as error:
                st.error(literal(error), icon=":material/error:")
                return
            if st.query_params.get("source") == source.source_id:
                del st.query_params["source"]
            st.rerun()


def ready_here() -> None:
    """The prepared data sets, each with the way to train on it."""
    st.subheader("Prepared data sets", anchor=False)
    ready = current().datasets.prepared()
    if not ready:
        st.caption("None yet. Open a file and prepare it; a prepared data set is kept until you remove it.")
        return
    with st.container(border=True, gap="small"):
        for dataset in ready:
            _ready_row(dataset)


def _ready_row(dataset: DatasetRef) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        with st.container(gap=None, width="stretch"):
            simulated = "  :orange-badge[:material/science: Simulated]" if dataset.simulated else ""
            st.markdown(f"**{literal(dataset.name)}**{simulated}")
            st.caption(f"{count(dataset.n_obs)} cells × {count(dataset.n_vars)} genes")
        if st.button("Train", key=f"train-{dataset.dataset_id}", icon=":material/model_training:"):
            st.switch_page("train/page.py", query_params={"dataset": dataset.dataset_id})
        if dataset.source_id != current().datasets.demo().source_id and st.button(
            "Remove",
            key=f"drop-{dataset.dataset_id}",
            icon=":material/delete:",
            type="tertiary",
            help="It can be prepared again as long as its file is in the workspace.",
        ):
            _confirm_unprepare(dataset)


@st.dialog("Remove this prepared data set?", icon=":material/delete:")
def _confirm_unprepare(dataset: DatasetRef) -> None:
    st.markdown(f"**{literal(dataset.name)}**, {count(dataset.n_obs)} cells × {count(dataset.n_vars)} genes")
    st.caption(
        "Finished runs keep their model, but cannot be resumed, extended or exported with the data until it is "
        "prepared again."
    )
    with st.container(horizontal=True, horizontal_alignment="right"):
        if st.button("Cancel"):
            st.rerun()
        if st.button("Remove", type="primary", icon=":material/delete:"):
            try:
                current().datasets.remove_dataset(dataset.dataset_id)
            except StudioError as error:
                st.error(literal(error), icon=":material/error:")
                return
            st.rerun()
