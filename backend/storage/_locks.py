"""A lock on a file that dies with its process: who holds it is alive.

    lock = FileLock(path)
    if lock.acquire(): ... lock.release()

Works between processes and between two locks of one process (``flock``), on Linux and macOS.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


class FileLock:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def acquire(self, note: str = "") -> bool:
        """Take the lock without waiting; False where another holds it. ``note`` is left for them to read."""
        assert self._descriptor is None, "already held"
        self._path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                return False
            if self._is_in_place(descriptor):
                break
            os.close(descriptor)  # it was removed just before we took it
        os.truncate(descriptor, 0)
        os.write(descriptor, note.encode())
        self._descriptor = descriptor
        return True

    def _is_in_place(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), self._path.stat())
        except FileNotFoundError:
            return False

    def remove(self) -> None:
        """Let go of the lock, which is ours, and leave no file."""
        assert self._descriptor is not None, "not held"
        self._path.unlink(missing_ok=True)
        self.release()

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)  # closing lets go; the file stays
            self._descriptor = None

    def read_note(self) -> str:
        """What the holder left."""
        try:
            return self._path.read_text(errors="replace")
        except OSError:
            return ""

    @property
    def held_by_someone(self) -> bool:
        """Whether this or any other lock holds the file."""
        if self._descriptor is not None:
            return True
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(
                descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB
            )  # shared: two who look do not block each other
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False
