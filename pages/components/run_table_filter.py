"""Which runs the table shows: by words, by status, by data set. The choice is kept in the address."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from backend.types import RunRecord, RunStatus

ALL = "All data sets"


@dataclass(frozen=True)
class Wanted:
    text: str = ""
    statuses: tuple[str, ...] = ()
    dataset: str = ALL


def run_filter(runs: list[RunRecord]) -> Wanted:
    names = sorted({run.spec.dataset_name for run in runs if run.spec.dataset_name})
    present = [status.value for status in RunStatus if any(run.status is status for run in runs)]
    search, data = st.columns([2, 1], gap="small")
    text = search.text_input(
        "Find",
        placeholder="Name, note, data set, device",
        icon=":material/search:",
        key="runs-find",
        label_visibility="collapsed",
    )
    dataset = data.selectbox("Data set", [ALL, *names], key="runs-data", label_visibility="collapsed")
    statuses = st.pills(
        "Status", present, selection_mode="multi", key="runs-status", label_visibility="collapsed"
    )
    return Wanted(text or "", tuple(statuses or ()), dataset or ALL)


def matching(runs: list[RunRecord], wanted: Wanted) -> list[RunRecord]:
    """Runs with every word of the text somewhere, one of the statuses, and the data set."""
    words = wanted.text.casefold().split()
    return [
        run
        for run in runs
        if (not wanted.statuses or run.status.value in wanted.statuses)
        and wanted.dataset in (ALL, run.spec.dataset_name)
        and all(word in _told(run) for word in words)
    ]


def _told(run: RunRecord) -> str:
    spec = run.spec
    told = (run.name, run.note, spec.dataset_name, run.device, run.device_name, run.run_id, spec.engine)
    return " ".join((*told, run.status.value, run.origin, spec.gene_likelihood)).casefold()
