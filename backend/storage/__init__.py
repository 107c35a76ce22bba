"""Files that are never half there: written beside their place, flushed and renamed; locked while worked on.

    write_json(place, data); write_array(place, values)      # also write_text, write_bytes, write_arrays
    with replacing(place, "the table") as path: ...          # let a library write ``path``
    with building(place, "the model") as folder: ...         # a whole folder
    lock = FileLock(path); lock.acquire()

A full disk is one error, ``NoSpace``; ``Reserve`` holds space for later. ``clear_leftovers`` removes what dead
processes left. ``open_brought`` opens an HDF5 file of somebody else's.
"""

from ._atomic import (
    building,
    clear_leftovers,
    discard,
    is_leftover,
    read_json,
    remove_tree,
    replacing,
    temporary,
    write_array,
    write_arrays,
    write_bytes,
    write_json,
    write_text,
)
from ._brought import is_elsewhere, open_brought, shows_others
from ._full import SPARE, free_bytes, is_full, need_space, no_space, on_full_disk
from ._locks import FileLock, ensure_locks
from ._reserve import Reserve

__all__ = [
    "SPARE",
    "FileLock",
    "Reserve",
    "building",
    "clear_leftovers",
    "discard",
    "ensure_locks",
    "free_bytes",
    "is_elsewhere",
    "is_full",
    "is_leftover",
    "need_space",
    "no_space",
    "on_full_disk",
    "open_brought",
    "read_json",
    "remove_tree",
    "replacing",
    "shows_others",
    "temporary",
    "write_array",
    "write_arrays",
    "write_bytes",
    "write_json",
    "write_text",
]
