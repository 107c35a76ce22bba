"""The Duel tab: two contestants train on the same cells, one after the other, and are watched as a race.

duel_tab()       # the form, or with ?group=<id> one duel, live or over
duel_stage()     # the same duel for a projector: large type, few controls, marked as a replay
"""

from __future__ import annotations

import dataclasses

import streamlit as st

from backend import services
from backend.errors import NotFound, StudioError
from backend.types import GroupRecord, RunRecord, RunSpec, RunStatus
from pages.compare.duel.form import duel_form, earlier_duels, start_duel
from pages.compare.duel.race import race
from pages.compare.verdict import fair_play, recommendation, ways_on
from pages.run.curves import dark_page, watched
from pages.run.downloads import shared_downloads
from pages.run.page import elapsed
from pages.shared.actions import attempt, flash
from pages.shared.literal import literal


def duel_tab() -> None:
    flash()
    group_id = st.query_params.get("group")
    if not group_id:
        duel_form()
        earlier_duels()
        return
    found = _found(group_id)
    if found is None:
        st.info("Duel not found: it was deleted, or the address belongs to another workspace.")
        st.button("New duel", icon=":material/sports_score:", on_click=_leave, type="primary")
        return
    group, runs = found
    _header(group, runs)
    _watch(group_id, runs, stage=False)
    _problems(runs)
    if all(run.status.is_over for run in runs):
        _afterwards(runs)


def duel_stage() -> None:
    group_id = st.query_params.get("group") or _newest()
    found = _found(group_id) if group_id else None
    if found is None:
        st.title("Duel", anchor=False)
        st.markdown("No duel yet.")
        st.page_link(
            "compare/page.py",
            label="New duel",
            icon=":material/sports_score:",
            query_params={"tab": "duel"},
        )
        return
    group, runs = found
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.title(literal(group.name, limit=60), anchor=False, width="content")
        st.page_link(
            "compare/page.py",
            label="Exit presentation",
            icon=":material/close_fullscreen:",
            query_params={"tab": "duel", "group": group.group_id},
        )
    _watch(group.group_id, runs, stage=True)


def _found(group_id: str) -> tuple[GroupRecord, list[RunRecord]] | None:
    groups = services.current().groups
    try:
        group = groups.get(group_id)
    except NotFound:
        return None
    runs = groups.runs(group_id)
    return (group, runs) if group.kind == "duel" and len(runs) == 2 else None


def _newest() -> str:
    duels = (group for group in services.current().groups.list() if group.kind == "duel")
    return next((group.group_id for group in duels), "")


def _leave() -> None:
    st.query_params.from_dict({"tab": "duel"})


def _header(group: GroupRecord, runs: list[RunRecord]) -> None:
    st.button("New duel", type="tertiary", icon=":material/arrow_back:", on_click=_leave)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.subheader(literal(group.name, limit=80), anchor=False, width="content")
        duel_actions(group, runs)


def _watch(group_id: str, runs: list[RunRecord], *, stage: bool) -> None:
    active = not all(run.status.is_over for run in runs)
    st.fragment(_race, run_every=1.0 if active else None)(group_id, _state(runs), stage)


def _state(runs: list[RunRecord]) -> tuple[RunStatus, ...]:
    return tuple(run.status for run in runs)


def _race(group_id: str, drawn: tuple[RunStatus, ...], stage: bool) -> None:
    here = services.current()
    runs = here.groups.runs(group_id)
    if _state(runs) != drawn or len(runs) != 2:
        st.rerun()
    if not any(run.epoch or not run.status.is_over for run in runs):
        st.info("Neither run completed an epoch, so there is nothing to compare.", icon=":material/flag:")
        return
    curves = {run.run_id: here.comparer.curves(run) if run.status.is_over else watched(run) for run in runs}
    running = next((run for run in runs if run.status is RunStatus.RUNNING), None)
    race(
        here.comparer.compare([run.run_id for run in runs]),
        runs,
        curves,
        key=f"race-{group_id}",
        clock=elapsed(running, curves[running.run_id]) if running else 0.0,
        dark=dark_page(),
        stage=stage,
    )


def _problems(runs: list[RunRecord]) -> None:
    for run in runs:
        if run.status.is_over and run.problem is not None:
            st.error(
                f"**{literal(run.name, limit=60)}**: {literal(run.problem.message, limit=1000)}",
                icon=":material/error:",
            )


def _afterwards(runs: list[RunRecord]) -> None:
    ids = [run.run_id for run in runs]
    try:
        comparison = services.current().comparer.compare(ids)
    except StudioError as error:
        st.error(literal(error, limit=600))
        return
    recommendation(comparison)
    fair_play(comparison, severities=("note",))  # the others stand under the headline
    with st.container(horizontal=True):
        ways_on(comparison)
        for run, one in zip(runs, comparison.runs, strict=True):
            st.page_link(
                "train/page.py",
                label=f"Open {literal(one.label, limit=40)}",
                icon=":material/monitoring:",
                query_params={"run": run.run_id},
            )
    shared_downloads(",".join(ids), key="duel")


def duel_actions(group: GroupRecord, runs: list[RunRecord]) -> None:
    over = all(run.status.is_over for run in runs)
    with st.container(horizontal=True, vertical_alignment="center", width="content"):
        st.page_link(
            "compare/page.py",
            label="Presentation view",
            icon=":material/present_to_all:",
            help="The race alone, in large type, for a projector.",
            query_params={"tab": "duel", "group": group.group_id, "stage": "1"},
        )
        if over:
            st.button(
                "Repeat duel",
                icon=":material/replay:",
                help="A new duel with the same settings on the same cells.",
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
                help="Cancels the duel. A run that has finished keeps its model.",
                on_click=attempt,
                args=(lambda: services.current().groups.cancel(group.group_id),),
                key="duel-cancel",
            )


def _again(runs: list[RunRecord]) -> None:
    one, two = (run.spec for run in runs)
    names = [field.name for field in dataclasses.fields(RunSpec) if field.name != "dataset_name"]
    other = {name: getattr(two, name) for name in names if getattr(one, name) != getattr(two, name)}
    start_duel(one, ({}, other))


@st.dialog("Delete this duel permanently?", icon=":material/delete:")
def confirm_delete(group: GroupRecord) -> None:
    st.markdown(
        f"**{literal(group.name)}** and its two runs are deleted, with their models, training curves and logs. Data "
        "sets are kept."
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
