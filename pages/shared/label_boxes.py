"""Two boxes: the column whose levels should mix, and the one whose levels should stay apart.

batch, label = label_boxes(run, key="integration")      # None: none chosen, or the data set has none to choose from
"""

from __future__ import annotations

import streamlit as st

from backend import services
from backend.errors import StudioError
from backend.types import RunRecord

_NONE = "None"


def label_boxes(run: RunRecord, *, key: str) -> tuple[str | None, str | None]:
    """Beside each other in the container that is open; preselected as the run and the names of the columns suggest."""
    try:
        names = services.current().cells.groupings(run.spec.dataset_id)
        batch, label = services.current().cells.likely(run)
    except StudioError:  # the data set was removed
        return None, None
    if not names:
        return None, None
    options = [_NONE, *names]
    batches = st.selectbox(
        "Batch",
        options,
        index=options.index(batch or _NONE),
        key=f"{key}_batch_{run.run_id}",
        help="The column whose levels should mix, such as donor or sample. By default the batch key of the run.",
        width=240,
    )
    labels = st.selectbox(
        "Cell type",
        options,
        index=options.index(label or _NONE),
        key=f"{key}_label_{run.run_id}",
        help="The column whose levels should stay apart, if there is one.",
        width=240,
    )
    return (None if batches == _NONE else batches), (None if labels == _NONE else labels)
