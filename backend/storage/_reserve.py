"""Disk space that is held for what will be written later: a file of that size, removed just before.

    reserve = Reserve(run_dir); reserve.hold(40_000_000, "the model of this run")     # NoSpace where it does not fit
    with reserve.lent(): save(model)                                                  # and held again afterwards
    reserve.release()

Its file has a temporary name, so what a dead process held is swept like everything else that it left.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import NoSpace
from ._atomic import remove_tree, temporary
from ._full import free_bytes, is_full, need_space

_BLOCK = bytes(1 << 20)
_CANNOT = (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS)  # of file systems that allocate only what is written


class Reserve:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path: Path | None = None
        self._held = 0
        self._what = ""

    @property
    def available(self) -> int:
        """Bytes that can be written now by the one who holds this."""
        return free_bytes(self._folder) + self._held

    def hold(self, size: int, what: str) -> None:
        """Hold ``size`` bytes instead of what was held before.

        Raises
        ------
        NoSpace
            They are not there; nothing is held then.
        """
        self.release()
        self._what = what
        need_space(self._folder, size, what)
        path = temporary(self._folder, ".reserve")
        try:
            _allocate(path, size)
        except OSError as error:
            remove_tree(path)
            if not is_full(error):
                raise
            need_space(self._folder, size, what, spare=1)  # which says how much is missing, if that is known
            raise NoSpace(f"The disk of {self._folder} has no room for {what}.") from error
        self._path, self._held = path, size

    def release(self) -> None:
        if self._path is not None:
            remove_tree(self._path)
        self._path, self._held = None, 0

    @contextmanager
    def lent(self, *, size: int | None = None) -> Iterator[None]:
        """Let the space be written to within the block; then hold ``size`` bytes, as many as before by default.

        Where others took it meanwhile nothing is held any more.
        """
        again = self._held if size is None else size
        self.release()
        try:
            yield
        finally:
            try:
                self.hold(again, self._what)
            except (NoSpace, OSError):
                self.release()


def _allocate(path: Path, size: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        if hasattr(os, "posix_fallocate"):  # not on macOS
            try:
                os.posix_fallocate(descriptor, 0, max(1, size))
                return
            except OSError as error:
                if error.errno not in _CANNOT:
                    raise
        for start in range(0, size, len(_BLOCK)):
            os.write(descriptor, _BLOCK[: size - start])
    finally:
        os.close(descriptor)
