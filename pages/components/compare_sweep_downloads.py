"""What a sweep leaves to take away."""

from __future__ import annotations

import streamlit as st


def sweep_downloads(group_id: str) -> None:
    st.page_link("runs.py", label="See its runs", icon=":material/history:", query_params={"group": group_id})
