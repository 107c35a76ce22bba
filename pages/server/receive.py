"""Files in: a data set or a bundle of runs, straight to disk, hashed on the way, in a few megabytes of memory.

    received = await receive_to_file(request.stream(), path, limit=…)   # Received(size, sha256)

The file is removed unless it arrived whole: a broken or silent connection, a full disk, too many bytes. A client's
file name is shown and never used as a path.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import re
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

import anyio
import anyio.to_thread
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from backend.errors import BadInput, StudioError
from backend.services import Services, current
from backend.storage import is_full, no_space
from backend.words import count, counted, file_size
from pages.server.access import refusal
from pages.server.transfers import UNEXPECTED, Interrupted, TooLarge, as_transfer, status_of

log = logging.getLogger(__name__)

SUFFIXES = (".h5ad", ".h5", ".hdf5")
BUNDLE_LIMIT = 4_000_000_000  # bytes; without models bundles are small
BLOCK = 4 * 1024**2  # bytes gathered before a worker thread writes them
SILENCE = 120.0  # seconds without a byte after which the sender counts as gone
_Take = Callable[[Request, Services], Coroutine[None, None, Response]]


async def upload_check(request: Request) -> Response:
    if reason := refusal(request):
        return JSONResponse({"error": reason}, 403)
    try:
        size = _size(request.query_params.get("size"))
        await _admit(current(), request.query_params.get("name", ""), size)
    except StudioError as error:
        return JSONResponse({"error": str(error)}, status_of(error))
    return JSONResponse({"ok": True})


async def upload(request: Request) -> Response:
    return await _receive(request, _take)


async def take_bundle(request: Request) -> Response:
    return await _receive(request, _take_bundle)


async def _receive(request: Request, take: _Take) -> Response:
    if reason := refusal(request):
        return JSONResponse({"error": reason}, 403)
    try:
        return await as_transfer(take(request, current()))
    except StudioError as error:
        return JSONResponse({"error": str(error)}, status_of(error))
    except ClientDisconnect:
        log.info("An upload was broken off by the browser; what had arrived was removed.")
        return Response(status_code=400)
    except asyncio.CancelledError:
        if (task := asyncio.current_task()) and task.cancelling():
            raise  # this request itself is being ended, not only its transfer
        return JSONResponse({"error": "The server was stopped. Please upload again once it runs."}, 503)
    except Exception:
        log.exception("An upload failed")
        return JSONResponse({"error": UNEXPECTED}, 500)


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
    """None where it is not said, or is no number that a size can be."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 20 else None


# --- any body into a file ---


class _Digest(Protocol):
    def update(self, data: bytes, /) -> None: ...


@dataclass(frozen=True, slots=True)
class Received:
    size: int
    sha256: str


async def receive_to_file(
    chunks: AsyncIterator[bytes],
    path: Path,
    *,
    limit: int,
    expected: int | None = None,
    silence: float = SILENCE,
) -> Received:
    """Write ``chunks`` to ``path``; on any failure, cancellation included, remove it and raise."""
    digest = hashlib.sha256()
    size = 0
    whole = False
    file: BinaryIO | None = None
    try:
        file = path.open("wb")  # not in a thread: one that is cancelled meanwhile would leave it open
        gathered: list[bytes] = []
        waiting = 0
        while True:
            try:
                with anyio.fail_after(silence):
                    chunk = await anext(chunks)
            except StopAsyncIteration:
                break
            except TimeoutError:
                raise Interrupted(
                    f"Nothing arrived for {silence:g} seconds; the upload was given up."
                ) from None
            size += len(chunk)
            if size > limit:
                raise TooLarge(too_large(limit))
            gathered.append(chunk)
            waiting += len(chunk)
            if waiting >= BLOCK:
                await anyio.to_thread.run_sync(_write, file, digest, gathered)
                gathered, waiting = [], 0
        await anyio.to_thread.run_sync(_write, file, digest, gathered)
        if expected is not None and size != expected:
            raise Interrupted(
                f"Only {count(size)} of {counted(expected, 'byte')} arrived. Please upload the file again."
            )
        whole = True
        return Received(size, digest.hexdigest())
    except OSError as error:
        if is_full(error):
            raise no_space("this upload", path.parent, expected and expected - size) from error
        raise
    finally:
        if file is not None:
            with contextlib.suppress(OSError):  # closing flushes what a full disk refused before
                file.close()
        if not whole:
            path.unlink(missing_ok=True)


def _write(file: BinaryIO, digest: _Digest, gathered: list[bytes]) -> None:
    block = b"".join(gathered)
    file.write(block)
    digest.update(block)
    file.flush()


def too_large(limit: int) -> str:
    return (
        f"This file is larger than the {file_size(limit)} that this server accepts as an upload. "
        "Put it into the server's data folder and choose “Open from folder”, "
        "or raise SCVI_STUDIO_MAX_UPLOAD_GB."
    )
