"""Which device, which settings, how much faster, at what cost: a duel, a sweep, or any runs side by side.

``?tab=duel&group=<id>``, ``?tab=sweep&group=<id>``, ``?tab=side&runs=<id>,<id>``; ``&stage=1`` for a projector.
"""

from __future__ import annotations

import streamlit as st

from pages.compare.tabs import chosen_tab, on_stage, say_address

say_address()
if on_stage():
    from pages.compare.duel.duel import duel_stage

    duel_stage()
else:
    st.title("Compare", anchor=False)
    tab = chosen_tab()
    if tab == "sweep":
        from pages.compare.sweep.sweep import sweep_tab

        sweep_tab()
    elif tab == "side":
        from pages.compare.side.side import side_tab

        side_tab()
    else:
        from pages.compare.duel.duel import duel_tab

        duel_tab()
