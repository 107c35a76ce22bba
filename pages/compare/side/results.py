"""What a comparison of runs shows: curves by choice of metric and axis, time against loss, and the tables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from backend.charts import Trail, compare_chart, pareto_chart, target_chart, time_chart
from backend.types import ComparedRun, Comparison, Curves
from backend.words import METRICS, duration, loss_value, or_dash, sentence_case
from pages.run.curves import AXES, dark_page
from pages.shared.live_chart import live_chart

MOST = 12  # runs that one picture and one table hold
_METRIC, _TARGET = "side_metric", "side_target"


def target_choice() -> tuple[str, float | None]:
    """The loss that the runs are judged by and the target, from the last choices; no widget is drawn here."""
    metric = _judged()
    target = st.session_state.get(_TARGET)
    return metric, float(target) if target is not None else None


def _judged() -> str:
    """Empty: what the comparison takes by itself."""
    chosen = st.session_state.get(_METRIC, "")
    about = METRICS.get(chosen)
    return chosen if about is not None and about.is_loss and about.lower_is_better else ""


def curves_panel(comparison: Comparison, curves: Mapping[str, Curves]) -> None:
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
            st.session_state.setdefault(_METRIC, comparison.metric)
            metric = st.selectbox(
                "Metric",
                list(METRICS),
                format_func=lambda name: sentence_case(METRICS[name].words),
                key=_METRIC,
                width=300,
                help="The metric shown. A loss also determines the time to target and the recommendation.",
            )
            axis = st.segmented_control(
                "Horizontal axis",
                list(AXES),
                default="time",
                required=True,
                format_func=AXES.__getitem__,
                key="side_axis",
                help="Training time from the start of each run, or epochs.",
            )
            log = st.toggle("Log scale", key="side_log", help="A logarithmic vertical axis.")
        judged = comparison.metric == metric
        chart = compare_chart(
            [Trail(run.label, run.device, curves[run.run_id]) for run in comparison.runs],
            metric=metric,
            axis=axis or "time",
            log=log,
            dark=dark_page(),
            target=comparison.target if judged and len(comparison.runs) > 1 else None,
            revision=" ".join(run.run_id for run in comparison.runs),
        )
        live_chart(chart, key="side-curves", height=430, name="compared-runs")
        if METRICS[metric].is_loss:
            st.caption(
                "Per cell; **lower is better**. A star marks where a run first reaches the target."
                if METRICS[metric].lower_is_better
                else "KL divergence of the latent space from the prior; neither low nor high is better in itself."
            )
        else:
            st.caption(
                "The first epoch, which includes warm-up, is excluded; the chart of times below shows it."
            )


def outcome_panels(comparison: Comparison) -> None:
    if len(comparison.runs) < 2:
        return
    revision = f"{comparison.metric} " + " ".join(run.run_id for run in comparison.runs)
    left, right = st.columns(2, gap="small")
    tall = max(300, 90 + 44 * len(comparison.runs))
    with left.container(border=True):
        with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
            st.markdown("**Time to target loss**")
            comparable = "target" in comparison.comparable
            best = [run.best for run in comparison.runs if run.best is not None]
            st.number_input(
                "Target",
                value=None,
                min_value=0.0,
                step=1.0,
                format="%.2f",
                placeholder=loss_value(comparison.target) if comparison.target is not None else "none",
                key=_TARGET,
                width=170,
                help="Target loss. By default the lowest loss that every run reached"
                + (f"; the best run reached {loss_value(min(best))}." if best and comparable else "."),
            )
        live_chart(
            target_chart(comparison, dark=dark_page(), revision=revision), key="side-target", height=tall
        )
        st.caption(
            "Training time until the end of the first epoch at or below the target. Shorter is better."
        )
    with right.container(border=True):
        st.markdown("**Time against loss**")
        live_chart(
            pareto_chart(comparison, dark=dark_page(), revision=revision), key="side-pareto", height=tall + 36
        )
        st.caption(
            "Bottom left is best. The dotted line is the Pareto front: no run is both faster and better."
        )
    with st.container(border=True):
        st.markdown("**Time breakdown**")
        live_chart(time_chart(comparison, dark=dark_page(), revision=revision), key="side-times", height=tall)
        st.caption(
            "Setup and the first epoch, which includes warm-up, are shown separately from the other epochs."
        )


STAR = "★"


def numbers_table(comparison: Comparison) -> None:
    with st.container(border=True):
        st.markdown("**Results**")
        st.dataframe(
            numbers_frame(comparison),
            hide_index=True,
            placeholder="–",
            column_config={
                "Run": st.column_config.TextColumn(width="medium", pinned=True),
                "Seconds per epoch": st.column_config.NumberColumn(
                    format="%.3g", help="Median, first epoch excluded."
                ),
                "Speed-up": st.column_config.NumberColumn(
                    format="%.2f ×", help="Per epoch, relative to the slowest run."
                ),
                "Cells per second": st.column_config.NumberColumn(format="localized"),
                "Setup (s)": st.column_config.NumberColumn(
                    format="%.2f", help="Before training; not part of the training time."
                ),
                "First epoch (s)": st.column_config.NumberColumn(format="%.2f", help="Includes warm-up."),
                "Training (s)": st.column_config.NumberColumn(format="%.2f"),
            },
            alt="Speed, times and losses of each compared run",
        )
        star = f"{STAR}: recommended run. " if comparison.recommended else ""
        st.caption(
            f"{star}Losses: lower is better. Best and last of the {METRICS[comparison.metric].words}; "
            f"*{comparison.projected_epochs} epochs* is projected, including setup."
        )


def _whole(value: float | None) -> int | None:
    return round(value) if value and math.isfinite(value) else None


def numbers_frame(comparison: Comparison) -> pd.DataFrame:
    runs, name = comparison.runs, METRICS[comparison.metric].words
    several = len(runs) > 1
    frame = {
        "Run": [_starred(run, comparison) for run in runs],
        "Seconds per epoch": [run.steady_seconds for run in runs],
        **({"Speed-up": [run.speed_up for run in runs]} if several else {}),
        "Cells per second": [_whole(run.cells_per_second) for run in runs],
        **(
            {_to_target(comparison): [_reached(run) for run in runs]} if comparison.target is not None else {}
        ),
        f"Best {name}": [_best(run) for run in runs],
        f"Last {name}": [_last(run, comparison.metric) for run in runs],
        "Epochs": [f"{run.epochs} of {run.max_epochs}" for run in runs],
        "Training (s)": [run.total_seconds or None for run in runs],
        "Setup (s)": [run.preparation_seconds for run in runs],
        "First epoch (s)": [run.warm_up_seconds for run in runs],
        f"{comparison.projected_epochs} epochs": [
            duration(run.projected_seconds) if run.projected_seconds else "–" for run in runs
        ],
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
        st.markdown("**Differences**")
        if not comparison.differences:
            st.markdown("None known: same data, settings, device and versions.")
            return
        st.dataframe(
            differences_frame(comparison),
            hide_index=True,
            column_config={"Setting": st.column_config.TextColumn(width="medium", pinned=True)},
            alt="Settings that differ between the compared runs",
        )
        st.caption("All other settings are identical.")


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
