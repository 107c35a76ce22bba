"""Who does a piece of work: a lock on a file, held by one process and freed by the system when it dies."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


class JobLock:
    """An advisory lock on ``path``. The file stays, or two processes could lock different files."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle: int | None = None

    def acquire(self) -> bool:
        """Take the lock if nobody, in this process or another, holds it."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
            return False
        self._handle = handle
        return True

    def release(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def is_held(self) -> bool:
        """Whether somebody holds it at this moment."""
        if self._handle is not None:
            return True
        if not self._path.exists() or self.acquire():
            self.release()
            return False
        return True
