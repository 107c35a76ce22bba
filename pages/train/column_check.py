"""Before starting: whether the chosen batch key and covariates can be used, what to do where they cannot, and cautions.

suited = column_check(spec)
"""

from __future__ import annotations

import streamlit as st

from backend import services
from backend.errors import StudioError
from backend.types import RunSpec
from backend.words import sentence
from pages.run.actions import resubmit
from pages.shared.actions import attempt, flash
from pages.shared.literal import literal


def column_check(spec: RunSpec) -> bool:
    """Show cautions, or the refusal with its remedies; False for a refusal."""
    flash()
    try:
        cautions = services.current().runs.cautions(spec)
    except StudioError as error:
        st.error(literal(error, limit=1000), icon=":material/error:")
        for index, remedy in enumerate(one for one in error.remedies if one.action == "resubmit"):
            st.button(
                literal(remedy.label),
                icon=":material/play_arrow:",
                help="Starts the run with this change.",
                on_click=attempt,
                args=(lambda remedy=remedy: resubmit(spec, remedy),),
                key=f"column-remedy-{index}",
                width="stretch",
            )
        return False
    for caution in cautions:
        st.warning(literal(sentence(caution), limit=1000), icon=":material/warning:")
    return True
