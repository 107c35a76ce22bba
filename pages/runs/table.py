"""The table of runs with its filters. Runs of the command line and of other tabs appear by themselves.

    wanted = run_filter(runs); run_table(wanted); chosen_runs(runs)      # the ticked ones

``?group=<id>`` in the address opens the table with the runs of that group. A tick belongs to a run, not to a row:
when rows move, the table is drawn anew with the same runs ticked.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from backend import services
from backend.types import RunRecord, RunStatus
from backend.words import status_word
from pages.shared.run_status import LOOK

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
    present = [status_word(status) for status in RunStatus if any(run.status is status for run in runs)]
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
        "Status",
        present,
        selection_mode="multi",
        format_func=status_word,
        key="runs-status",
        label_visibility="collapsed",
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
        if (not wanted.statuses or status_word(run.status) in wanted.statuses)
        and wanted.dataset in (ALL, run.spec.dataset_name)
        and wanted.group in (EVERY_GROUP, run.group_id)
        and all(word in _told(run) for word in words)
    ]


def _told(run: RunRecord) -> str:
    spec = run.spec
    told = (run.name, run.note, spec.dataset_name, run.device, run.device_name, run.run_id, spec.engine)
    return " ".join((*told, status_word(run.status), run.origin, spec.gene_likelihood)).casefold()


_CHOSEN = "run_table_chosen"
_ORDER = "run_table_order"
_GENERATION = "run_table_generation"
_OPEN = "run_table_open"
_KEPT = "run_table_kept"
POINTS = 30
ROW, HEADER, MOST_ROWS = 40, 40, 14


def chosen_runs(runs: list[RunRecord]) -> list[RunRecord]:
    chosen = st.session_state.get(_CHOSEN, [])
    return [run for run in runs if run.run_id in chosen]


def forget_choice() -> None:
    st.session_state[_CHOSEN] = []
    st.session_state[_ORDER] = None


def run_table(wanted: Wanted) -> None:
    if run_id := st.session_state.pop(_OPEN, None):
        st.switch_page("train/page.py", query_params={"run": run_id})
    _table(wanted)


@dataclass(frozen=True)
class _Read:
    """What a session last read of the runs; it holds until something is written."""

    revision: int
    wanted: Wanted
    runs: dict[str, RunRecord]
    curves: dict[str, list[float]]
    table: pd.DataFrame


def _read(wanted: Wanted) -> _Read:
    """Nothing is read while nothing was written; of the curves only those of runs that changed."""
    here, kept = services.current(), st.session_state.get(_KEPT)
    revision = here.runs.revision()
    if isinstance(kept, _Read) and (kept.revision, kept.wanted) == (revision, wanted):
        return kept
    runs = {run.run_id: run for run in matching(here.runs.list(), wanted)}
    before = kept if isinstance(kept, _Read) else _Read(revision, wanted, {}, {}, pd.DataFrame())
    changed = [one for one, run in runs.items() if before.runs.get(one) != run]
    curves = before.curves | (here.registry.series(changed, "validation_loss", POINTS) if changed else {})
    curves = {one: curves.get(one, []) for one in runs}
    table = frame(list(runs.values()), curves, group_names())
    st.session_state[_KEPT] = read = _Read(revision, wanted, runs, curves, table)
    return read


@st.fragment(run_every=2.0)
def _table(wanted: Wanted) -> None:
    read = _read(wanted)
    if not read.runs:
        st.info("No run matches the filters.", icon=":material/filter_list_off:")
        return
    ids = list(read.runs)
    state = st.session_state
    chosen: list[str] = state.setdefault(_CHOSEN, [])
    if state.get(_ORDER) != ids:
        state[_ORDER] = ids
        state[_GENERATION] = state.get(_GENERATION, 0) + 1
        state[_CHOSEN] = chosen = [run_id for run_id in chosen if run_id in ids]
    generation = state[_GENERATION]
    event: Any = st.dataframe(
        read.table,
        key=f"run-table-{generation}",
        column_config=_columns(generation),
        hide_index=True,
        row_height=ROW,
        height=HEADER + ROW * min(len(ids), MOST_ROWS) + 2,
        on_select="rerun",
        selection_mode="multi-row",
        placeholder="–",
        selection_default={"selection": {"rows": [ids.index(run_id) for run_id in chosen]}},
        alt="All runs with their status, loss curve, speed and device",
    )
    ticked = [ids[row] for row in event.selection.rows if row < len(ids)]
    if sorted(ticked) != sorted(chosen):
        state[_CHOSEN] = ticked
        st.rerun()
    if state.get(_OPEN):
        st.rerun()


def frame(
    runs: list[RunRecord], curves: dict[str, list[float]], groups: dict[str, str] | None = None
) -> pd.DataFrame:
    """One row a run; the column of groups only where a run is in one."""
    table = pd.DataFrame(
        {
            "open": ["Open"] * len(runs),
            "name": [run.name for run in runs],
            "status": [
                [status_word(run.status), *(["imported"] if run.imported_from else [])] for run in runs
            ],
            "curve": [[v for v in curves.get(run.run_id, []) if math.isfinite(v)] for run in runs],
            "best": [run.best_validation for run in runs],
            "epochs": [f"{run.epoch} / {run.spec.max_epochs}" for run in runs],
            # "coerce": a record from elsewhere may say any number, and the table shows a dash
            "created": pd.to_datetime([run.created_at for run in runs], unit="s", utc=True, errors="coerce"),
            "elapsed": pd.to_timedelta([_whole(run.elapsed) for run in runs], unit="s", errors="coerce"),
            "speed": pd.Series([run.cells_per_second for run in runs], dtype="float").round(),
            "device": [run.device.upper() for run in runs],
            "engine": [run.environment.get("engine") or run.spec.engine for run in runs],
            "dataset": [run.spec.dataset_name for run in runs],
            "note": [run.note for run in runs],
        }
    ).astype({"best": "float"})
    of_groups = [(groups or {}).get(run.group_id) for run in runs]
    if any(of_groups):
        table.insert(3, "group", [[name] if name else [] for name in of_groups])
    return table


def _whole(seconds: float) -> int | None:
    """Rounded up; None for no time, and for what is no time."""
    return math.ceil(seconds) or None if math.isfinite(seconds) else None


def _columns(generation: int) -> dict[str, Any]:
    config = st.column_config
    looks = list(LOOK.items())
    return {
        "open": config.ButtonColumn(
            "", width=70, pinned=True, type="tertiary", on_click=_clicked, key=_button_key(generation)
        ),
        "name": config.TextColumn("Run", width=290),
        "status": config.MultiselectColumn(
            "Status",
            width=110,
            options=[*(status_word(status) for status, _ in looks), "imported"],
            color=[*(colour for _, (_, colour) in looks), "gray"],
            help="Imported runs come from another computer and can be viewed and compared.",
        ),
        "group": config.ListColumn("Sweep or duel", width=170, help="The sweep or duel it belongs to."),
        "curve": config.LineChartColumn("Validation loss", width=140, help="Per epoch; lower is better."),
        "best": config.NumberColumn("Best", format="%.2f", help="Best validation loss; lower is better."),
        "epochs": config.TextColumn("Epochs", width=80),
        "elapsed": config.NumberColumn(
            "Trained", format="compact", help="Training time, h:min:s, rounded up."
        ),
        "speed": config.NumberColumn("Cells/s", format="localized"),
        "device": config.TextColumn("Device", width=70),
        "engine": config.TextColumn("Engine", width=70, help="The engine that was used."),
        "dataset": config.TextColumn("Data set"),
        "created": config.DatetimeColumn("Created", format="distance"),
        "note": config.TextColumn("Note", width="medium"),
    }


def _button_key(generation: int) -> str:
    return f"run-table-open-{generation}"


def _clicked() -> None:
    click = st.session_state.get(_button_key(st.session_state[_GENERATION]))
    if click is not None:
        st.session_state[_OPEN] = st.session_state[_ORDER][click["row"]]
