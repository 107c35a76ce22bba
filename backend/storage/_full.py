"""A full disk is one error, ``NoSpace``, however the library that wrote reports it.

with on_full_disk("the model", place): model.save(...)      # NoSpace("The disk is full: the model ...")
need_space(folder, 2_000_000_000, "this file")              # before anything is written
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import NoSpace
from ..words import file_size

SPARE = 500 * 1024**2  # bytes of disk that uploads and downloads leave alone
ALMOST_NOTHING = 32 * 1024**2  # bytes left on a disk that counts as full
# HDF5 puts the number of the error into its text; zip writers of torch only notice a position that is too low.
_SAID = ("No space left", "errno = 28", "Disk quota exceeded", "database or disk is full")
_HINTS = ("inline_container", "unexpected pos", "file write failed", "requested and 0 written")


def free_bytes(folder: Path) -> int:
    """What is left on the disk of ``folder``, or of the nearest parent that is there."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free


def is_full(error: BaseException, place: Path | None = None) -> bool:
    """Whether ``error`` is a full disk.

    Some libraries report one as something else. Their words count where the disk of ``place`` has next to
    nothing left.
    """
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, NoSpace) or getattr(seen, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
            return True
        text = str(seen)
        if any(words in text for words in _SAID):
            return True
        if place is not None and any(words in text for words in _HINTS):
            return free_bytes(place) < ALMOST_NOTHING
        seen = seen.__cause__
    return False


@contextmanager
def on_full_disk(what: str, place: Path, needed: int | None = None) -> Iterator[None]:
    """Say in one sentence that ``what`` does not fit on the disk of ``place``.

    Parameters
    ----------
    needed
        Bytes that the whole takes, where that is known.
    """
    try:
        yield
    except NoSpace:
        raise
    except Exception as error:
        if not is_full(error, place):
            raise
        raise no_space(what, place, needed) from error


def no_space(what: str, place: Path, needed: int | None = None) -> NoSpace:
    """The error that says so, with the bytes that are missing where ``needed`` is known."""
    try:
        free = free_bytes(place)
    except OSError:
        free = 0
    missing = None if needed is None else max(0, needed - free)
    more = "some space" if not missing else f"at least {file_size(missing)}"
    return NoSpace(
        f"The disk is full: there is no room for {what} in {place}. Free {more}, for example by removing "
        "data sets you no longer need, then try again.",
        missing=missing,
    )


def need_space(place: Path, needed: int, what: str, *, spare: int = 0) -> None:
    """Refuse to begin what the disk of ``place`` cannot hold with ``spare`` bytes left over."""
    free = free_bytes(place)
    missing = needed + spare - free
    if missing > 0:
        raise NoSpace(
            f"The disk of {place} has {file_size(free)} left, and {what} needs {file_size(needed + spare)}. Free at "
            f"least {file_size(missing)}, for example by removing data sets you no longer need, then try again.",
            missing=missing,
        )
