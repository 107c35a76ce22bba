"""Bytes that a page made for its components: the places of 100,000 cells, a colour for each, their names.

    url = publish(data)      # the same bytes have the same address, so a browser keeps what it has

Kept in memory, the latest used ones only; what is gone comes back when the page runs again.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from pages.server.access import TOKEN, refusal

_MOST = 256 << 20  # bytes kept
_blobs: OrderedDict[str, bytes] = OrderedDict()
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
    return f"/api/blob/{name}?token={quote(TOKEN)}"


async def blob(request: Request) -> Response:
    if reason := refusal(request, token_in_query=True):
        return PlainTextResponse(reason, 403)
    with _lock:
        data = _blobs.get(request.path_params["name"])
    if data is None:
        return PlainTextResponse("This is no longer kept. Reload the page.", 404)
    return Response(
        data,
        media_type="application/octet-stream",
        headers={"Cache-Control": "private, max-age=3600, immutable"},
    )
