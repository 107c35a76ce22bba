"""The Side by side tab: any runs of the history, in one picture, with what differs and whether it is fair.

``?tab=side&runs=<id>,<id>`` opens some of them; with ``&show=biology`` their cells come first.
Refreshes itself only while one of them trains.
"""

from __future__ import annotations

import time

import streamlit as st

from backend import services
from backend.errors import NotFound
from backend.types import Comparison, RunRecord
from backend.words import ago, status_word
from pages.compare.side.biology import biology
from pages.compare.side.results import (
    MOST,
    curves_panel,
    differences_table,
    numbers_table,
    outcome_panels,
    target_choice,
)
from pages.compare.verdict import fair_play, verdict
from pages.run.downloads import shared_downloads
from pages.runs.import_runs import import_runs

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
        placeholder="Search by name, device or data set",
        key=_KEY,
        on_change=_write,
        help=f"Up to {MOST} runs, newest first in the list. Imported runs come from another computer.",
    )
    if gone:
        said = "One run of this link was" if gone == 1 else f"{gone} runs of this link were"
        st.caption(f":material/link_off: {said} not found, or did not complete an epoch.")


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
        marks.append(status_word(run.status))
    marks.append(ago(run.created_at, now))
    return " · ".join(marks)


def side_tab() -> None:
    import_runs(key="side")
    if not services.current().runs.list():
        _empty()
        return
    pick_runs()
    run_ids = chosen_runs()
    runs = [run for run_id in run_ids if (run := _known(run_id))]
    if not runs:
        st.info(
            "Select two or more runs above to compare them.",
            icon=":material/stacked_line_chart:",
        )
        return
    active = any(not run.status.is_over for run in runs)
    several, biology_first = len(runs) > 1, st.query_params.get("show") == "biology"
    if several and biology_first:
        biology(services.current().comparer.compare([run.run_id for run in runs]), runs)
    st.fragment(_together, run_every=1.0 if active else None)([run.run_id for run in runs], _state(runs))
    if several and not biology_first:
        biology(services.current().comparer.compare([run.run_id for run in runs]), runs)
    if several and not active:
        shared_downloads(",".join(run.run_id for run in runs), key="side")


def _empty() -> None:
    with st.container(border=True, horizontal_alignment="center", gap="small"):
        st.space("small")
        st.subheader("No runs to compare yet", anchor=False, width="content")
        st.markdown(
            "Train two models with different settings to compare them here.",
            width="content",
        )
        with st.container(horizontal=True, horizontal_alignment="center"):
            st.page_link("train/page.py", label="Train a model", icon=":material/model_training:")
            st.page_link(
                "compare/page.py",
                label="Start a duel",
                icon=":material/sports_score:",
                query_params={"tab": "duel"},
            )
        st.space("small")


def _known(run_id: str) -> RunRecord | None:
    try:
        return services.current().runs.get(run_id)
    except NotFound:  # deleted in another tab, or a link from another workspace
        return None


def _state(runs: list[RunRecord]) -> tuple[object, ...]:
    return tuple((run.run_id, run.status.is_over) for run in runs)


def _together(run_ids: list[str], drawn: tuple[object, ...]) -> None:
    runs = [run for run_id in run_ids if (run := _known(run_id))]
    if _state(runs) != drawn:
        st.rerun()
    comparer = services.current().comparer
    metric, target = target_choice()
    comparison: Comparison = comparer.compare(run_ids, metric=metric, target=target)
    with st.container():
        verdict(comparison)
        fair_play(comparison)
    curves_panel(comparison, {run.run_id: comparer.curves(run) for run in runs})
    outcome_panels(comparison)
    numbers_table(comparison)
    differences_table(comparison)
