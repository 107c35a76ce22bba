"""The Duel tab: two contestants, the same cells, one clock."""

from __future__ import annotations

import streamlit as st


def duel_tab() -> None:
    st.page_link("train.py", label="Train a model", icon=":material/model_training:")


def duel_stage() -> None:
    st.title("Duel", anchor=False)
    duel_tab()
