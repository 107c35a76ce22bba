"""The map of the cells of one run: similar cells lie close together."""

from __future__ import annotations

import streamlit as st

from backend.types import RunRecord
from pages.components.analysis_wait import analysis_wait


def map_section(run: RunRecord) -> None:
    found = analysis_wait(run.run_id, "umap", auto=True)
    if found is None:
        return
    xy = found.array("xy")
    st.scatter_chart({"x": xy[:, 0], "y": xy[:, 1]}, x="x", y="y")
