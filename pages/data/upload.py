"""A drop zone that sends a file of any size straight to the server's disk, with progress and cancel.

    if uploaded := upload(max_bytes=…):
        open_report(uploaded["source_id"])

Streamlit's own uploader would hold the file in memory. A transfer survives reruns and visits to other pages.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypedDict

import streamlit as st

from pages.server.routes import SUFFIXES, TOKEN, TOKEN_HEADER, UPLOAD_URL

_HERE = Path(__file__).parent
_zone = st.components.v2.component(
    "scvi_studio_upload",
    html=(_HERE / "upload.html").read_text("utf-8"),
    css=(_HERE / "upload.css").read_text("utf-8"),
    js=(_HERE / "upload.js").read_text("utf-8"),
)


class Uploaded(TypedDict):
    source_id: str
    name: str
    size: int


def upload(*, max_bytes: int, key: str = "upload") -> Uploaded | None:
    """Mount the drop zone; the finished upload is returned once, in the rerun that it causes."""
    result = _zone(
        key=key,
        data={
            "url": UPLOAD_URL,
            "header": TOKEN_HEADER,
            "token": TOKEN,
            "suffixes": list(SUFFIXES),
            "max_bytes": max_bytes,
        },
        on_uploaded_change=lambda: None,
    )
    return result.uploaded
