"""The application's own HTTP routes, and their addresses for pages. Large files pass through in small pieces.

Addresses are relative to the page, since only the browser knows under which path a proxy has put the dashboard;
every page is one segment below that. Answers of ``POST``: what arrived as JSON, or ``{"error": sentence}``.
"""

from __future__ import annotations

from urllib.parse import quote

import plotly
from starlette.routing import Route

from pages.server.access import TOKEN
from pages.server.document import document_routes
from pages.server.receive import take_bundle, upload, upload_check
from pages.server.send import blob, download, download_shared, frame, plotly_js

PLOTLY_JS_URL = f"api/assets/plotly-{plotly.__version__}.min.js"
UPLOAD_URL = "api/upload"
IMPORT_URL = "api/import"


def routes(base: str) -> list[Route]:
    """``base``: the path the server is under, such as ``/node/host/8501``, or nothing."""
    return [
        Route(f"{base}/{UPLOAD_URL}", upload, methods=["POST"]),  # ?name=…; body: a data set
        Route(f"{base}/{UPLOAD_URL}", upload_check, methods=["GET"]),  # ?name=…&size=…: would it be accepted?
        Route(f"{base}/{IMPORT_URL}", take_bundle, methods=["POST"]),  # body: a bundle of runs
        Route(f"{base}/api/download/{{run_id}}/{{what}}", download, methods=["GET"]),  # ``send.RUN_FILES``
        Route(f"{base}/api/together/{{ids}}/{{what}}", download_shared, methods=["GET"]),
        Route(
            f"{base}/api/frames/{{run_id}}/{{name}}", frame, methods=["GET"]
        ),  # x, y of the cells as uint16
        Route(f"{base}/api/blob/{{name}}", blob, methods=["GET"]),  # bytes that a page published
        Route(f"{base}/api/assets/plotly-{{version}}.min.js", plotly_js, methods=["GET"]),
        *document_routes(base),
    ]


def download_url(run_id: str, what: str) -> str:
    """The address from which a page lets the browser download ``what`` of a run."""
    return f"api/download/{quote(run_id, safe='')}/{quote(what)}?token={quote(TOKEN)}"


def shared_url(ids: str, what: str) -> str:
    """The same for a group, or for several runs, their ids with commas between."""
    return f"api/together/{quote(ids, safe=',')}/{quote(what)}?token={quote(TOKEN)}"


def frame_url(run_id: str, name: str) -> str:
    """The address of one frame; with ``{name}`` for a name, what a component fills in."""
    return f"api/frames/{quote(run_id, safe='')}/{name}?token={quote(TOKEN)}"
