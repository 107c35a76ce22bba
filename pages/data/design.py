"""Is the design sound? One line until opened: which columns, what was crossed, what can be concluded."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from backend.columns import Role, role_of
from backend.services import current
from backend.types import Crossed, DatasetReport, DesignChoice, DesignReport
from pages.data.choices import batch_of
from pages.data.work import work_button
from pages.shared.literal import literal

_NONE = ""
_SIGNS = {"error": ("red", "block"), "warning": ("orange", "warning"), "info": ("green", "check_circle")}
_LABELS = {
    "batch": ("Batch to correct for", Role.BATCH),
    "condition": ("Condition to compare", Role.BIOLOGY),
    "donor": ("Donor (replicate)", Role.DONOR),
    "label": ("Cell type", Role.LABEL),
}
_NEEDED = ("batch", "condition")


def design_section(report: DatasetReport) -> None:
    columns = [one.column for one in report.columns if one.kind == "categorical" and one.n_levels]
    if len(columns) < 2:  # nothing to cross
        return
    panel = st.expander(
        "Is the design sound?", icon=":material/grid_on:", key=f"design-{report.source_id}", on_change="rerun"
    )
    if not panel.open:
        return
    with panel:
        st.markdown(
            "Crosses batch, condition, donor and cell type, and says what can be told apart before anything is trained."
        )
        choice = _choice(report, columns)
        if choice is None:
            st.caption("Choose the batch and the condition, each a column of its own.")
            return
        found = current().datasets.design(report.source_id, choice)
        if found is None:
            work_button(
                "design",
                report.source_id,
                "Check the design",
                lambda: current().datasets.check_design(report.source_id, choice),
            )
        else:
            _show(found)


def _choice(report: DatasetReport, columns: list[str]) -> DesignChoice | None:
    """The columns of the design, at first those whose names say so."""
    chosen: dict[str, str] = {}
    with st.grid(4, min_column_width=180):
        for part, (label, role) in _LABELS.items():
            key = f"design-{part}-{report.source_id}"
            options = columns if part in _NEEDED else [_NONE, *columns]
            if st.session_state.get(key) not in options:
                st.session_state[key] = _likely(report, columns, part, role, list(chosen.values()))
            chosen[part] = (
                st.selectbox(
                    label,
                    options,
                    key=key,
                    format_func=lambda name: name or "none",
                    index=None,
                    placeholder="Choose",
                )
                or ""
            )
    given = [name for name in chosen.values() if name]
    if not all(chosen[part] for part in _NEEDED) or len(set(given)) < len(given):
        return None
    return DesignChoice(
        chosen["batch"], chosen["condition"], chosen["donor"] or None, chosen["label"] or None
    )


def _likely(report: DatasetReport, columns: list[str], part: str, role: Role, taken: list[str]) -> str | None:
    if part == "batch" and (batch := batch_of(report)) in columns:
        return batch
    fitting = [name for name in columns if role_of(name) is role and name not in taken]
    return fitting[0] if fitting else None if part in _NEEDED else _NONE


def _show(found: DesignReport) -> None:
    for one in found.findings:
        colour, icon = _SIGNS[one.severity]
        st.markdown(f":{colour}[:material/{icon}:] {literal(one.message, limit=1000)}")
    for crossed in found.crossed:
        _table(crossed)


def _table(crossed: Crossed) -> None:
    strength = "" if crossed.cramers_v is None else f", Cramér's V {crossed.cramers_v:.2f}"
    st.caption(f"Cells of {literal(crossed.one)} and {literal(crossed.other)}{strength}")
    frame = pd.DataFrame(list(crossed.cells), columns=list(crossed.other_levels))
    frame.insert(0, crossed.one if crossed.one not in frame else f"{crossed.one} ", list(crossed.one_levels))
    st.dataframe(
        frame, hide_index=True, alt=f"Numbers of cells for each level of {crossed.one} and {crossed.other}"
    )
