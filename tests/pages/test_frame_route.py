"""Pictures of the cells over HTTP: small, kept by the browser, and only for our own pages."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from types import SimpleNamespace
from urllib.parse import quote, urlsplit

import pytest
from starlette.requests import Request
from starlette.responses import Response

from backend import services
from backend.errors import NotFound
from pages.server.access import TOKEN
from pages.server.routes import frame_url
from pages.server.send import frame


class OnePicture:
    def values(self, run_id: str, name: str) -> bytes:
        if (run_id, name) != ("r 1", "000001-ab"):
            raise NotFound("This run has no such picture any more. Reload the page.")
        return b"\x00\x01" * 6


@pytest.fixture(autouse=True)
def pictures() -> Iterator[None]:
    before = services.install(SimpleNamespace(pictures=OnePicture()))  # type: ignore[arg-type]
    yield
    services.install(before)


def asked(address: str, **headers: str) -> Response:
    parts = urlsplit(address)
    *_, run_id, name = parts.path.split("/")
    told = {"host": "127.0.0.1:8501", **{key.replace("_", "-"): value for key, value in headers.items()}}
    scope = {
        "type": "http",
        "method": "GET",
        "path": parts.path,
        "query_string": parts.query.encode(),
        "headers": [(key.encode(), value.encode()) for key, value in told.items()],
        "path_params": {"run_id": run_id.replace("%20", " "), "name": name},
    }
    return asyncio.run(frame(Request(scope)))


def address(name: str = "000001-ab", run_id: str = "r 1") -> str:
    return frame_url(run_id, "{name}").replace("{name}", name)


def test_a_picture_comes_as_it_is_and_may_be_kept() -> None:
    answer = asked(address())
    assert answer.status_code == 200
    assert answer.body == b"\x00\x01" * 6
    assert "immutable" in answer.headers["cache-control"]
    assert quote("r 1") in address()


def test_a_picture_that_is_gone_is_a_sentence() -> None:
    answer = asked(address("gone"))
    assert answer.status_code == 404
    assert b"Reload the page" in bytes(answer.body)


def test_other_sites_get_nothing() -> None:  # their origin, and a foreign host, the gate refuses
    assert asked(address(), sec_fetch_site="cross-site").status_code == 403


def test_without_the_token_there_is_nothing() -> None:
    assert asked(address().replace(quote(TOKEN), "guess")).status_code == 403
