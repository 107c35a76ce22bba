"""Writing so that a reader, another process or a crash never sees half of it.

Everything is built under a temporary name beside its place and renamed. A temporary name carries the process
that owns it, so that the leftovers of a dead process can be told from the work of a live one.
"""

from __future__ import annotations

import errno
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import psutil

from ..errors import NoSpace

_OWNED = re.compile(r"^\.tmp-(\d+)\.(\d+)-")
_CLOCK_SLACK = 2  # seconds; a process's start time is rounded and follows adjustments of the clock


@cache
def _owner(pid: int) -> str:
    return f"{pid}.{int(psutil.Process(pid).create_time())}"


def temporary(folder: Path, suffix: str = "") -> Path:
    """A fresh name in ``folder`` that says which process it belongs to. Nothing is created."""
    return folder / f".tmp-{_owner(os.getpid())}-{secrets.token_hex(6)}{suffix}"


def is_leftover(name: str) -> bool:
    """Whether ``name`` is a temporary name of a process that no longer lives."""
    match = _OWNED.match(name)
    if match is None:
        return False
    try:
        process = psutil.Process(int(match[1]))
        started = process.create_time()
        if process.status() == psutil.STATUS_ZOMBIE:  # dead, and only not yet taken note of by its parent
            return True
    except psutil.NoSuchProcess:
        return True
    except psutil.Error:
        return False
    return abs(started - int(match[2])) > _CLOCK_SLACK


def clear_leftovers(folder: Path) -> None:
    for path in folder.iterdir() if folder.is_dir() else ():
        if is_leftover(path.name):
            remove_tree(path)


def remove_tree(path: Path) -> None:
    """Remove a file or folder; whatever cannot be removed now is left for a later start."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def discard(path: Path) -> None:
    """Make ``path`` vanish at once for every reader, then remove what it held."""
    gone = temporary(path.parent)
    with suppress(FileNotFoundError):
        path.rename(gone)
    remove_tree(gone)


def write_json(path: Path, data: dict[str, Any]) -> None:
    beside = temporary(path.parent, ".json")
    try:
        beside.write_text(json.dumps(data, indent=1), encoding="utf-8")
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in ``path``, or None where there is no readable one."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return data if isinstance(data, dict) else None


def raise_if_full(error: OSError) -> None:
    """Say a full disk in a sentence. HDF5 reports one as a plain error with the reason in its text."""
    if error.errno == errno.ENOSPC or "No space left" in str(error):
        raise NoSpace(
            "The disk is full. Free some space or remove data sets you no longer need, then try again."
        ) from error


@contextmanager
def building(place: Path) -> Iterator[Path]:
    """A folder to fill that becomes ``place`` when the block ends well and disappears otherwise.

    Where ``place`` came into being meanwhile, that one stays: both were made from the same request.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    folder = temporary(place.parent)
    folder.mkdir()
    try:
        yield folder
        try:
            folder.rename(place)
        except OSError:
            if not place.exists():
                raise
    except OSError as error:
        raise_if_full(error)
        raise
    finally:
        remove_tree(folder)
