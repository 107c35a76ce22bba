"""Choose the settings and start a run; with ``?run=<id>`` show that run instead, live or finished."""

from __future__ import annotations

import streamlit as st

if run_id := st.query_params.get("run"):
    from pages.components.run_view import run_view

    run_view(run_id)
else:
    from pages.components.train_form import train_form

    train_form()
