"""The document every page begins with: Streamlit's own, told where the dashboard is, and what its theme cannot say.

Streamlit's front end tries folder after folder until the server answers, which leaves errors in the console of a
deep link. Here the browser reckons it from the page's own address, so that it is right under any prefix: of
``server.baseUrlPath``, or of a proxy that strips one. ``document.css`` and ``document.js`` stand in it from the start,
so that nothing moves when they arrive.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route
from streamlit import file_util

_HERE = Path(__file__).parent
_FIRST_SCRIPT = "<script>"
_WHERE = 'window.__streamlit = { BACKEND_BASE_URL: new URL(".", window.location.href).href }'


class _PageName(Convertor[str]):
    """One segment that is no file's name and none of Streamlit's own paths."""

    regex = "(?!oauth2callback$)[^/.]+"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("page", _PageName())


def document_routes(base: str) -> list[Route]:
    """``base``: the path the server is under, or nothing."""
    routes = [Route(f"{base}/", _document), Route(f"{base}/{{name:page}}", _document)]
    if base:

        async def to_start(request: Request) -> Response:
            query = f"?{request.url.query}" if request.url.query else ""
            return RedirectResponse(f"{base}/{query}", 302)

        routes += [Route(base, to_start), Route("/", to_start)]
    return routes


@cache
def _text() -> str:
    text = (Path(file_util.get_static_dir()) / "index.html").read_text(encoding="utf-8")
    ours = (
        f"<style>{(_HERE / 'document.css').read_text('utf-8')}</style>\n"
        f"<script>{_WHERE}</script>\n<script>{(_HERE / 'document.js').read_text('utf-8')}</script>\n"
    )
    return text.replace(_FIRST_SCRIPT, f"{ours}    {_FIRST_SCRIPT}", 1)


async def _document(request: Request) -> Response:
    return HTMLResponse(_text(), headers={"Cache-Control": "no-cache"})
