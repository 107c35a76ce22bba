"""What an address that does not exist shows: where to go instead."""

from __future__ import annotations

import streamlit as st


def lost() -> None:
    st.title("There is no such page", anchor=False)
    st.markdown("The address may have a typing error, or be from another version of scVI Studio.")
    with st.container(horizontal=True):
        st.page_link("start/page.py", label="Start", icon=":material/home:")
        st.page_link("train/page.py", label="Train", icon=":material/model_training:")
