"""The table of runs. Runs of other tabs appear by themselves.

    shown = look(run_filter(runs)); run_table(shown); chosen_runs(shown)      # the ticked ones

Only the page that is shown is read beyond its records, and drawn again only where it changed: ``has_news`` tells.
``?group=<id>`` in the address opens the table with the runs of that group. A tick belongs to a run, not to a row:
when rows move, the table is drawn anew with the same runs ticked.
"""

from __future__ import annotations

import html
import math
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from backend import services
from backend.errors import NotFound
from backend.types import ELBO, RunRecord, RunStatus
from backend.words import count, loss_value, status_word
from pages.runs.find import Wanted, group_names, matching, ordered, turn
from pages.runs.frame import column_config, elbo, frame
from pages.runs.notebook import baselines

PAGE = 100  # runs that are shown at once
POINTS = 24  # of a curve in the table
CALM = 8.0  # seconds between two tables while a run merely gains epochs
ROW, HEADER, MOST_ROWS = 40, 40, 14
_CHOSEN = "run_table_chosen"
_ORDER = "run_table_order"
_GENERATION = "run_table_generation"
_OPEN = "run_table_open"
_KEPT = "run_table_kept"


@dataclass(frozen=True)
class Shown:
    """What a session last read of the runs; it holds until something is written."""

    revision: int
    wanted: Wanted
    total: int  # that match
    runs: dict[str, RunRecord]  # of the page that is shown
    queue: tuple[str, ...]
    curves: dict[str, list[float]]
    table: pd.DataFrame
    pinned: dict[str, str]
    at: float


def look(wanted: Wanted) -> Shown:
    """Nothing is read while nothing was written; of the curves only those of runs that are shown and changed."""
    here, kept = services.current(), st.session_state.get(_KEPT)
    revision, pinned = here.runs.revision(), baselines()
    if isinstance(kept, Shown) and (kept.revision, kept.wanted, kept.pinned) == (revision, wanted, pinned):
        return kept
    everything = here.runs.list()
    found = ordered(matching(everything, wanted), wanted.order, frozenset(pinned.values()))
    runs = {run.run_id: run for run in found[wanted.page * PAGE :][:PAGE]}
    before = kept.runs if isinstance(kept, Shown) else {}
    curves = kept.curves if isinstance(kept, Shown) else {}
    if "curve" in wanted.columns:
        changed = [one for one, run in runs.items() if before.get(one) != run or one not in curves]
        read = here.registry.series(changed, ELBO, POINTS) if changed else {}
        curves = {one: [] for one in changed} | curves | read
    else:
        curves = {}
    curves = {one: curves[one] for one in runs if one in curves}
    names = _told_apart(list(runs.values()), Counter(run.name for run in everything))
    table = frame(list(runs.values()), curves, group_names(), wanted.columns, names, _of(pinned))
    queue = tuple(run.run_id for run in everything if not run.status.is_over)
    shown = Shown(revision, wanted, len(found), runs, queue, curves, table, pinned, time.monotonic())
    st.session_state[_KEPT] = shown
    return shown


def has_news(shown: Shown) -> bool:
    """Whether the table would look another way now; cheap where nothing was written."""
    runs = services.current().runs
    if runs.revision() == shown.revision:
        return False
    everything = runs.list()
    pinned = baselines()
    found = ordered(matching(everything, shown.wanted), shown.wanted.order, frozenset(pinned.values()))
    page = {run.run_id: run for run in found[shown.wanted.page * PAGE :][:PAGE]}
    queue = tuple(run.run_id for run in everything if not run.status.is_over)
    if (len(found), queue, pinned) != (shown.total, shown.queue, shown.pinned) or list(page) != list(
        shown.runs
    ):
        return True
    changed = [run for one, run in page.items() if run != shown.runs[one]]
    merely_trains = all(run.status is shown.runs[run.run_id].status is RunStatus.RUNNING for run in changed)
    return bool(changed) and (not merely_trains or time.monotonic() - shown.at > CALM)


def _of(pinned: dict[str, str]) -> dict[str, RunRecord]:
    """The baselines themselves; one that was deleted is none."""
    found = {}
    for data, run_id in pinned.items():
        try:
            found[data] = services.current().runs.get(run_id)
        except NotFound:
            continue
    return found


