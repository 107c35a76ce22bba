"""What a comparison says in tables: the numbers of each run, and only what differs."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from backend.types import ComparedRun, Comparison
from backend.words import METRICS, duration, loss_value, or_dash

STAR = "★"


def numbers_table(comparison: Comparison) -> None:
    with st.container(border=True):
        st.markdown("**The numbers**")
        st.dataframe(
            numbers_frame(comparison),
            hide_index=True,
            placeholder="–",
            column_config={
                "Run": st.column_config.TextColumn(width="medium", pinned=True),
                "Seconds per epoch": st.column_config.NumberColumn(
                    format="%.3g", help="Median of the epochs that do not also warm up."
                ),
                "Times as fast": st.column_config.NumberColumn(
                    format="%.2f ×", help="Per epoch, against the slowest of them."
                ),
                "Cells per second": st.column_config.NumberColumn(format="localized"),
                "Getting ready (s)": st.column_config.NumberColumn(
                    format="%.2f", help="Making the engine ready; not part of the training time."
                ),
                "First epoch (s)": st.column_config.NumberColumn(format="%.2f", help="It also warms up."),
                "Training (s)": st.column_config.NumberColumn(format="%.2f"),
            },
            alt="Speed, times and losses of each compared run",
        )
        star = f"{STAR} marks the recommended run. " if comparison.recommended else ""
        st.caption(
            f"{star}Losses: lower is better. Best and last of the {METRICS[comparison.metric].words}; "
            f"*useful model* is projected: {comparison.projected_epochs} epochs, start included."
        )


def numbers_frame(comparison: Comparison) -> pd.DataFrame:
    runs, name = comparison.runs, METRICS[comparison.metric].words
    several = len(runs) > 1
    frame = {
        "Run": [_starred(run, comparison) for run in runs],
        "Seconds per epoch": [run.steady_seconds for run in runs],
        **({"Times as fast": [run.speed_up for run in runs]} if several else {}),
        "Cells per second": [round(run.cells_per_second) if run.cells_per_second else None for run in runs],
        **(
            {_to_target(comparison): [_reached(run) for run in runs]} if comparison.target is not None else {}
        ),
        f"Best {name}": [_best(run) for run in runs],
        f"Last {name}": [_last(run, comparison.metric) for run in runs],
        "Epochs": [f"{run.epochs} of {run.max_epochs}" for run in runs],
        "Training (s)": [run.total_seconds or None for run in runs],
        "Getting ready (s)": [run.preparation_seconds for run in runs],
        "First epoch (s)": [run.warm_up_seconds for run in runs],
        "Useful model": [duration(run.projected_seconds) if run.projected_seconds else "–" for run in runs],
        "Computer": [
            " · ".join(
                filter(None, (run.machine, f"imported from {run.imported_from}" if run.imported_from else ""))
            )
            for run in runs
        ],
    }
    return pd.DataFrame(frame)


def _starred(run: ComparedRun, comparison: Comparison) -> str:
    return f"{STAR} {run.label}" if run.run_id == comparison.recommended else run.label


def _to_target(comparison: Comparison) -> str:
    return f"At {loss_value(comparison.target or 0.0)} after"


def _reached(run: ComparedRun) -> str:
    if run.time_to_target is None:
        return "never"
    return f"{duration(run.time_to_target)}, epoch {run.target_epoch}"


def _best(run: ComparedRun) -> str:
    return "–" if run.best is None else f"{loss_value(run.best)}, epoch {run.best_epoch}"


def _last(run: ComparedRun, metric: str) -> str:
    found = run.metric(metric)
    return "–" if found is None else or_dash(found.last, loss_value)


def differences_table(comparison: Comparison) -> None:
    if len(comparison.runs) < 2:
        return
    with st.container(border=True):
        st.markdown("**What differs**")
        if not comparison.differences:
            st.markdown("Nothing that is known: the same data, settings, device and versions.")
            return
        st.dataframe(
            differences_frame(comparison),
            hide_index=True,
            column_config={"Setting": st.column_config.TextColumn(width="medium", pinned=True)},
            alt="Settings that are not the same in all compared runs",
        )
        st.caption("Everything else is the same in all of them.")


def differences_frame(comparison: Comparison) -> pd.DataFrame:
    """A row a setting that differs, a column a run."""
    columns = _apart([run.label for run in comparison.runs])
    rows = [
        {"Setting": _sentence(found.label), **dict(zip(columns, found.values, strict=True))}
        for found in comparison.differences
    ]
    return pd.DataFrame(rows)


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]


def _apart(names: Sequence[str]) -> list[str]:
    """Names of columns, which must not be the same twice."""
    return [name if names.count(name) == 1 else f"{name} ({i})" for i, name in enumerate(names, 1)]
