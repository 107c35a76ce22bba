"""The Sweep tab: many settings, one after the other. An open sweep, or the form and the sweeps there are.

``?tab=sweep`` and ``?tab=sweep&group=<id>``.
"""

from __future__ import annotations

import streamlit as st

from backend import services
from backend.errors import NotFound
from pages.compare.sweep.grid_form import sweep_form
from pages.compare.sweep.list import sweep_list
from pages.compare.sweep.view import sweep_view
from pages.run.run_actions import flash


def sweep_tab() -> None:
    flash()
    group_id = st.query_params.get("group", "")
    if group_id:
        try:
            group = services.current().groups.get(group_id)
        except NotFound:
            st.warning("This sweep is not here any more.", icon=":material/link_off:")
        else:
            sweep_view(group)
            return
    sweep_form()
    sweep_list()
