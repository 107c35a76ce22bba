"""Writing so that a reader, another process, a crash or a power cut never leaves half of it.

Everything is written under a temporary name beside its place, flushed to the disk and renamed. A temporary
name carries the machine and the process that owns it, so that what the dead left is told from live work.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import socket
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from ._full import on_full_disk

if TYPE_CHECKING:
    import numpy.typing as npt

_OWNED = re.compile(r"^\.tmp-(\d+)\.(\d+)\.([0-9a-f]{8})-")
# What versions before wrote: nobody alive uses such a name.
_UNOWNED = re.compile(
    r"^\.(tmp|old)-[0-9a-f]{32}(\.\w+)?$|^\..+\.[0-9a-f]{32}\.tmp$|^before\.tmp$|^\.removed-"
)
_CLOCK_SLACK = 2  # seconds; a process's start time is rounded and follows adjustments of the clock
_FOREIGN_LIFE = 2 * 86400.0  # seconds after which work of another machine, which cannot be asked, is given up


@cache
def _owner(pid: int) -> str:
    return f"{pid}.{int(psutil.Process(pid).create_time())}.{_machine()}"


@cache
def _machine() -> str:
    """Eight hexadecimal digits for this host or container."""
    return f"{zlib.crc32(socket.gethostname().encode()):08x}"


def temporary(folder: Path, suffix: str = "") -> Path:
    """A fresh name in ``folder`` that says which process it belongs to. Nothing is created."""
    return folder / f".tmp-{_owner(os.getpid())}-{secrets.token_hex(6)}{suffix}"


# --- one file -----------------------------------------------------------------------------------------


@contextmanager
def replacing(
    place: Path, what: str = "", *, durable: bool = True, needed: int | None = None
) -> Iterator[Path]:
    """A path to write, which becomes ``place`` when the block ends well and disappears otherwise.

    Parameters
    ----------
    what
        Named where the disk is full: "the model".
    durable
        Flush to the disk before renaming. Without, a power cut may leave an empty file: for what is quickly
        made again.
    needed
        Bytes that will be written, where that is known.
    """
    beside = temporary(place.parent, place.suffix)  # some libraries choose the format by the suffix
    try:
        # inside: whether the disk is full must be seen before the half is removed
        with on_full_disk(what or place.name, place.parent, needed):
            place.parent.mkdir(parents=True, exist_ok=True)
            yield beside
            if durable:
                _flush(beside)
            beside.replace(place)
            if durable:
                _flush(place.parent)
    finally:
        remove_tree(beside)


def write_text(place: Path, text: str, *, durable: bool = True) -> None:
    write_bytes(place, text.encode("utf-8"), durable=durable)


def write_bytes(place: Path, data: bytes, *, durable: bool = True) -> None:
    with replacing(place, durable=durable, needed=len(data)) as beside:
        beside.write_bytes(data)


def write_json(place: Path, data: object, *, durable: bool = True) -> None:
    write_text(place, json.dumps(data), durable=durable)


def write_array(place: Path, values: npt.NDArray[Any], *, durable: bool = True) -> None:
    """An ``.npy`` of any shape and plain dtype."""
    import numpy as np

    with replacing(place, durable=durable, needed=values.nbytes) as beside:
        np.save(beside, values, allow_pickle=False)


def write_arrays(place: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """An ``.npz`` of plain arrays."""
    import numpy as np

    with replacing(place) as beside:
        np.savez(beside, allow_pickle=False, **arrays)


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in ``path``, or None where there is no readable one."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return data if isinstance(data, dict) else None


# --- a folder -----------------------------------------------------------------------------------------


@contextmanager
def building(
    place: Path, what: str = "", *, replace: bool = False, needed: int | None = None
) -> Iterator[Path]:
    """A folder to fill that becomes ``place`` when the block ends well and disappears otherwise.

    Where ``place`` is there already it stays, since both were made from the same request; with ``replace`` the
    new one takes its place.
    """
    folder = temporary(place.parent)
    try:
        with on_full_disk(what or place.name, place.parent, needed):
            folder.mkdir(parents=True)
            yield folder
            _flush_tree(folder)
            if replace:
                _exchange(folder, place)
            else:
                try:
                    folder.rename(place)
                except OSError:
                    if not place.exists():
                        raise
            _flush(place.parent)
    finally:
        remove_tree(folder)


def _exchange(folder: Path, place: Path) -> None:
    """Put ``folder`` in the place of what is there, which comes back when that fails."""
    old = temporary(place.parent)
    with suppress(FileNotFoundError):
        place.rename(old)
    try:
        folder.rename(place)
    except OSError:
        with suppress(OSError):
            old.rename(place)
        raise
    remove_tree(old)


def discard(path: Path) -> None:
    """Make ``path`` vanish at once for every reader, then remove what it held. Maps of its files stay valid."""
    gone = temporary(path.parent)
    with suppress(FileNotFoundError):
        path.rename(gone)
    remove_tree(gone)


def remove_tree(path: Path) -> None:
    """Remove a file or folder; whatever cannot be removed now is left for a later start."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink(missing_ok=True)


# --- what the dead left -------------------------------------------------------------------------------


def is_leftover(path: Path) -> bool:
    """Whether ``path`` has a temporary name, and the process that it belongs to no longer lives."""
    match = _OWNED.match(path.name)
    if match is None:
        return _UNOWNED.match(path.name) is not None
    pid, started_at, machine = int(match[1]), int(match[2]), match[3]
    if machine != _machine():
        with suppress(OSError):
            return time.time() - path.lstat().st_mtime > _FOREIGN_LIFE
        return False
    try:
        process = psutil.Process(pid)
        started = process.create_time()
        if process.status() == psutil.STATUS_ZOMBIE:  # dead, and only not yet taken note of by its parent
            return True
    except psutil.NoSuchProcess:
        return True
    except psutil.Error:
        return False
    return bool(abs(started - started_at) > _CLOCK_SLACK)


def clear_leftovers(folder: Path, *, depth: int = 0) -> None:
    """Remove what dead processes left half written in ``folder`` and ``depth`` levels of folders below it."""
    try:
        with os.scandir(folder) as entries:
            found = [(Path(entry.path), entry.is_dir(follow_symlinks=False)) for entry in entries]
    except OSError:  # gone meanwhile, or no folder
        return
    for path, is_folder in found:
        if is_leftover(path):
            remove_tree(path)
        elif is_folder and depth:
            clear_leftovers(path, depth=depth - 1)


# --- the disk -----------------------------------------------------------------------------------------


def _flush_tree(folder: Path) -> None:
    for path in folder.rglob("*"):
        _flush(path)
    _flush(folder)


def _flush(path: Path) -> None:
    """Have the disk hold ``path`` (a file or a folder) before anything is said about it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError:
        if not path.is_dir():  # some network file systems cannot flush a folder
            raise
    finally:
        os.close(descriptor)
