"""Transfers that a server told to stop breaks off, and what an error is over HTTP.

await as_transfer(work)         # ``abort_transfers`` ends it
JSONResponse({"error": str(error)}, status_of(error))
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TypeVar

from backend.errors import BadInput, Conflict, NoSpace, NotAllowed, NotFound, StudioError, Unexpected

T = TypeVar("T")


class TooLarge(BadInput):
    """More bytes than this server takes."""

    code = "too_large"


class Interrupted(StudioError):
    """The sender fell silent or sent less than it said."""

    code = "interrupted"


UNEXPECTED = "Something went wrong on the server; its log (server.log in the workspace) has the details."
_STATUS: dict[type[StudioError], int] = {
    TooLarge: 413,
    NoSpace: 507,
    NotAllowed: 403,
    NotFound: 404,
    Conflict: 409,
    BadInput: 400,
    Interrupted: 400,
    Unexpected: 500,
}
_running: set[asyncio.Task[object]] = set()


def status_of(error: StudioError) -> int:
    return next((status for kind, status in _STATUS.items() if isinstance(error, kind)), 400)


async def as_transfer(work: Coroutine[None, None, T]) -> T:
    """Run ``work`` so that ``abort_transfers`` can break it off."""
    task = asyncio.create_task(work)
    _running.add(task)
    try:
        return await task
    finally:
        _running.discard(task)


def abort_transfers() -> None:
    """Break off running uploads and downloads, so that a server told to stop does not wait for them."""
    for task in list(_running):
        task.cancel()
