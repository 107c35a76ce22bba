"""The Sweep tab: many settings, one after the other."""

from __future__ import annotations

import streamlit as st


def sweep_tab() -> None:
    st.page_link("train.py", label="Train with other settings", icon=":material/model_training:")
