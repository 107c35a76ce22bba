"""Which runs the table shows: by words, by status, by data set, by the sweep or duel they belong to.

``?group=<id>`` in the address opens the table with the runs of that group.
"""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from backend import services
from backend.types import RunRecord, RunStatus

ALL = "All data sets"
EVERY_GROUP = ""  # runs of their own included
_GROUP = "runs-group"


@dataclass(frozen=True)
class Wanted:
    text: str = ""
    statuses: tuple[str, ...] = ()
    dataset: str = ALL
    group: str = EVERY_GROUP


def group_names() -> dict[str, str]:
    """Sweeps, duels and imports by id, the newest first."""
    return {group.group_id: group.name for group in services.current().groups.list()}


def run_filter(runs: list[RunRecord]) -> Wanted:
    names = sorted({run.spec.dataset_name for run in runs if run.spec.dataset_name})
    present = [status.value for status in RunStatus if any(run.status is status for run in runs)]
    groups = {one: name for one, name in group_names().items() if any(run.group_id == one for run in runs)}
    search, data, *rest = st.columns([2, 1, 1] if groups else [2, 1], gap="small")
    text = search.text_input(
        "Find",
        placeholder="Name, note, data set, device",
        icon=":material/search:",
        key="runs-find",
        label_visibility="collapsed",
    )
    dataset = data.selectbox("Data set", [ALL, *names], key="runs-data", label_visibility="collapsed")
    group = _group_filter(groups, rest[0]) if groups else EVERY_GROUP
    statuses = st.pills(
        "Status", present, selection_mode="multi", key="runs-status", label_visibility="collapsed"
    )
    return Wanted(text or "", tuple(statuses or ()), dataset or ALL, group)


def _group_filter(groups: dict[str, str], place: DeltaGenerator) -> str:
    asked = st.query_params.get("group", EVERY_GROUP)
    if st.session_state.get("runs-group-asked") != asked:  # a link brought a group with it
        st.session_state["runs-group-asked"] = asked
        st.session_state[_GROUP] = asked
    if st.session_state.get(_GROUP) not in (EVERY_GROUP, *groups):
        st.session_state[_GROUP] = EVERY_GROUP
    return place.selectbox(
        "Sweep or duel",
        [EVERY_GROUP, *groups],
        format_func=lambda one: groups.get(one, "All sweeps and duels"),
        key=_GROUP,
        label_visibility="collapsed",
    )


def matching(runs: list[RunRecord], wanted: Wanted) -> list[RunRecord]:
    """Runs with every word of the text somewhere, one of the statuses, and the data set."""
    words = wanted.text.casefold().split()
    return [
        run
        for run in runs
        if (not wanted.statuses or run.status.value in wanted.statuses)
        and wanted.dataset in (ALL, run.spec.dataset_name)
        and wanted.group in (EVERY_GROUP, run.group_id)
        and all(word in _told(run) for word in words)
    ]


def _told(run: RunRecord) -> str:
    spec = run.spec
    told = (run.name, run.note, spec.dataset_name, run.device, run.device_name, run.run_id, spec.engine)
    return " ".join((*told, run.status.value, run.origin, spec.gene_likelihood)).casefold()
