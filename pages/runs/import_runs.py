"""Take in runs from another computer: a folded drop zone for a bundle, checked by the server.

import_runs(key="runs")     # on success: a toast, and the page is drawn anew with the runs
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from backend.words import counted
from pages.server.access import TOKEN, TOKEN_HEADER
from pages.server.routes import IMPORT_URL

_HERE = Path(__file__).parent
_zone = st.components.v2.component(
    "studio_import_runs",
    html="""<div class="import"><div class="import-zone"><input type="file" accept=".zip">
<button type="button">Choose a bundle</button><span>or drop it here</span></div>
<p class="import-note" role="status"></p></div>""",
    css=(_HERE / "import_runs.css").read_text("utf-8"),
    js=(_HERE / "import_runs.js").read_text("utf-8"),
)
_SAID = "import_runs_said"


def import_runs(*, key: str) -> None:
    if said := st.session_state.pop(_SAID, None):
        st.toast(said, icon=":material/move_to_inbox:")
    panel = st.expander(
        "Import runs",
        icon=":material/move_to_inbox:",
        on_change="rerun",
        key=f"import-panel-{key}",
    )
    if not panel.open:
        return
    with panel:
        st.markdown(
            "On the other computer, download the *Bundle* of a run, a sweep or a comparison. Imported runs can be "
            "viewed and compared, but not trained further. A model in the bundle is never opened, because opening a "
            "model can "
            "execute code."
        )
        result = _zone(
            key=f"import-{key}",
            data={"url": IMPORT_URL, "header": TOKEN_HEADER, "token": TOKEN},
            on_imported_change=lambda: None,
        )
        arrived = result.imported.get("run_ids") if isinstance(result.imported, dict) else None
        if isinstance(arrived, list):
            n = len(arrived)
            st.session_state[_SAID] = f"{counted(n, 'run')} imported."
            st.rerun()