def _told_apart(runs: Sequence[RunRecord], names: Counter[str]) -> dict[str, str]:
    """Runs of the same name by where they are from, else by when they were made."""
    told = {run.run_id: run.name for run in runs}
    for run in runs:
        if names[run.name] > 1:
            where = f"from {run.imported_from}" if run.imported_from else "this workspace"
            when = time.strftime("%d %b %H:%M:%S", time.localtime(min(max(run.created_at, 0.0), 4e9)))
            told[run.run_id] = f"{run.name} ({where}, {when})"
    return told


def chosen_runs(shown: Shown) -> list[RunRecord]:
    chosen = st.session_state.get(_CHOSEN, [])
    return [run for one, run in shown.runs.items() if one in chosen]


def forget_choice() -> None:
    st.session_state[_CHOSEN] = []
    st.session_state[_ORDER] = None


def run_table(shown: Shown) -> None:
    if run_id := st.session_state.pop(_OPEN, None):
        st.switch_page("train/page.py", query_params={"run": run_id})
    if not shown.runs:
        st.info("No run matches the filters.", icon=":material/filter_list_off:")
        return
    ids = list(shown.runs)
    state = st.session_state
    chosen: list[str] = state.setdefault(_CHOSEN, [])
    if state.get(_ORDER) != ids:
        state[_ORDER] = ids
        state[_GENERATION] = state.get(_GENERATION, 0) + 1
        state[_CHOSEN] = chosen = [run_id for run_id in chosen if run_id in ids]
    generation = state[_GENERATION]
    with st.container(key="runs-wide"):
        event: Any = st.dataframe(
            shown.table,
            key=f"run-table-{generation}",
            column_config=column_config(_button_key(generation), _clicked),
            hide_index=True,
            row_height=ROW,
            height=HEADER + ROW * min(len(ids), MOST_ROWS) + 2,
            on_select="rerun",
            selection_mode="multi-row",
            placeholder="–",
            selection_default={"selection": {"rows": [ids.index(run_id) for run_id in chosen]}},
            alt="Runs with their status, ELBO, loss curve and data set",
        )
    with st.container(key="runs-narrow"):
        st.html(_NARROW)
        st.html(_for_a_phone(shown))
    _turn_pages(shown)
    ticked = [ids[row] for row in event.selection.rows if row < len(ids)]
    if sorted(ticked) != sorted(chosen):
        state[_CHOSEN] = ticked
        st.rerun()
    if state.get(_OPEN):
        st.rerun()


_NARROW = Path(__file__).with_name("table.css")


def _for_a_phone(shown: Shown) -> str:
    """Name, status, ELBO; a table of many columns cannot be read on 390 pixels."""
    rows = "".join(
        f'<tr><td><a href="train?run={html.escape(run.run_id)}" target="_self">{html.escape(name)}</a></td>'
        f"<td>{status_word(run.status)}</td><td>{_short(run)}</td></tr>"
        for run, name in zip(shown.runs.values(), shown.table["name"], strict=True)
    )
    heads = "<tr><th>Run</th><th>Status</th><th>ELBO</th></tr>"
    return f'<table class="runs-narrow">{heads}{rows}</table>'


def _short(run: RunRecord) -> str:
    value = elbo(run)
    return "–" if value is None or not math.isfinite(value) else loss_value(value)


def _turn_pages(shown: Shown) -> None:
    page, last = shown.wanted.page, (shown.total - 1) // PAGE
    if not last:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        first = page * PAGE + 1
        st.caption(
            f"{count(first)} to {count(first + len(shown.runs) - 1)} of {count(shown.total)} runs",
            width="content",
        )
        for label, icon, to in (
            ("Previous", "chevron_left", page - 1),
            ("Next", "chevron_right", page + 1),
        ):
            st.button(
                label,
                icon=f":material/{icon}:",
                type="tertiary",
                disabled=not 0 <= to <= last,
                on_click=turn,
                args=(to,),
                key=f"runs-{label.lower()}",
            )


def _button_key(generation: int) -> str:
    return f"run-table-open-{generation}"


def _clicked() -> None:
    click = st.session_state.get(_button_key(st.session_state[_GENERATION]))
    if click is not None:
        st.session_state[_OPEN] = st.session_state[_ORDER][click["row"]]
