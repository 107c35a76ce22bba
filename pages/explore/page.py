"""See the cells of a run: ``?run=<id>&see=<part>``."""

from __future__ import annotations

import streamlit as st

from pages.explore.chosen_run import chosen_run
from pages.explore.sections import chosen_section

st.title("Explore", anchor=False)
run = chosen_run()
if run is not None:
    section = chosen_section(run)
    if section is None:
        st.info(
            "This run is being trained. Its cells can be seen when it is done.",
            icon=":material/hourglass_empty:",
        )
    else:
        section(run)
