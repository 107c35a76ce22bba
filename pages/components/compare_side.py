"""The Side by side tab: any runs of the history in one picture."""

from __future__ import annotations

import streamlit as st

from backend import services


def side_tab() -> None:
    if not services.current().runs.list():
        st.info("Nothing to compare yet: train two models first.", icon=":material/compare_arrows:")
    st.page_link("runs.py", label="See all runs", icon=":material/history:")
