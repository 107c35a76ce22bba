"""Which runs a reader wants to see, in which order and with which columns; saved views of that.

wanted = run_filter(runs); matching(runs, wanted)
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from backend import services
from backend.types import ELBO, RunRecord, RunStatus
from backend.words import status_word
from pages.runs.frame import COLUMNS, SETTINGS, USUAL, elbo
from pages.runs.notebook import baselines, delete_view, save_view, views
from pages.shared.actions import attempt

ALL = "All data sets"
EVERY_GROUP = ""  # runs of their own included
_GROUP = "runs-group"
ORDERS: dict[str, tuple[str, Callable[[RunRecord], Any]]] = {
    "newest": ("Newest first", lambda run: -run.created_at),
    "oldest": ("Oldest first", lambda run: run.created_at),
    "elbo": ("Lowest ELBO", lambda run: _or_last(elbo(run))),
    "name": ("Name", lambda run: run.name.casefold()),
    "data": ("Data set", lambda run: run.spec.dataset_name.casefold()),
    "quick": ("Shortest training", lambda run: _or_last(run.elapsed or None)),
}


@dataclass(frozen=True)
class Wanted:
    text: str = ""
    statuses: tuple[str, ...] = ()
    dataset: str = ALL
    group: str = EVERY_GROUP
    order: str = "newest"
    columns: tuple[str, ...] = USUAL
    page: int = 0


def group_names() -> dict[str, str]:
    """Sweeps, duels and imports by id, the newest first."""
    return {group.group_id: group.name for group in services.current().groups.list()}


def run_filter(runs: list[RunRecord]) -> Wanted:
    names = sorted({run.spec.dataset_name for run in runs if run.spec.dataset_name})
    present = [status_word(status) for status in RunStatus if any(run.status is status for run in runs)]
    groups = {one: name for one, name in group_names().items() if any(run.group_id == one for run in runs)}
    if st.session_state.get("runs-data") not in (ALL, *names):  # of a view, or deleted meanwhile
        st.session_state["runs-data"] = ALL
    search, data, order, *rest = st.columns([2, 1, 1, 1] if groups else [2, 1, 1], gap="small")
    text = search.text_input(
        "Find",
        placeholder="Name, tag, note, data set, device",
        icon=":material/search:",
        key="runs-find",
        label_visibility="collapsed",
    )
    dataset = data.selectbox("Data set", [ALL, *names], key="runs-data", label_visibility="collapsed")
    ordered = order.selectbox(
        "Order",
        list(ORDERS),
        format_func=lambda one: ORDERS[one][0],
        key="runs-order",
        label_visibility="collapsed",
    )
    group = _group_filter(groups, rest[0]) if groups else EVERY_GROUP
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        statuses = st.pills(
            "Status",
            present,
            selection_mode="multi",
            format_func=status_word,
            key="runs-status",
            label_visibility="collapsed",
            width="content",
        )
        with st.container(horizontal=True, width="content"):
            columns = _columns_wanted(runs)
            wanted = Wanted(
                text or "", tuple(statuses or ()), dataset or ALL, group, ordered or "newest", columns
            )
            _views(wanted)
    return dataclasses.replace(wanted, page=_page_of(wanted))


def _columns_wanted(runs: list[RunRecord]) -> tuple[str, ...]:
    usual = [*USUAL]
    if any(run.tags for run in runs):
        usual[-1:-1] = ["tags"]
    if any(run.group_id for run in runs):
        usual[-1:-1] = ["group"]
    if any(run.best_validation is not None and run.judged_by != ELBO for run in runs):
        usual[1:1] = ["weighted"]
    if baselines():
        usual[1:1] = ["delta"]
    if len(usual) > 6:  # what is seen at 1280 pixels
        usual.remove("curve")
    state = st.session_state
    if state.get("runs-columns") in (None, state.get("runs-columns-usual")):  # nobody chose others
        state["runs-columns"] = usual
    state["runs-columns-usual"] = usual
    with st.popover("Columns", icon=":material/view_column:"):
        chosen = st.multiselect(
            "Columns",
            [*COLUMNS, *SETTINGS],
            format_func=lambda name: COLUMNS.get(name) or SETTINGS[name].label,
            key="runs-columns",
            help="Beside the name, the status and the ELBO. Every setting can be a column.",
            label_visibility="collapsed",
            width=420,
        )
    return tuple(chosen)


def _views(wanted: Wanted) -> None:
    known = views()
    with st.popover("Views", icon=":material/bookmark:"):
        for name in known:
            with st.container(
                horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"
            ):
                st.button(name, key=f"view-{name}", type="tertiary", on_click=_take, args=(known[name],))
                st.button(
                    "Delete view",
                    icon=":material/close:",
                    key=f"view-out-{name}",
                    type="tertiary",
                    on_click=delete_view,
                    args=(name,),
                )
        st.text_input(
            "Save the present search, filters, order and columns as", key="runs-view-name", max_chars=60
        )
        view: dict[str, Any] = {"text": wanted.text, "dataset": wanted.dataset, "order": wanted.order}
        view |= {"columns": list(wanted.columns), "statuses": list(wanted.statuses)}
        st.button(
            "Save view",
            type="primary",
            key="runs-view-save",
            on_click=attempt,
            args=(lambda: save_view(st.session_state["runs-view-name"], view),),
        )


def _take(view: dict[str, Any]) -> None:
    """Back to a view; of one from another version what is not known is left out."""
    state = st.session_state
    state["runs-find"] = str(view.get("text", ""))
    state["runs-data"] = str(view.get("dataset", ALL))
    state["runs-order"] = view.get("order") if view.get("order") in ORDERS else "newest"
    state["runs-columns"] = [one for one in view.get("columns", USUAL) if one in COLUMNS or one in SETTINGS]
    known = {status_word(status) for status in RunStatus}
    state["runs-status"] = [one for one in view.get("statuses", ()) if one in known]


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


_PAGE = "run_table_page"


def _page_of(wanted: Wanted) -> int:
    """Another search begins at its first page."""
    kept = st.session_state.get(_PAGE)
    if kept is None or kept[0] != wanted:
        st.session_state[_PAGE] = kept = (wanted, 0)
    return int(kept[1])


def turn(page: int) -> None:
    wanted, _ = st.session_state[_PAGE]
    st.session_state[_PAGE] = (wanted, page)


def matching(runs: list[RunRecord], wanted: Wanted) -> list[RunRecord]:
    """Runs with every word of the text somewhere, one of the statuses, and the data set."""
    words = wanted.text.casefold().split()
    return [
        run
        for run in runs
        if (not wanted.statuses or status_word(run.status) in wanted.statuses)
        and wanted.dataset in (ALL, run.spec.dataset_name)
        and wanted.group in (EVERY_GROUP, run.group_id)
        and all(word in _told(run) for word in words)
    ]


def _told(run: RunRecord) -> str:
    spec = run.spec
    told = (run.name, run.note, spec.dataset_name, run.device, run.device_name, run.run_id, spec.engine)
    more = (status_word(run.status), run.origin, spec.gene_likelihood, run.imported_from, *run.tags)
    return " ".join((*told, *more)).casefold()


def ordered(runs: list[RunRecord], order: str, pinned: frozenset[str] = frozenset()) -> list[RunRecord]:
    """Baselines first."""
    if order != "newest":  # as they come
        runs = sorted(runs, key=ORDERS[order][1])
    return sorted(runs, key=lambda run: run.run_id not in pinned)


def _or_last(value: float | None) -> float:
    return math.inf if value is None or not math.isfinite(value) else value
