"""The application's own HTTP routes: a file in, results out, and the plotting library. Not a page.

    POST /api/upload?name=…              body: a data set      -> {"source_id", "name", "size"} or {"error"}
    GET  /api/upload?name=…&size=…       would it be accepted? -> {"ok": true} or {"error"}
    POST /api/import                     body: a bundle of runs -> {"run_ids", "group_id"} or {"error"}
    GET  /api/download/{run_id}/{what}   and /api/together/{ids or group}/{what}: files named in ``_results``
    GET  /api/frames/{run_id}/{name}     one picture of the cells of a run: x, y as uint16
    GET  /api/assets/plotly-{version}.min.js

Large files pass through in small pieces: neither direction holds one in memory.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import anyio.to_thread
import plotly
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from backend.errors import BadInput, Conflict, NoSpace, NotAllowed, NotFound, StudioError
from backend.services import Services, current
from backend.words import file_size
from pages.server.access import TOKEN, TOKEN_HEADER, refusal
from pages.server.blobs import BLOB_ROUTE
from pages.server.receive import Interrupted, TooLarge, receive_to_file, too_large
from pages.server.results import MEDIA, run_file, shared_file

__all__ = [
    "IMPORT_URL",
    "PLOTLY_JS_URL",
    "ROUTES",
    "TOKEN",
    "TOKEN_HEADER",
    "abort_transfers",
    "download_url",
    "frame_url",
    "shared_url",
]

log = logging.getLogger(__name__)

PLOTLY_JS_URL = f"/api/assets/plotly-{plotly.__version__}.min.js"
UPLOAD_URL = "/api/upload"
IMPORT_URL = "/api/import"
BUNDLE_LIMIT = 4_000_000_000  # bytes; without models bundles are small
SUFFIXES = (".h5ad", ".h5", ".hdf5")

_STATUS = {
    TooLarge: 413,
    NoSpace: 507,
    NotAllowed: 403,
    NotFound: 404,
    Conflict: 409,
    BadInput: 400,
    Interrupted: 400,
}
_UNEXPECTED = "Something went wrong on the server; its log (server.log in the workspace) has the details."
_transfers: set[asyncio.Task[Any]] = set()
T = TypeVar("T")


def abort_transfers() -> None:
    """Break off running uploads and downloads, so that a server told to stop does not wait for them."""
    for task in list(_transfers):
        task.cancel()


def download_url(run_id: str, what: str) -> str:
    """The address from which a page lets the browser download ``what`` of a run."""
    return f"/api/download/{quote(run_id, safe='')}/{quote(what)}?token={quote(TOKEN)}"


def shared_url(ids: str, what: str) -> str:
    """The same for a group, or for several runs, their ids with commas between."""
    return f"/api/together/{quote(ids, safe=',')}/{quote(what)}?token={quote(TOKEN)}"


# --- in -------------------------------------------------------------------------------------------


async def upload_check(request: Request) -> Response:
    if reason := refusal(request):
        return JSONResponse({"error": reason}, 403)
    try:
        size = _size(request.query_params.get("size"))
        await _admit(current(), request.query_params.get("name", ""), size)
    except StudioError as error:
        return JSONResponse({"error": str(error)}, _status(error))
    return JSONResponse({"ok": True})


async def upload(request: Request) -> Response:
    return await _receive(request, _take)


async def take_bundle(request: Request) -> Response:
    return await _receive(request, _take_bundle)


async def _receive(
    request: Request, take: Callable[[Request, Services], Coroutine[Any, Any, Response]]
) -> Response:
    if reason := refusal(request):
        return JSONResponse({"error": reason}, 403)
    try:
        return await _as_transfer(take(request, current()))
    except StudioError as error:
        return JSONResponse({"error": str(error)}, _status(error))
    except ClientDisconnect:
        log.info("An upload was broken off by the browser; what had arrived was removed.")
        return Response(status_code=400)
    except asyncio.CancelledError:
        if (task := asyncio.current_task()) and task.cancelling():
            raise  # this request itself is being ended, not only its transfer
        return JSONResponse({"error": "The server was stopped. Please upload again once it runs."}, 503)
    except Exception:
        log.exception("An upload failed")
        return JSONResponse({"error": _UNEXPECTED}, 500)


async def _take(request: Request, services: Services) -> Response:
    name = request.query_params.get("name", "")
    size = _size(request.headers.get("content-length"))
    shown, part = await _admit(services, name, size)
    limit = services.settings.max_upload_bytes
    received = await receive_to_file(request.stream(), part, limit=limit, expected=size)
    if not received.size:
        part.unlink(missing_ok=True)
        raise BadInput(f"The file {shown} is empty.")
    try:
        source = await anyio.to_thread.run_sync(services.datasets.adopt_upload, part, shown, received.sha256)
    finally:
        part.unlink(missing_ok=True)
    log.info("Uploaded %s, %d bytes, as %s", shown, received.size, source.source_id)
    return JSONResponse({"source_id": source.source_id, "name": source.name, "size": received.size})


async def _take_bundle(request: Request, services: Services) -> Response:
    """Runs from another computer. Their name and content are somebody else's: ``import_bundle`` checks all."""
    size = _size(request.headers.get("content-length"))
    limit = min(BUNDLE_LIMIT, services.settings.max_upload_bytes)
    if size is not None and size > limit:
        raise TooLarge(f"A bundle of runs has at most {file_size(limit)}. Make it again without the model.")
    part = await anyio.to_thread.run_sync(services.datasets.upload_target, size or 0)
    await receive_to_file(request.stream(), part, limit=limit, expected=size)
    try:
        run_ids = await anyio.to_thread.run_sync(services.exports.import_bundle, part)
    finally:
        part.unlink(missing_ok=True)
    log.info("Imported %d runs", len(run_ids))
    group_id = services.registry.get(run_ids[0]).group_id
    return JSONResponse({"run_ids": run_ids, "group_id": group_id})


