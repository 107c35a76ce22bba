"""What a run leaves to take away. Files are built on the server, once, and come from its disk.

downloads(run)      # for a run that has a model
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from backend.types import RunRecord
from pages.routes import download_url

_HERE = Path(__file__).parent
FILES = (
    ("model.zip", "Model (.zip)", "Opens with scvi.model.SCVI.load"),
    ("data.h5ad", "Cells with latent (.h5ad)", "Opens in scanpy; latent in obsm X_scvi"),
    ("history.csv", "History (.csv)", "Every epoch's numbers, for a spreadsheet"),
    ("spec.json", "Settings (.json)", "What ran, to repeat or report it"),
)

_mount = st.components.v2.component(
    "studio_run_downloads",
    html="""<div class="downloads"></div>
<p class="downloads-note" role="status"></p>""",
    css=(_HERE / "run_view_downloads.css").read_text(encoding="utf-8"),
    js=(_HERE / "run_view_downloads.js").read_text(encoding="utf-8"),
)


def downloads(run: RunRecord) -> None:
    with st.container(border=True):
        st.subheader("Take away", anchor=False)
        _mount(
            key=f"downloads-{run.run_id}",
            data={
                "files": [
                    {"url": download_url(run.run_id, name), "title": title, "what": what}
                    for name, title, what in FILES
                ]
            },
        )
