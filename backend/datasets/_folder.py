"""Files in the folders that may be opened, and files that the user of this computer names.

No path leads out of the folders, symbolic links included. What is no file that can be read is a sentence: what is at
that place, and what to do.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from ..errors import BadFile, BadInput, NotAllowed, NotFound
from ..words import count, visible

WANTED = "Bring an .h5ad file (AnnData) or a 10x Genomics .h5 file."
FROM_MTX = (
    'In Python, scanpy.read_10x_mtx("folder").write_h5ad("data.h5ad") makes one file of the three; or bring the .h5 '
    "file that Cell Ranger writes beside that folder."
)
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
        if os.path.lexists(root / wanted):
            return _inside(root / wanted, roots)
    raise NotFound(f"There is no file {_shown(wanted.name)} in the folders that may be opened.")


def named_file(path: str | Path) -> Path:
    """The real place of a file that the user of this computer names.

    Raises
    ------
    NotFound, BadInput, BadFile
        There is no such file, or what is there is something else.
    """
    if "\0" in str(path):
        raise BadInput("This is not the name of a file.")
    try:
        file = Path(path).expanduser()
    except RuntimeError:  # ~somebody
        user = Path(path).parts[0].removeprefix("~")
        raise NotFound(
            f"There is no user {_shown(user)} on this computer, so no file {_shown(path)}."
        ) from None
    try:
        mode = file.stat().st_mode
    except OSError as error:
        raise _not_there(file, error) from None
    if stat.S_ISDIR(mode):
        check_folder(file)
    if not stat.S_ISREG(mode):
        raise BadFile(f"{_shown(file)} is {_KINDS.get(stat.S_IFMT(mode), 'not a file')}, not a file.")
    if not os.access(file, os.R_OK):
        raise _forbidden(file)
    return file.resolve(strict=True)


def check_folder(path: Path) -> NoReturn:
    """Say what a folder is and how to make one file of it."""
    try:
        names = {entry.name for entry in os.scandir(path)}
    except OSError as error:
        raise BadFile(f"The folder {path.name} cannot be read: {error.strerror or error}.") from None
    if names & {".zgroup", ".zattrs", ".zmetadata", "zarr.json"}:
        raise BadFile(
            f"{path.name} is a Zarr folder, not a file. In Python, "
            'anndata.read_zarr("folder").write_h5ad("data.h5ad") makes one file of it; bring that.'
        )
    if names & {"matrix.mtx", "matrix.mtx.gz"}:
        raise BadFile(
            f"{path.name} is a folder with a Matrix Market set (matrix.mtx and its lists). {FROM_MTX}"
        )
    inside = sorted(name for name in names if name.lower().endswith(_ENDINGS))
    if inside:
        some = ", ".join(inside[:3]) + (", …" if len(inside) > 3 else "")
        raise BadFile(f"{path.name} is a folder, not a file. Bring a file in it: {some}.")
    raise BadFile(f"{path.name} is a folder, not a file. {WANTED}")


_KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
_SHOWN = 300  # characters of a path


def _not_there(file: Path, error: OSError) -> BadInput | NotFound:
    if error.errno == errno.ELOOP:
        return BadInput(f"{_shown(file)} is a link that leads back to itself. Make the link anew.")
    if error.errno == errno.ENAMETOOLONG:
        length = f"{count(len(str(file)))} characters"
        return BadInput(
            f"This path, or a name in it, is longer than a file system allows ({length}): {_shown(file)}."
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return _forbidden(file)
    if os.path.lexists(file):
        target = _shown(os.readlink(file))
        return NotFound(f"{_shown(file)} is a link to {target}, and there is no file. Make the link anew.")
    return NotFound(f"There is no file {_shown(file)}.")


def _forbidden(file: Path) -> BadInput:
    return BadInput(
        f"The file {_shown(file)} may not be read by this user. Change its permissions, or copy it."
    )


def _shown(path: str | Path) -> str:
    text = visible(str(path))
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _inside(path: Path, roots: Sequence[Path]) -> Path:
    try:
        real = path.resolve(strict=True)
    except (OSError, RuntimeError):  # missing, or links in a circle
        real = None
    if real is None or not any(real.is_relative_to(root.resolve()) for root in roots):
        # the same answer for both, so that nobody can ask which files exist elsewhere
        places = ", ".join(str(root) for root in roots)
        raise NotAllowed(f"Only existing files in {places} may be opened. Move the file there, or upload it.")
    if real.is_dir():
        check_folder(real)
    if not real.is_file():
        raise NotFound(f"{_shown(path.name)} is not a file.")
    return real


def _walk(root: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(root):  # does not follow links to folders
        depth = len(Path(folder).relative_to(root).parts)
        folders[:] = sorted(name for name in folders if not name.startswith(".")) if depth < _DEEPEST else []
        for name in sorted(files):
            if name.lower().endswith(_ENDINGS) and not name.startswith("."):
                yield Path(folder) / name
