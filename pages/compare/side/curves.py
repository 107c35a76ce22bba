"""The pictures of a comparison: curves by choice of quantity and axis, time against loss, time to the target."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from backend.charts import Trail, compare_chart, pareto_chart, target_chart, time_chart
from backend.types import Comparison, Curves
from backend.words import METRICS, loss_value
from pages.run.run_charts import AXES, dark_page
from pages.shared.live_chart import live_chart

_METRIC, _TARGET = "side_metric", "side_target"


def target_choice() -> tuple[str, float | None]:
    """The loss that the runs are judged by and the target, from the last choices; no widget is drawn here."""
    metric = _judged()
    target = st.session_state.get(_TARGET)
    return metric, float(target) if target is not None else None


def _judged() -> str:
    chosen = st.session_state.get(_METRIC, "validation_loss")
    about = METRICS.get(chosen)
    return chosen if about is not None and about.is_loss and about.lower_is_better else "validation_loss"


def curves_panel(comparison: Comparison, curves: Mapping[str, Curves]) -> None:
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
            metric = st.selectbox(
                "Quantity",
                list(METRICS),
                format_func=lambda name: (
                    METRICS[name].words.capitalize().replace("elbo", "ELBO").replace("Kl", "KL")
                ),
                key=_METRIC,
                width=300,
                help="What the curves show. Losses also decide the time to the target and the recommendation.",
            )
            axis = st.segmented_control(
                "Horizontal axis",
                list(AXES),
                default="time",
                required=True,
                format_func=AXES.__getitem__,
                key="side_axis",
                help="By time, all runs start on one clock; by epoch, passes through the cells are compared.",
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
                "**Lower is better**, per cell. A star marks where a run is at the target for the first time."
                if METRICS[metric].lower_is_better
                else "How far the descriptions of cells are from the prior; neither low nor high is better in itself."
            )
        else:
            st.caption("Epochs that also warm up are left out; the picture of times below shows them.")


def outcome_panels(comparison: Comparison) -> None:
    if len(comparison.runs) < 2:
        return
    revision = f"{comparison.metric} " + " ".join(run.run_id for run in comparison.runs)
    left, right = st.columns(2, gap="small")
    tall = max(300, 90 + 44 * len(comparison.runs))
    with left.container(border=True):
        with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
            st.markdown("**Time to the same loss**")
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
                help="A loss to reach. Left empty it is the lowest that every run reached"
                + (f"; the best run got to {loss_value(min(best))}." if best else "."),
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
        st.caption("Best is bottom left. No run is both faster and better than those on the dotted line.")
    with st.container(border=True):
        st.markdown("**Where the time went**")
        live_chart(time_chart(comparison, dark=dark_page(), revision=revision), key="side-times", height=tall)
        st.caption(
            "Getting ready and the first epoch, which also warms up, stand apart from the steady epochs."
        )
