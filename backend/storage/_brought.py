"""An HDF5 file that somebody brought, without what it shows of other files.

    with open_brought(path) as h5: ...       # h5["obs/x"] is a KeyError where it was kept in another file
    is_elsewhere(h5["obs"], "x")             # True there

HDF5 can show the content of any file of this computer as its own, by external links, external storage and virtual
data sets: somebody's upload must not show ours. Nothing of it is opened. A file that has some is read through another,
small one, whose groups are copies and whose data sets are links to those of the file itself.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import h5py

# The options of h5py.File have no one type: ``Any``.

_NOWHERE = "/kept in another file"
_DEEPEST = 64
_UNHANDLED = (
    TypeError,
    ValueError,
    OSError,
    RuntimeError,
    KeyError,
)  # names and objects that h5py cannot handle


def open_brought(path: str | Path, **options: Any) -> h5py.File:
    """Open for reading; network folders often know no locks, and reading needs none. Raises what ``h5py.File`` does."""
    import h5py

    brought = h5py.File(path, "r", locking="best-effort", **options)
    try:
        if not shows_others(brought):
            return brought
        descriptor, name = tempfile.mkstemp(suffix=".h5")
        os.close(descriptor)
        try:
            with h5py.File(name, "w") as made:
                _mirror(brought, made, str(Path(path).absolute()), {})
            seen = h5py.File(name, "r", locking="best-effort", **options)
        finally:
            os.unlink(name)  # it stays open
    except BaseException:
        brought.close()
        raise
    brought.close()
    return seen


def shows_others(h5: h5py.File) -> bool:
    """Whether any part of a file is kept in another one."""
    import h5py

    links, others = h5.id.links, (h5py.h5l.TYPE_HARD, h5py.h5l.TYPE_SOFT)

    def by_link(name: bytes) -> bytes | None:  # as bytes: names need not be UTF-8
        return name if links.get_info(name).type not in others else None

    def by_storage(name: str, node: object) -> str | None:
        return name if isinstance(node, h5py.Dataset) and _is_stored_elsewhere(node) else None

    return bool(links.visit(by_link) or h5.visititems(by_storage))


def is_elsewhere(group: h5py.Group, name: str) -> bool:
    """Whether that part of an opened file is kept in another one, or lies within such a part."""
    import h5py

    node: Any = group
    for part in name.split("/"):
        try:
            link = node.get(part, getlink=True)
            if isinstance(link, h5py.SoftLink) and link.path == _NOWHERE:
                return True
            node = node.get(part)
        except (KeyError, TypeError, RuntimeError, ValueError, OSError):
            return False
        if not isinstance(node, h5py.Group):
            return False
    return False


def _is_stored_elsewhere(node: h5py.Dataset) -> bool:
    return bool(node.external or node.is_virtual)


def _mirror(old: h5py.Group, new: h5py.Group, path: str, made: dict[int, h5py.Group], depth: int = 0) -> None:
    """``made``: the groups copied so far by their address, since a group may have several names."""
    import h5py

    made[h5py.h5o.get_info(old.id).addr] = new
    for name, value in old.attrs.items():
        with suppress(*_UNHANDLED):
            new.attrs[name] = value
    for name in old:
        try:
            found = _found(old, name, path)
            if not isinstance(found, h5py.Group):
                new[name] = found
                continue
        except _UNHANDLED:
            with suppress(*_UNHANDLED):
                new[name] = h5py.SoftLink("/cannot be read")
            continue
        group = made.get(h5py.h5o.get_info(found.id).addr)
        if group is not None:
            new[name] = group
        elif depth < _DEEPEST:
            _mirror(found, new.create_group(name), path, made, depth + 1)


def _found(old: h5py.Group, name: str, path: str) -> h5py.SoftLink | h5py.ExternalLink | h5py.Group:
    """What is to stand at ``name`` of the copy; a group is to be copied."""
    import h5py

    kind = old.id.links.get_info(name.encode("utf-8", "surrogateescape")).type
    if kind == h5py.h5l.TYPE_SOFT:  # leads to where it did, within the copy
        return h5py.SoftLink(old.get(name, getlink=True).path)
    if kind != h5py.h5l.TYPE_HARD:
        return h5py.SoftLink(_NOWHERE)
    node = old[name]
    if isinstance(node, h5py.Group):
        return node
    if isinstance(node, h5py.Dataset) and _is_stored_elsewhere(node):
        return h5py.SoftLink(_NOWHERE)
    return h5py.ExternalLink(path, node.name)
