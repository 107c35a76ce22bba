"""What a run leaves to take away, and what several leave together. Files are built on the server when asked for.

downloads(run)                        # for a run that has a model, or came from another computer
shared_downloads(group_id, key="x")   # for a group, or for runs with commas between
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from backend import services
from backend.errors import StudioError
from backend.types import RunRecord
from pages.server.routes import download_url, shared_url

_HERE = Path(__file__).parent
File = tuple[str, str, str]  # name, title, one sentence
FILES: tuple[File, ...] = (
    (
        "report.html",
        "Report (.html)",
        "The whole run in one HTML file that opens in any browser, offline.",
    ),
    (
        "data.h5ad",
        "Cells with results (.h5ad)",
        "All cells with latent space, UMAP and clusters; opens in scanpy. Where genes were selected, .raw holds the "
        "counts of all genes.",
    ),
    (
        "model.zip",
        "Model (.zip)",
        "The trained model: scvi.model.SCVI.load(folder, adata=adata) with the cells above.",
    ),
    ("reproduce.py", "Python script (.py)", "Reproduces this run with scvi-tools alone."),
    ("reproduce.ipynb", "Notebook (.ipynb)", "The same steps as a Jupyter notebook."),
    ("history.csv", "History (.csv)", "All metrics of every epoch."),
    ("spec.json", "Settings (.json)", "The settings of this run, to repeat or report them."),
    (
        "bundle.zip",
        "Bundle (.zip)",
        "Imports this run into scVI Studio on another computer; without the model.",
    ),
)
FROM_ELSEWHERE = ("report.html", "history.csv", "spec.json", "bundle.zip")
SHARED: tuple[File, ...] = (
    (
        "report.html",
        "Report (.html)",
        "The whole comparison in one HTML file that opens in any browser, offline.",
    ),
    ("summary.csv", "Table (.csv)", "One row per run: times, losses, settings, computer."),
    ("history.csv", "History (.csv)", "All metrics of every epoch of every run."),
    ("bundle.zip", "Bundle (.zip)", "Imports these runs into scVI Studio on another computer."),
    ("methods.txt", "Methods text (.txt)", "A paragraph on this comparison for a publication."),
)

_mount = st.components.v2.component(
    "studio_run_downloads",
    html="""<div class="downloads"></div>
<p class="downloads-note" role="status"></p>""",
    css=(_HERE / "downloads.css").read_text(encoding="utf-8"),
    js=(_HERE / "downloads.js").read_text(encoding="utf-8"),
)


def downloads(run: RunRecord) -> None:
    files = [file for file in FILES if not run.imported_from or file[0] in FROM_ELSEWHERE]
    with st.container(border=True):
        st.subheader("Downloads", anchor=False)
        _mount(
            key=f"downloads-{run.run_id}",
            data={"files": [_shown(download_url(run.run_id, file[0]), file) for file in files]},
        )
        methods = st.expander(
            "Methods paragraph", icon=":material/article:", on_change="rerun", key=f"methods-{run.run_id}"
        )
        if methods.open:
            with methods:
                _methods(run)


def shared_downloads(ids: str, *, key: str) -> None:
    with st.container(border=True):
        st.subheader("Downloads", anchor=False)
        _mount(
            key=f"downloads-{key}",
            data={"files": [_shown(shared_url(ids, file[0]), file) for file in SHARED]},
        )


def _shown(url: str, file: File) -> dict[str, str]:
    return {"url": url, "title": file[1], "what": file[2]}


def _methods(run: RunRecord) -> None:
    st.caption("Written from the settings and results of this run. Copy it with the button in the corner.")
    try:
        text = services.current().exports.methods_text(run.run_id)
    except StudioError as error:
        text = str(error)
    st.code(text, language=None, wrap_lines=True)
