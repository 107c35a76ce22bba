"""What a page shows when its script fails: a sentence, never a traceback (those are in the server's log)."""

from __future__ import annotations

import streamlit as st

from backend.errors import StudioError
from pages.shared.literal import literal


def show_script_error(error: Exception) -> bool:
    """Show ``error``; True tells Streamlit, which has logged it already, to show nothing itself."""
    if isinstance(error, StudioError):
        st.error(literal(error, limit=1000), icon=":material/error:")
    else:
        st.error(
            "This page ran into a problem that it did not expect. Your data and runs are safe. "
            "Reload the page; if it comes back, the file `server.log` in the workspace says more.",
            icon=":material/error:",
        )
    return True