async def _admit(services: Services, name: str, size: int | None) -> tuple[str, Path]:
    """The name to show for an upload and where to put it. The name is never used as a path."""
    shown = re.sub(r"[\x00-\x1f\x7f]", "", re.split(r"[\\/]", name)[-1]).strip()[-200:]
    if not shown.lower().endswith(SUFFIXES):
        raise BadInput(f"Only {', '.join(SUFFIXES)} files can be read. In R, zellkonverter writes .h5ad.")
    if size is not None and size > services.settings.max_upload_bytes:
        raise TooLarge(too_large(services.settings.max_upload_bytes))
    return shown, await anyio.to_thread.run_sync(services.datasets.upload_target, size or 0)


def _size(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() else None


# --- out ------------------------------------------------------------------------------------------


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
        return PlainTextResponse(str(error), _status(error))
    except Exception:
        log.exception("Building %s of %s failed", what, of)
        return PlainTextResponse(_UNEXPECTED, 500)
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
        await _as_transfer(super().__call__(scope, receive, send))


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


# --------------------------------------------------------------------------------------------------


async def _as_transfer(work: Coroutine[Any, Any, T]) -> T:
    """Run ``work`` so that ``abort_transfers`` can break it off."""
    task = asyncio.create_task(work)
    _transfers.add(task)
    try:
        return await task
    finally:
        _transfers.discard(task)


def _status(error: StudioError) -> int:
    return next((status for kind, status in _STATUS.items() if isinstance(error, kind)), 400)


# --- pictures of the cells ------------------------------------------------------------------------


async def frame(request: Request) -> Response:
    if reason := refusal(request, token_in_query=True):
        return PlainTextResponse(reason, 403)
    run_id, name = request.path_params["run_id"], request.path_params["name"]
    try:
        values = await anyio.to_thread.run_sync(current().pictures.values, run_id, name)
    except StudioError as error:
        return PlainTextResponse(str(error), _status(error))
    # a name is never used twice: what a browser has, it need not ask for again
    kept = {"Cache-Control": "private, max-age=86400, immutable"}
    return Response(values, media_type="application/octet-stream", headers=kept)


def frame_url(run_id: str, name: str) -> str:
    """The address of one picture; with ``{name}`` for a name, what a component fills in."""
    return f"/api/frames/{quote(run_id, safe='')}/{name}?token={quote(TOKEN)}"


ROUTES = [
    BLOB_ROUTE,
    Route("/api/upload", upload, methods=["POST"]),
    Route("/api/upload", upload_check, methods=["GET"]),
    Route("/api/import", take_bundle, methods=["POST"]),
    Route("/api/download/{run_id}/{what}", download, methods=["GET"]),
    Route("/api/together/{ids}/{what}", download_shared, methods=["GET"]),
    Route("/api/frames/{run_id}/{name}", frame, methods=["GET"]),
    Route("/api/assets/plotly-{version}.min.js", plotly_js, methods=["GET"]),
]
