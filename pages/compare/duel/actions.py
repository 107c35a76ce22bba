"""What can be done with a duel: show it on a stage, run it again, cancel it, delete it."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

import streamlit as st

from backend import services
from backend.types import GroupRecord, RunRecord, RunSpec
from pages.run.run_actions import attempt
from pages.shared.launch import DOUBLE_CLICK_SECONDS
from pages.shared.literal import literal

_LAST = "duel_last"
Contestants = tuple[dict[str, Any], dict[str, Any]]


def start_duel(base: RunSpec, contestants: Contestants) -> None:
    """Begin a duel and open it; a double click opens the one that the first click began."""
    last = st.session_state.get(_LAST)
    asked = (base, repr(contestants))
    if last is not None and last[0] == asked and time.monotonic() - last[2] < DOUBLE_CLICK_SECONDS:
        group_id = last[1]
    else:
        group_id = services.current().groups.duel(base, contestants, _name(base, contestants)).group_id
        st.session_state[_LAST] = (asked, group_id, time.monotonic())
    st.query_params.from_dict({"tab": "duel", "group": group_id})


def _name(base: RunSpec, contestants: Contestants) -> str:
    """ "CPU against MPS · Blood cells": what differs, then the cells."""
    one, two = (base.replace(**changes) for changes in contestants)
    said: tuple[list[str], list[str]] = ([], [])
    for name, words in (("accelerator", str.upper), ("engine", str), ("batch_size", "minibatch {}".format)):
        if getattr(one, name) != getattr(two, name):
            for side, spec in zip(said, (one, two), strict=True):
                side.append(words(getattr(spec, name)))
    against = " against ".join(" ".join(side) for side in said) if said[0] else "Duel"
    taken = {group.name for group in services.current().groups.list()}
    name = base_name = f"{against} · {base.dataset_name or 'cells'}"
    number = 1
    while name in taken:
        number += 1
        name = f"{base_name} ({number})"
    return name


def duel_actions(group: GroupRecord, runs: list[RunRecord]) -> None:
    over = all(run.status.is_over for run in runs)
    with st.container(horizontal=True, vertical_alignment="center", width="content"):
        st.page_link(
            "compare/page.py",
            label="On stage",
            icon=":material/present_to_all:",
            help="The race alone, in large type, for a projector.",
            query_params={"tab": "duel", "group": group.group_id, "stage": "1"},
        )
        if over:
            st.button(
                "Run it again",
                icon=":material/replay:",
                help="A new duel with the same contestants, on the same cells.",
                on_click=attempt,
                args=(lambda: _again(runs),),
                key="duel-again",
            )
            if st.button("Delete", icon=":material/delete:", type="tertiary", key="duel-delete"):
                confirm_delete(group)
        else:
            st.button(
                "Cancel",
                icon=":material/delete_forever:",
                help="Ends the duel. A contestant that has finished keeps its model.",
                on_click=attempt,
                args=(lambda: services.current().groups.cancel(group.group_id),),
                key="duel-cancel",
            )


def _again(runs: list[RunRecord]) -> None:
    one, two = (run.spec for run in runs)
    names = [field.name for field in dataclasses.fields(RunSpec) if field.name != "dataset_name"]
    other = {name: getattr(two, name) for name in names if getattr(one, name) != getattr(two, name)}
    start_duel(one, ({}, other))


@st.dialog("Delete this duel for good?", icon=":material/delete:")
def confirm_delete(group: GroupRecord) -> None:
    st.markdown(
        f"**{literal(group.name)}** goes with its two runs: their models, curves and logs. Data sets stay."
    )
    with st.container(horizontal=True):
        if st.button(
            "Delete", type="primary", on_click=attempt, args=(lambda: _delete(group),), key="duel-delete-yes"
        ):
            st.rerun()
        if st.button("Keep", key="duel-delete-no"):
            st.rerun()


def _delete(group: GroupRecord) -> None:
    services.current().groups.delete(group.group_id)
    st.query_params.from_dict({"tab": "duel"})
