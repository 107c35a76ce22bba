"""A run from another computer has no model here: said once, instead of buttons that can only refuse.

if without_model(run, "find marker genes"): return
"""

from __future__ import annotations

import streamlit as st

from backend.types import RunRecord


def without_model(run: RunRecord, what: str) -> bool:
    """Say why ``what`` cannot be done, where it cannot."""
    if not run.imported_from:
        return False
    st.info(
        f"This run was brought from another computer without its model, which is needed to {what}. Do it on the "
        "computer that trained the run, or train it again here.",
        icon=":material/info:",
    )
    return True
