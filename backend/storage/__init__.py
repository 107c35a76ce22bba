"""Files that are never half there: written beside their place and renamed, locked while somebody works on them.

    with building(place) as folder: ...        # becomes ``place`` when the block ends well
    write_json(path, data); read_json(path)
    lock = FileLock(path); lock.acquire()

A full disk is one error, ``NoSpace``; leftovers of a dead process are swept by ``clear_leftovers``.
"""

from ._atomic import (
    building,
    clear_leftovers,
    discard,
    is_leftover,
    raise_if_full,
    read_json,
    remove_tree,
    temporary,
    write_json,
)
from ._locks import FileLock

__all__ = [
    "FileLock",
    "building",
    "clear_leftovers",
    "discard",
    "is_leftover",
    "raise_if_full",
    "read_json",
    "remove_tree",
    "temporary",
    "write_json",
]
