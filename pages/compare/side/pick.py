"""Choosing the runs to compare. The address holds the choice, so that it can be linked and reloaded."""

from __future__ import annotations

import time

import streamlit as st

from backend import services
from backend.types import RunRecord
from backend.words import ago

MOST = 12
_KEY = "side_runs"
_PARAM = "runs"


def chosen_runs() -> list[str]:
    """The ids in the address, at most ``MOST``, those that exist or not."""
    asked = st.query_params.get(_PARAM, "")
    return list(dict.fromkeys(part for part in asked.split(",") if part))[:MOST]


def pick_runs() -> None:
    known = {run.run_id: run for run in services.current().runs.list() if run.epoch or not run.status.is_over}
    asked = chosen_runs()
    st.session_state[_KEY] = [run_id for run_id in asked if run_id in known]
    gone = len(asked) - len(st.session_state[_KEY])
    now = time.time()
    st.multiselect(
        "Runs to compare",
        list(known),
        format_func=lambda run_id: _label(known[run_id], now) if run_id in known else run_id,
        max_selections=MOST,
        placeholder="Type a name, a device or a data set",
        key=_KEY,
        on_change=_write,
        help=f"Up to {MOST} runs, newest first in the list. Those marked imported came from another computer.",
    )
    if gone:
        said = "One run of this link is" if gone == 1 else f"{gone} runs of this link are"
        st.caption(f":material/link_off: {said} not here, or without a complete epoch.")


def _write() -> None:
    chosen = st.session_state[_KEY]
    if chosen:
        st.query_params[_PARAM] = ",".join(chosen)
    elif _PARAM in st.query_params:
        del st.query_params[_PARAM]
    st.query_params["tab"] = "side"


def _label(run: RunRecord, now: float) -> str:
    marks = [run.name]
    if run.imported_from:
        marks.append(f"imported from {run.imported_from}")
    if not run.status.is_over:
        marks.append(run.status.value)
    marks.append(ago(run.created_at, now))
    return " · ".join(marks)
