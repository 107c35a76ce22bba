"""Choose the settings and start a run; with ``?run=<id>`` show that run instead, live or finished."""

from __future__ import annotations

import streamlit as st

_SHOWN = "train_shown"

if run_id := st.query_params.get("run"):
    from pages.run.page import run_view

    if st.session_state.get(_SHOWN) != run_id:
        # A link from this page to itself changes the parameters and not the address bar: say it once more.
        st.query_params["run"] = run_id
        st.session_state[_SHOWN] = run_id
    run_view(run_id)
else:
    st.session_state.pop(_SHOWN, None)
    from pages.train.train_form import train_form

    train_form()
