"""The frame around every page: title, wordmark, navigation, and the line about the run in progress.

Started by ``app.py``; each entry of ``PAGES`` is a folder beside this file.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

import streamlit as st

from pages.shared.run_status import status_line


def lost() -> None:
    st.title("There is no such page", anchor=False)
    st.markdown("The address may have a typing error, or be from another version of scVI Studio.")
    with st.container(horizontal=True):
        st.page_link("start/page.py", label="Start", icon=":material/home:")
        st.page_link("train/page.py", label="Train", icon=":material/model_training:")


HERE = Path(__file__).parent

PAGES = {
    "start": ("Start", "home", "What this does, and a model trained in one click."),
    "data": ("Data", "table_view", "Bring a file, see what is in it, make it ready for training."),
    "train": ("Train", "model_training", "Choose the settings, start a run, watch it learn."),
    "compare": ("Compare", "compare_arrows", "Which device and which settings are faster, and at what cost."),
    "explore": ("Explore", "bubble_chart", "See the cells: a map, clusters, genes, and whether batches mix."),
    "runs": ("Runs", "history", "Every run so far: compare, resume, extend, download, delete."),
    "device": ("Device", "memory", "What this computer can train on, and how fast it is."),
}
DEFAULT = "start"


def listed_pages() -> list[st.Page]:
    return [
        st.Page(
            HERE / name / "page.py",
            title=title,
            icon=f":material/{icon}:",
            help=help_text,
            url_path="" if name == DEFAULT else name,
            default=name == DEFAULT,
        )
        for name, (title, icon, help_text) in PAGES.items()
    ]


def unlisted_pages() -> list[st.Page]:
    """The page for an address the menu does not have: the start page's own name, or nothing of ours."""
    asked = unquote(urlsplit(st.context.url or "").path).strip("/")
    if asked == DEFAULT:
        return [st.Page(HERE / DEFAULT / "page.py", title="Start", url_path=DEFAULT, visibility="hidden")]
    if asked and asked not in PAGES and "/" not in asked:
        return [st.Page(lost, title="Not found", url_path=asked, visibility="hidden")]
    return []


st.set_page_config(page_title="scVI Studio", page_icon=str(HERE / "assets" / "mark.svg"), layout="wide")
st.logo(HERE / "assets" / "wordmark.svg", size="large")
page = st.navigation([*listed_pages(), *unlisted_pages()], position="top")

with st.container(horizontal_alignment="center"), st.container(width=1200):
    status_line(
        showing=st.query_params.get({"Train": "run", "Compare": "group"}.get(page.title, "")),
        analyses=page.title != "Explore",  # which shows what it waits for where it will appear
    )
    page.run()
