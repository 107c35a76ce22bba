"""Files in the folders that may be opened. No path leads out of them, symbolic links included."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import NotAllowed, NotFound

_ENDINGS = (".h5ad", ".h5", ".hdf5")
_DEEPEST = 6
_MOST = 2_000  # files listed; whoever has more knows the name


@dataclass(frozen=True, slots=True)
class FolderFile:
    """A file that may be opened. ``path`` is relative to ``root`` and is what people see."""

    path: str
    size: int
    modified: float
    root: str

    @property
    def location(self) -> Path:
        """What to give to ``open_local``."""
        return Path(self.root) / self.path


def browse(roots: Sequence[Path]) -> list[FolderFile]:
    """Data files in ``roots`` and the folders below, by name. Links that lead outside are left out."""
    found = []
    for root in roots:
        for path in _walk(root):
            try:
                status = _inside(path, roots).stat()
            except (OSError, NotAllowed, NotFound):
                continue
            found.append(FolderFile(str(path.relative_to(root)), status.st_size, status.st_mtime, str(root)))
            if len(found) >= _MOST:
                break
    return sorted(found, key=lambda file: (file.root, file.path.lower()))


def allowed_file(path: str | Path, roots: Sequence[Path]) -> Path:
    """The real place of ``path``, which must be a file inside one of ``roots``; relative paths start there.

    Raises
    ------
    NotAllowed
        It is elsewhere, or only looks as if it were inside.
    NotFound
        It is not there.
    """
    if "\0" in str(path):
        raise NotAllowed("This is not the name of a file.")
    wanted = Path(path)
    if wanted.is_absolute():
        return _inside(wanted, roots)
    for root in roots:
        if (root / wanted).exists():
            return _inside(root / wanted, roots)
    raise NotFound(f"There is no file {wanted.name} in the folders that may be opened.")


def _inside(path: Path, roots: Sequence[Path]) -> Path:
    try:
        real = path.resolve(strict=True)
    except (OSError, RuntimeError):  # missing, or links in a circle
        real = None
    if real is None or not any(real.is_relative_to(root.resolve()) for root in roots):
        # the same answer for both, so that nobody can ask which files exist elsewhere
        places = ", ".join(str(root) for root in roots)
        raise NotAllowed(f"Only existing files in {places} may be opened. Move the file there, or upload it.")
    if not real.is_file():
        raise NotFound(f"{path.name} is not a file.")
    return real


def _walk(root: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(root):  # does not follow links to folders
        depth = len(Path(folder).relative_to(root).parts)
        folders[:] = sorted(name for name in folders if not name.startswith(".")) if depth < _DEEPEST else []
        for name in sorted(files):
            if name.lower().endswith(_ENDINGS) and not name.startswith("."):
                yield Path(folder) / name
