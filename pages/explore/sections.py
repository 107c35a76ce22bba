"""The parts of the Explore page, one shown at a time: ``?see=<name>``. Each is a function of the run.

A new part is a component with one function and a line here; it is imported only when it is chosen.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from backend.types import RunRecord, RunStatus

_KEY = "explore_see"


@dataclass(frozen=True)
class Section:
    title: str
    icon: str
    function: str  # "explore.map:map_section" in pages
    while_training: bool = False  # can be seen before there is a model


SECTIONS = {
    "map": Section("Map", "scatter_plot", "explore.map:map_section"),
    "live": Section("Cells separating", "animation", "explore.live:live_section", while_training=True),
    "integration": Section("Batches", "join_inner", "explore.integration:integration_section"),
    "labels": Section("Known labels", "label", "explore.labels:labels_section"),
    "linked": Section("Two runs", "compare_arrows", "explore.linked:linked_section"),
    "markers": Section("Marker genes", "genetics", "explore.markers:markers_section"),
    "trust": Section("Can I trust it?", "fact_check", "explore.trust:trust_section"),
    "files": Section("Take away", "download", "run.downloads:downloads"),
}


def chosen_section(run: RunRecord) -> Callable[[RunRecord], None] | None:
    """The part to show, by the control that chooses it or by the address; None where a run has none yet."""
    training = run.status is RunStatus.RUNNING
    there = [name for name, section in SECTIONS.items() if section.while_training or not training]
    if not there:
        return None
    asked = st.query_params.get("see")
    if st.session_state.get(_KEY) not in there or (asked in there and asked != st.session_state[_KEY]):
        st.session_state[_KEY] = asked if asked in there else there[0]
    name = st.segmented_control(
        "What to see",
        there,
        format_func=lambda name: f":material/{SECTIONS[name].icon}: {SECTIONS[name].title}",
        key=_KEY,
        on_change=_remember,
        label_visibility="collapsed",
        required=True,
    )
    module, _, function = SECTIONS[name or there[0]].function.partition(":")
    return getattr(importlib.import_module(f"pages.{module}"), function)


def _remember() -> None:
    st.query_params["see"] = st.session_state[_KEY]
