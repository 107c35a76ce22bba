"""What a sweep found: the table of sizes, times and losses beside the published one, and its figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from backend.charts import (
    PUBLISHED,
    PUBLISHED_NOTE,
    SweepRow,
    SweepTable,
    sweep_loss_chart,
    sweep_pareto_chart,
    sweep_tables,
    sweep_time_chart,
)
from backend.types import Comparison, Curves, RunRecord, judged_by
from backend.words import METRICS, count, in_seconds, sentence_case, status_word
from pages.compare.side.results import STAR
from pages.run.curves import chosen_axis, dark_page
from pages.shared.literal import literal
from pages.shared.live_chart import live_chart

_UNITS = {False: "Seconds", True: "Relative to 128"}


def sweep_charts(
    group_id: str, runs: Sequence[RunRecord], curves: Mapping[str, Curves], comparison: Comparison | None
) -> None:
    dark = dark_page()
    left, right = st.columns(2, gap="small")
    with left.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.markdown("**Time by minibatch size**", width="content")
            relative = st.segmented_control(
                "Unit of time",
                list(_UNITS),
                default=False,
                required=True,
                format_func=_UNITS.__getitem__,
                label_visibility="collapsed",
                key=f"sweep-relative-{group_id}",
                help="Relative to the time with minibatch size 128, beside the published values.",
            )
        live_chart(
            sweep_time_chart(
                sweep_tables(runs, curves), relative=bool(relative), dark=dark, revision=group_id
            ),
            key=f"sweep-time-{group_id}",
            height=340,
            name="sweep-time",
        )
    with right.container(border=True):
        st.markdown("**Time against loss**: bottom left is best")
        chart = sweep_pareto_chart(comparison or Comparison(()), runs, dark=dark, revision=group_id)
        live_chart(chart, key=f"sweep-pareto-{group_id}", height=340, name="sweep-time-against-loss")
        st.caption(
            "Labels are minibatch sizes; the largest marker is the recommended setting. The dotted line is the Pareto "
            "front."
        )
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            name = METRICS[judged_by(curves[run.run_id] for run in runs)].words
            st.markdown(f"**{sentence_case(name)} of all runs**", width="content")
            axis = chosen_axis(f"sweep-axis-{group_id}")
        live_chart(
            sweep_loss_chart(runs, curves, axis=axis, dark=dark, revision=group_id),
            key=f"sweep-loss-{group_id}",
            height=420,
            name="sweep-loss",
        )
        st.caption("Colours from small (cold) to large (warm) minibatches; **lower is better**.")


_BESIDE = 3  # tables in one row of the page
_WAITING = {"running": "training"}


def tables_beside_published(tables: Sequence[SweepTable], recommended: str = "") -> None:
    every = [*tables, PUBLISHED]
    for first in range(0, len(every), _BESIDE):
        shown = every[first : first + _BESIDE]
        for place, table in zip(st.columns(min(_BESIDE, len(every))), shown, strict=False):
            with place.container(border=True):
                _table(table, recommended, published=table is PUBLISHED)


def _table(table: SweepTable, recommended: str, *, published: bool) -> None:
    if published:
        st.markdown("**Published** :gray-badge[Apple M-series, MPS]")
    else:
        st.markdown(f"**{literal(table.label, limit=80)}** :blue-badge[this computer]")
    st.table(
        frame(table, recommended),
        border="horizontal",
        hide_index=True,
        alt=f"{table.label}: time and loss by size",
    )
    if published:
        st.caption(PUBLISHED_NOTE)
    else:
        bold = "**Bold**: shortest time and lowest loss. " if any(r.best for r in table.rows) else ""
        star = f"{STAR}: recommended. " if any(recommended in row.run_ids for row in table.rows) else ""
        st.caption(f"{bold}{star}Loss: {METRICS[table.metric].words} per cell after the last epoch.")


def frame(table: SweepTable, recommended: str = "") -> pd.DataFrame:
    """Cells as text: Markdown sets the best in bold, a star marks the row of the run that is recommended."""
    return pd.DataFrame(
        {
            "Minibatch": [
                f"{count(row.batch_size)}{f' {STAR}' if recommended in row.run_ids else ''}"
                for row in table.rows
            ],
            "LR": [f"{row.lr:.4g}" for row in table.rows],
            "Time": [_time(row) for row in table.rows],
            "Val. loss": [_loss(row) for row in table.rows],
        }
    )


def _time(row: SweepRow) -> str:
    if row.seconds is None:
        word = _WAITING.get(row.state, status_word(row.state))
        return f"{word}, {row.epoch} of {row.max_epochs}" if row.state == "running" and row.epoch else word
    return _marked(in_seconds(row.seconds) + _spread(row.seconds_sd, " s"), row.fastest)


def _loss(row: SweepRow) -> str:
    if row.loss is None:
        return "–"
    digits = 1 if row.loss < 1000 else 0
    return _marked(f"{row.loss:,.{digits}f}" + _spread(row.loss_sd, ""), row.best)


def _spread(sd: float | None, unit: str) -> str:
    return "" if sd is None else f" ± {sd:.2g}{unit}"


def _marked(text: str, best: bool) -> str:
    return f"**{text}**" if best else text
