"""A component of our own whose script and styles the browser loads once; Streamlit sends them with every update.

    _mount = component("studio_live_chart", "live_chart", __file__, html='<div class="live-chart"></div>')

``live_chart.js`` and ``live_chart.css`` lie beside the module that calls. The script exports a function that is given
the component (and may ask ``latest`` of ``increments.js``), as in ``st.components.v2``; its top level runs once for all
components of that kind on a page. ``parts`` are other scripts beside it that it is read after.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from pages.server.send import publish_script

_INCREMENTS = Path(__file__).with_name("increments.js")


def component(
    name: str, stem: str, beside: str, *, html: str, parts: Sequence[str] = (), isolate_styles: bool = True
) -> Any:
    folder = Path(beside).parent
    own = "\n".join((folder / f"{part}.js").read_text("utf-8") for part in (*parts, stem))
    script = publish_script(_INCREMENTS.read_text("utf-8") + own, ".js")
    style = publish_script((folder / f"{stem}.css").read_text("utf-8"), ".css")
    # by the line break Streamlit tells a text from the name of a file
    return st.components.v2.component(
        name,
        html=html,
        css=f'@import url("{style}");\n/**/',
        js=f'const{{default:d}}=await import(new URL("{script}",document.baseURI))\nexport{{d as default}}',
        isolate_styles=isolate_styles,
    )
