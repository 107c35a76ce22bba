"""What a sweep leaves to take away."""

from __future__ import annotations

import streamlit as st

from pages.run.downloads import shared_downloads


def sweep_downloads(group_id: str) -> None:
    shared_downloads(group_id, key=group_id)
    st.page_link(
        "runs/page.py", label="See its runs", icon=":material/history:", query_params={"group": group_id}
    )
