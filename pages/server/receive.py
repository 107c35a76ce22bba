"""Take a request's body straight to a file, hashing it on the way, in a few megabytes of memory.

    received = await receive_to_file(request.stream(), path, limit=…)   # Received(size, sha256)

The file is removed unless it arrived whole: a broken or silent connection, a full disk, too many bytes.
Knows nothing of data sets and nothing of HTTP.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

import anyio
import anyio.to_thread

from backend.errors import BadInput, StudioError
from backend.storage import is_full, no_space
from backend.words import file_size

BLOCK = 4 * 1024**2  # bytes gathered before a worker thread writes them
SILENCE = 120.0  # seconds without a byte after which the sender counts as gone


class TooLarge(BadInput):
    """More bytes than this server takes."""

    code = "too_large"


class Interrupted(StudioError):
    """The sender fell silent or sent less than it said."""

    code = "interrupted"


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
        file = await anyio.to_thread.run_sync(path.open, "wb")
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
            raise Interrupted(f"Only {size:,} of {expected:,} bytes arrived. Please upload the file again.")
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
