"""Bytes out: files of one or several runs, frames of the latent space, the plotting library, what a page published.

Files are built in a thread when asked for and sent from disk: none passes through memory. What pages publish for
their components (places of 100,000 cells, colours, names) is kept in memory, the latest used ones only; what is gone
comes back when the page runs again. The same bytes have the same address, so a browser keeps what it has.
"""

from __future__ import annotations

import hashlib
import logging
import re
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import anyio.to_thread
import plotly
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from backend.errors import NotFound, StudioError
from backend.services import Services, current
from pages.server.access import TOKEN, refusal
from pages.server.transfers import UNEXPECTED, as_transfer, status_of

log = logging.getLogger(__name__)

MEDIA = {
    ".zip": "application/zip",
    ".csv": "text/csv; charset=utf-8",
    ".json": "application/json",
    ".txt": "text/plain; charset=utf-8",
    ".py": "text/x-python; charset=utf-8",
    ".ipynb": "application/x-ipynb+json",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
}


def run_file(services: Services, run_id: str, what: str) -> tuple[Path, str]:
    """The file and what to call it on arrival: what ``Exporter`` makes, or the log."""
    record = services.registry.get(run_id)
    log_asked = what == "log.txt"
    path = services.runs.log_path(run_id) if log_asked else services.exports.of_run(run_id, what)
    if not path.is_file():
        raise NotFound("This run has no such file yet.")
    return path, f"{stem(record.name or run_id)}-{what}"


def shared_file(services: Services, ids: str, what: str) -> tuple[Path, str]:
    """``ids``: a group, or runs with commas between."""
    chosen = ids.split(",") if "," in ids else ids
    group, records = services.exports.chosen(chosen)
    path = services.exports.together(chosen, what)
    return path, f"{stem(group.name if group else f'{len(records)}-runs')}-{what}"


def stem(name: str) -> str:
    return re.sub(r"[^\w.-]+", "-", name, flags=re.ASCII).strip("-.")[:80] or "run"


async def download(request: Request) -> Response:
    return await _send(request, run_file, request.path_params["run_id"])


async def download_shared(request: Request) -> Response:
    return await _send(request, shared_file, request.path_params["ids"])


async def _send(
    request: Request, find: Callable[[Services, str, str], tuple[Path, str]], of: str
) -> Response:
    """Build the file in a thread, then send it from disk."""
    if reason := refusal(request, token_in_query=True):
        return PlainTextResponse(reason, 403)
    what = request.path_params["what"]
    try:
        path, name = await anyio.to_thread.run_sync(find, current(), of, what)
        # a log may grow while it is sent, and would then be longer than announced
        log_text = await anyio.to_thread.run_sync(path.read_bytes) if what == "log.txt" else None
    except StudioError as error:
        return PlainTextResponse(str(error), status_of(error))
    except Exception:
        log.exception("Building %s of %s failed", what, of)
        return PlainTextResponse(UNEXPECTED, 500)
    if log_text is not None:
        return Response(
            log_text,
            media_type=MEDIA[".txt"],
            headers={**_AS_IT_IS, "Content-Disposition": f'attachment; filename="{name}"'},
        )
    media_type = MEDIA.get(Path(what).suffix, "application/octet-stream")
    return _Download(path, filename=name, media_type=media_type, headers=_AS_IT_IS)


# "identity" keeps Streamlit's gzip middleware away: it would drop the length and compress gigabytes.
_AS_IT_IS = {"Content-Encoding": "identity", "Cache-Control": "private, no-store"}


class _Download(FileResponse):
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await as_transfer(super().__call__(scope, receive, send))


# --- the plotting library -------------------------------------------------------------------------


async def plotly_js(request: Request) -> Response:
    """plotly.py's own copy of plotly.js, so that figures and library always fit each other."""
    if request.path_params["version"] != plotly.__version__:
        return PlainTextResponse("Another version of plotly is installed. Reload the page.", 404)
    path = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
    return FileResponse(
        path,
        media_type="text/javascript; charset=utf-8",
        headers={"Cache-Control": "public, max-age=31536000, immutable"},
    )


# --- frames of the latent space ---


async def frame(request: Request) -> Response:
    if reason := refusal(request, token_in_query=True):
        return PlainTextResponse(reason, 403)
    run_id, name = request.path_params["run_id"], request.path_params["name"]
    try:
        values = await anyio.to_thread.run_sync(current().pictures.values, run_id, name)
    except StudioError as error:
        return PlainTextResponse(str(error), status_of(error))
    # a name is never used twice: what a browser has, it need not ask for again
    kept = {"Cache-Control": "private, max-age=86400, immutable"}
    return Response(values, media_type="application/octet-stream", headers=kept)


_MOST = 256 << 20  # bytes kept
_blobs: OrderedDict[str, bytes] = OrderedDict()
_scripts: dict[str, bytes] = {}  # of components: kept as long as the server runs
_lock = threading.Lock()


def publish(data: bytes) -> str:
    """The address from which a component fetches ``data``."""
    name = hashlib.sha256(data).hexdigest()[:32]
    with _lock:
        _blobs[name] = data
        _blobs.move_to_end(name)
        total = sum(len(blob) for blob in _blobs.values())
        while total > _MOST and len(_blobs) > 1:
            total -= len(_blobs.popitem(last=False)[1])
    return f"api/blob/{name}?token={quote(TOKEN)}"


def publish_script(text: str, suffix: str) -> str:
    """The address of a script (``.js``) or style sheet (``.css``) that a browser loads once and then has."""
    data = text.encode()
    name = hashlib.sha256(data).hexdigest()[:32] + suffix
    _scripts[name] = data
    return f"api/blob/{name}?token={quote(TOKEN)}"


async def blob(request: Request) -> Response:
    if reason := refusal(request, token_in_query=True):
        return PlainTextResponse(reason, 403)
    name = request.path_params["name"]
    with _lock:
        data = _scripts.get(name) or _blobs.get(name)
    if data is None:
        return PlainTextResponse("This is no longer kept. Reload the page.", 404)
    return Response(
        data,
        media_type=MEDIA.get(Path(name).suffix, "application/octet-stream"),
        headers={"Cache-Control": "private, max-age=3600, immutable"},
    )
