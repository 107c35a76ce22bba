"""What a browser session knows of a run's numbers: read once, then only what is new.

    curves = watched(run)          # the whole curve, up to date

When a run begins anew or ends it is read anew: points beyond a checkpoint, or of an extension that was
discarded, are then gone from the registry.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import streamlit as st

from backend import services
from backend.types import Curves, RunRecord

_KEY = "run_view_watched"
_KEEP = 8  # runs a session holds in memory


@dataclass
class _Watched:
    session: object  # when this stretch of the run began and ended
    cursor: int = 0
    curves: Curves = field(default_factory=Curves)


def watched(run: RunRecord) -> Curves:
    """All points of ``run`` so far; asks the registry only for those after the last look."""
    known: dict[str, _Watched] = st.session_state.setdefault(_KEY, {})
    entry = known.pop(run.run_id, None)
    if entry is None or entry.session != (run.started_at, run.ended_at):
        entry = _Watched((run.started_at, run.ended_at))
    known[run.run_id] = entry  # the latest used last
    while len(known) > _KEEP:
        known.pop(next(iter(known)))
    batch = services.current().runs.metrics_since(run.run_id, entry.cursor)
    entry.curves.add(batch.points)
    entry.cursor = batch.cursor
    return entry.curves
