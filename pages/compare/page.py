"""Which device, which settings, how much faster, at what cost: a duel, a sweep, or any runs side by side.

``?tab=duel&group=<id>``, ``?tab=sweep&group=<id>``, ``?tab=side&runs=<id>,<id>``; ``&stage=1`` for a projector.
The address is the truth, so links and reloads work; each tab keeps its own part of it while another one is open.
"""

from __future__ import annotations

import streamlit as st

from backend import services
from backend.errors import NotFound
from pages.compare.duel.duel import duel_stage, duel_tab
from pages.compare.side.side import side_tab
from pages.compare.sweep.sweep import sweep_tab

TABS = {"duel": "Duel", "sweep": "Sweep", "side": "Side by side"}
_ICONS = {"duel": "sports_score", "sweep": "grid_on", "side": "stacked_line_chart"}
_ABOUT = {
    "duel": "Two runs train on the same cells, one after the other, and are compared on one clock.",
    "sweep": "Many settings, one after the other: find the best for this computer and data set.",
    "side": "Any of your runs: their training curves together, and how their settings differ.",
}
_KEY = "compare_tab"
_SAID = "compare_said"  # the address as the browser was last told
_PLACES = "compare_places"  # what the address said of each tab when it was left


def say_address() -> None:
    """A link from this page to itself changes the parameters and not the address bar: say it once more."""
    now = st.query_params.to_dict()
    if st.session_state.get(_SAID) != now:
        st.session_state[_SAID] = now
        if now:
            st.query_params.from_dict(now)


def open_tab() -> str:
    asked = st.query_params.get("tab", "")
    if asked in TABS:
        return asked
    if "runs" in st.query_params:
        return "side"
    return "sweep" if _is_sweep(st.query_params.get("group", "")) else "duel"


def _is_sweep(group_id: str) -> bool:
    try:
        return bool(group_id) and services.current().groups.get(group_id).kind == "sweep"
    except NotFound:
        return False


def on_stage() -> bool:
    return open_tab() == "duel" and st.query_params.get("stage") == "1"


def chosen_tab() -> str:
    st.session_state[_KEY] = open_tab()
    st.segmented_control(
        "Way to compare",
        list(TABS),
        format_func=lambda tab: f":material/{_ICONS[tab]}: {TABS[tab]}",
        required=True,
        key=_KEY,
        label_visibility="collapsed",
        on_change=_move,
    )
    tab = open_tab()
    st.markdown(_ABOUT[tab])
    return tab


def _move() -> None:
    places: dict[str, dict[str, str]] = st.session_state.setdefault(_PLACES, {})
    left, tab = open_tab(), st.session_state[_KEY]
    places[left] = st.query_params.to_dict() | {"tab": left}
    st.query_params.from_dict(places.get(tab, {}) | {"tab": tab})


say_address()
if on_stage():
    duel_stage()
else:
    st.title("Compare", anchor=False)
    tab = chosen_tab()
    if tab == "sweep":
        sweep_tab()
    elif tab == "side":
        side_tab()
    else:
        duel_tab()
