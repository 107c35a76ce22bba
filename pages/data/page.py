"""Bring data, and understand it: ``?source=<id>`` opens one source, where it is made ready to train."""

from __future__ import annotations

import streamlit as st

from pages.data.dataset import dataset_page
from pages.data.library import ready_here, sources_here
from pages.data.load import ways_to_bring, work_under_way

if source_id := st.query_params.get("source"):
    dataset_page(source_id)
else:
    st.title("Load data")
    st.markdown("Raw counts of single cells, as .h5ad or 10x .h5. Every file is checked before training.")
    work_under_way()
    ways_to_bring()
    sources_here()
    ready_here()
