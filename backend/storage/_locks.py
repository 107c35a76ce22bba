"""A lock on a file that dies with its process: who holds it is alive.

    lock = FileLock(path)
    if lock.acquire(): ... lock.release()

Works between processes and between two locks of one process (``flock``), on Linux and macOS. Where a network file
system has no ``flock``, Linux's open file description locks, which mean the same, take its place.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import tempfile
from contextlib import suppress
from pathlib import Path

import psutil

from ..errors import Unwritable

_NONE_HERE = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


def no_locks(path: Path) -> Unwritable:
    """The error where the file system of ``path`` has no locks that work."""
    place = path.absolute()
    kinds = {part.mountpoint: part.fstype for part in psutil.disk_partitions(all=True)}
    mounted = next((str(one) for one in (place, *place.parents) if str(one) in kinds), "/")
    return Unwritable(
        f"The file system of {path} ({kinds.get(mounted) or 'unknown'}, mounted at {mounted}) has no file locks, "
        "so two programs could damage a workspace there. Choose a folder on a local disk with "
        "SCVI_STUDIO_WORKSPACE, or have locks switched on (Lustre: mount with -o flock; NFS: run lockd)."
    )


def ensure_locks(folder: Path) -> None:
    """Raise ``Unwritable`` where ``folder`` has none of the locks that databases use (``fcntl``)."""
    # a disk that is full or read-only has its own sentences, later
    with suppress(OSError), tempfile.TemporaryFile(dir=folder) as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in _NONE_HERE:
                raise no_locks(folder) from error


def _lock(descriptor: int, path: Path, *, shared: bool = False) -> None:
    """Lock without waiting. Raises ``BlockingIOError`` where another holds it."""
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        return
    except OSError as error:
        if error.errno not in _NONE_HERE:
            raise
    kind = getattr(fcntl, "F_OFD_SETLK", None)
    if kind is None:
        raise no_locks(path.parent)
    asked = struct.pack("hh4xqqi4x", fcntl.F_RDLCK if shared else fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    try:
        fcntl.fcntl(descriptor, kind, asked)
    except OSError as error:
        if error.errno in (*_NONE_HERE, errno.EINVAL):
            raise no_locks(path.parent) from error
        raise


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
                _lock(descriptor, self._path)
            except BlockingIOError:
                os.close(descriptor)
                return False
            except BaseException:
                os.close(descriptor)
                raise
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
            _lock(descriptor, self._path, shared=True)  # two who look do not block each other
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False
