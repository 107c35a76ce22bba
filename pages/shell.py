"""The frame around every page: title, wordmark, navigation, and the line about the run in progress.

Started by ``app.py``; each entry of ``PAGES`` is a folder beside this file.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

import streamlit as st

from pages.shared.run_status import status_line
from pages.shared.server_watch import server_watch


def lost() -> None:
    st.title("Page not found", anchor=False)
    st.markdown("The address may be mistyped, or belong to another version of scVI Studio.")
    with st.container(horizontal=True):
        st.page_link("start/page.py", label="Start", icon=":material/home:")
        st.page_link("train/page.py", label="Train", icon=":material/model_training:")


HERE = Path(__file__).parent

PAGES = {
    "start": ("Start", "home", "What scVI Studio does, and a first model in one click."),
    "data": ("Data", "table_view", "Load a data set, check it and prepare it for training."),
    "train": ("Train", "model_training", "Choose the settings, start a run and follow its training."),
    "compare": ("Compare", "compare_arrows", "Compare devices and settings: speed, loss and embeddings."),
    "explore": (
        "Explore",
        "bubble_chart",
        "The latent space of a run: UMAP, clusters, marker genes, batch mixing.",
    ),
    "runs": ("Runs", "history", "All runs: compare, resume, extend, download, delete."),
    "device": ("Devices", "memory", "Where training runs: devices, workers, and their speed."),
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
    path = unquote(urlsplit(st.context.url or "").path).strip("/")
    asked = path.rpartition("/")[2]  # a proxy may have put all of this under a path
    if asked == DEFAULT:
        return [st.Page(HERE / DEFAULT / "page.py", title="Start", url_path=DEFAULT, visibility="hidden")]
    if asked and asked not in PAGES:
        return [st.Page(lost, title="Not found", url_path=asked, visibility="hidden")]
    return []


st.set_page_config(page_title="scVI Studio", page_icon=str(HERE / "assets" / "mark.svg"), layout="wide")
st.logo(HERE / "assets" / "wordmark.svg", size="large")
page = st.navigation([*listed_pages(), *unlisted_pages()], position="top")

READING, PICTURES = 1200, 1680  # pixels at most: lines of a form, and charts on a projector
wide = page.title in {"Compare", "Explore", "Runs"} or "run" in st.query_params
with st.container(horizontal_alignment="center"), st.container(width=PICTURES if wide else READING):
    status_line(
        showing=st.query_params.get({"Train": "run", "Compare": "group"}.get(page.title, "")),
        analyses=page.title != "Explore",  # which shows what it waits for where it will appear
    )
    page.run()
    server_watch()
