"""The table of a sweep, filled by this computer, beside the published one."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from backend.charts import PUBLISHED, PUBLISHED_NOTE, SweepRow, SweepTable
from backend.words import in_seconds
from pages.compare.side.tables import STAR
from pages.shared.literal import literal

_BESIDE = 3  # tables in one row of the page
_WAITING = {
    "queued": "waiting",
    "running": "training",
    "failed": "failed",
    "canceled": "canceled",
    "interrupted": "interrupted",
}


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
        bold = "**Bold**: the shortest time and the lowest loss. " if any(r.best for r in table.rows) else ""
        star = f"{STAR}: recommended. " if any(recommended in row.run_ids for row in table.rows) else ""
        st.caption(f"{bold}{star}Loss per cell after the last epoch.")


def frame(table: SweepTable, recommended: str = "") -> pd.DataFrame:
    """Cells as text: Markdown sets the best in bold, a star marks the row of the run that is recommended."""
    return pd.DataFrame(
        {
            "Minibatch": [
                f"{row.batch_size:,}{f' {STAR}' if recommended in row.run_ids else ''}" for row in table.rows
            ],
            "LR": [f"{row.lr:.4g}" for row in table.rows],
            "Time": [_time(row) for row in table.rows],
            "Val. loss": [_loss(row) for row in table.rows],
        }
    )


def _time(row: SweepRow) -> str:
    if row.seconds is None:
        word = _WAITING.get(row.state, row.state)
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
