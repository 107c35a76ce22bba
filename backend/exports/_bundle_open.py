"""Open a bundle from a stranger: nothing is unpacked before the whole list of its contents was looked at.

    with OpenBundle(path) as bundle:
        bundle.names; bundle.json("bundle.json"); bundle.array("runs/x/latent.npy"); bundle.copy(name, target)

Refuses with ``BadFile``: what is no zip, paths that lead elsewhere, links, encryption, too many or too large
members, members that unpack to far more than they are, and any file that a bundle does not have.
"""

from __future__ import annotations

import io
import json
import re
import shutil
import stat
import zipfile
import zlib
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self

import numpy as np

from ..errors import BadFile
from ..storage import is_full, no_space
from ..words import file_size

MEGABYTE = 1024**2
MOST_MEMBERS = 5000
LARGEST_TOTAL = 8 * 1024 * MEGABYTE
LARGEST_RATIO = 200  # unpacked to packed; of histories and arrays it is below 20
SMALL = MEGABYTE  # below, the ratio says nothing
_ID = r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}"
_RESULT = r"[a-z_]{1,40}-[0-9a-f]{16}"
# every file a bundle may hold, and how large it may be
_ALLOWED = tuple(
    (re.compile(pattern), limit * MEGABYTE)
    for pattern, limit in (
        (r"bundle\.json", 1),
        (r"README\.txt", 1),
        (rf"runs/{_ID}/(record|dataset|labels)\.json", 1),
        (rf"runs/{_ID}/history\.(json|csv)", 256),
        (rf"runs/{_ID}/latent\.npy", 4096),
        (rf"runs/{_ID}/analysis/{_RESULT}/meta\.json", 16),
        (rf"runs/{_ID}/analysis/{_RESULT}/[a-z_0-9]{{1,40}}\.npy", 4096),
        (rf"runs/{_ID}/model/model\.pt", 8192),
    )
)
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError)


class OpenBundle:
    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> Self:
        try:
            self._archive = zipfile.ZipFile(self._path)
        except _BROKEN:
            _refuse("It is not a zip archive, or its end is missing. Copy or download it again")
        try:
            self.names = self._looked_at()
        except BaseException:
            self._archive.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._archive.close()

    def json(self, name: str) -> Any:
        """A JSON document; NaN and infinity, which JSON does not know, are refused."""
        data = self._read(name)
        try:
            return json.loads(data.decode("utf-8"), parse_constant=_no_constant)
        except (ValueError, RecursionError):
            _refuse(f"{_shown(name)} in it is not proper JSON")

    def array(self, name: str) -> np.ndarray:
        """A plain array of finite numbers. Nothing is unpickled."""
        try:
            values = np.load(io.BytesIO(self._read(name)), allow_pickle=False)
        except (ValueError, EOFError, OSError, TypeError, SyntaxError, KeyError, MemoryError, OverflowError):
            _refuse(f"{_shown(name)} in it is not a plain array of numbers")
        if not isinstance(values, np.ndarray) or values.dtype.kind not in "fiub":
            _refuse(f"{_shown(name)} in it is not a plain array of numbers")
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            _refuse(f"{_shown(name)} in it holds values that are not numbers")
        return values

    def copy(self, name: str, target: Path) -> None:
        """Take a member out as it is, unopened."""
        try:
            with self._archive.open(name) as source, target.open("xb") as file:
                shutil.copyfileobj(source, file, MEGABYTE)
        except OSError as error:
            if is_full(error):
                raise no_space("the runs", target.parent) from None
            _refuse(f"{_shown(name)} in it is damaged. Copy or download the file again")
        except _BROKEN:
            _refuse(f"{_shown(name)} in it is damaged. Copy or download the file again")

    def _read(self, name: str) -> bytes:
        if name not in self.names:
            _refuse(f"{_shown(name)} is missing in it")
        try:
            return self._archive.read(name)  # never more than announced, and that was looked at
        except _BROKEN:
            _refuse(f"{_shown(name)} in it is damaged. Copy or download the file again")

    def _looked_at(self) -> frozenset[str]:
        members = self._archive.infolist()
        if len(members) > MOST_MEMBERS:
            _refuse(f"It holds {len(members):,} files; a bundle has at most {MOST_MEMBERS:,}")
        seen: set[str] = set()
        total = 0
        for member in members:
            self._look_at(member)
            if member.filename in seen:
                _refuse(f"It holds {_shown(member.filename)} twice")
            seen.add(member.filename)
            total += member.file_size
        if total > LARGEST_TOTAL:
            _refuse(f"Unpacked it would take {file_size(total)}, more than is accepted")
        return frozenset(seen)

    @staticmethod
    def _look_at(member: zipfile.ZipInfo) -> None:
        name = member.filename
        if name.startswith(("/", "\\")) or ".." in re.split(r"[\\/]", name) or "\0" in name or ":" in name:
            _refuse(f"It holds a file whose path leads elsewhere ({_shown(name)})")
        if stat.S_ISLNK(member.external_attr >> 16):
            _refuse(f"It holds a link instead of a file ({_shown(name)})")
        if member.flag_bits & 0x1:
            _refuse("It is encrypted")
        limit = next((limit for pattern, limit in _ALLOWED if pattern.fullmatch(name)), None)
        if limit is None:
            _refuse(f"It holds a file that does not belong into a bundle ({_shown(name)})")
        if member.file_size > limit:
            _refuse(f"{_shown(name)} in it is too large ({file_size(member.file_size)})")
        if member.file_size > SMALL and member.file_size > LARGEST_RATIO * max(1, member.compress_size):
            _refuse(f"{_shown(name)} in it unpacks to far more than it is")


def _no_constant(text: str) -> NoReturn:
    raise ValueError(text)


def _shown(name: str) -> str:
    """A name from inside, for a sentence: short and printable."""
    clean = "".join(char if char.isprintable() else "?" for char in name)
    return clean if len(clean) <= 80 else f"{clean[:40]}…{clean[-39:]}"


def _refuse(what: str) -> NoReturn:
    raise BadFile(f"This bundle of runs was not taken. {what}.")
