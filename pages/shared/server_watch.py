"""Say above every page when the server is silent: stopped, suspended, or out of reach.

    server_watch()      # once, in the frame

The browser asks by itself, since a server that is gone can say nothing.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st

_mount = st.components.v2.component(
    "studio_server_watch",
    html="<span></span>",
    js=Path(__file__).with_suffix(".js").read_text(encoding="utf-8"),
    isolate_styles=False,  # the banner is above the page, not within it
)


def server_watch() -> None:
    _mount(key="server-watch", height=1)
