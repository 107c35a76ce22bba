"""All runs of this workspace, whoever started them: find, open, compare, continue, name, delete."""

from __future__ import annotations

import streamlit as st

from backend import services
from backend.types import RunRecord
from pages.runs.find import run_filter
from pages.runs.import_runs import import_runs
from pages.runs.table import Shown, chosen_runs, has_news, look, run_table
from pages.runs.ticked import run_table_actions
from pages.shared.actions import flash
from pages.shared.run_status import queue_panel


def empty() -> None:
    with st.container(border=True, horizontal_alignment="center", gap="small"):
        st.space("small")
        st.subheader("No runs yet", anchor=False, width="content")
        st.markdown(
            "Every model you train is listed here with its training curves, settings and files.",
            width="content",
        )
        with st.container(horizontal=True, horizontal_alignment="center"):
            st.page_link("train/page.py", label="Train a model", icon=":material/model_training:")
            st.page_link("data/page.py", label="Load data", icon=":material/upload_file:")
        st.markdown("Runs started with `python -m backend train --demo` appear here too.", width="content")
        st.space("small")


@st.fragment(run_every=2.0)
def wait_for_first(seen: int) -> None:
    """``seen``: the revision at which there were none."""
    runs = services.current().runs
    if runs.revision() != seen and runs.list():
        st.rerun()


@st.fragment(run_every=3.0)
def look_again(shown: Shown) -> None:
    """Draws nothing, so that a tab that is left open costs next to nothing."""
    if has_news(shown):
        st.rerun()


def history(runs: list[RunRecord]) -> None:
    queue_panel()
    shown = look(run_filter(runs))
    run_table(shown)
    look_again(shown)
    chosen = chosen_runs(shown)
    if chosen:
        run_table_actions(chosen)
    else:
        st.caption("Select one run to rename, resume or delete it; select several to compare them.")


st.title("Runs", anchor=False)
flash()
revision = services.current().runs.revision()
if everything := services.current().runs.list():
    history(everything)
else:
    empty()
    wait_for_first(revision)
import_runs(key="runs")
