"""Runs as one small file that another computer can open: a zip of JSON, CSV and plain number arrays.

``bundle.json`` says which runs; of each: record and data set, every logged number with its time, the latent space, map
and clusters, and the model only when asked for. ``OpenBundle`` opens one from a stranger: nothing is unpacked before
the whole list of its contents was looked at. Refuses with ``BadFile``: what is no zip, paths that lead elsewhere,
links, encryption, too many or too large members, any file that a bundle does not have; and in its documents fields of
a wrong type, numbers beyond sense, texts of insane length. Unknown keys are left out: a newer version may have more.
"""

from __future__ import annotations

import io
import json
import math
import re
import shutil
import stat
import time
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Annotated, Any, NoReturn, Self, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from ..errors import BadFile, Conflict
from ..storage import is_full, no_space
from ..types import Message, MetricPoint, RunRecord
from ..words import count, counted, file_size, one_line
from ._csv import history
from ._export import Export, Run, Runs

# JSON of a stranger is ``Any`` until a message or msgspec has taken it.

FORMAT = "scvi-studio-bundle"
VERSION = 1
ANALYSES = {"umap": "xy", "leiden": "labels"}  # those that travel, and the array that each consists of
MOST_STEPS = 5000  # single minibatches of a run that travel; the curve looks the same
README = """\
Training runs of scVI Studio. Open this file there: page Runs, "Bring runs from another computer", or

    python -m backend import THIS.zip

Everything but a model (model.pt, only if it was asked for) is JSON, CSV and NumPy arrays without pickles.
"""


def _write(runs: Runs, path: Path, *, with_model: bool) -> None:
    over = [run for run in runs.each if run.record.status.is_over]
    if not over:
        raise Conflict("A bundle is made of runs that have ended, and none of these has yet.")
    group = runs.group
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        about = {
            "format": FORMAT,
            "version": VERSION,
            "made_at": time.time(),
            "runs": [run.run_id for run in over],
            "group": None if group is None else {"name": group.name, "kind": group.kind, "note": group.note},
        }
        _put(archive, "bundle.json", about)
        archive.writestr("README.txt", README)
        for run in over:
            _write_run(archive, run, with_model=with_model)


BUNDLE = Export[Runs]("bundle.zip", lambda runs, path: _write(runs, path, with_model=False))
BUNDLE_WITH_MODEL = Export[Runs](
    "bundle-with-model.zip", lambda runs, path: _write(runs, path, with_model=True)
)


def _write_run(archive: zipfile.ZipFile, run: Run, *, with_model: bool) -> None:
    inside, found = f"runs/{run.run_id}", run.found
    _put(archive, f"{inside}/record.json", _travelling(run.record).to_dict())
    if run.dataset is not None:
        _put(archive, f"{inside}/dataset.json", run.dataset.replace(path="", full_path="").to_dict())
    _put(archive, f"{inside}/history.json", _columns(run.points, _thin(run.steps)))
    archive.writestr(f"{inside}/history.csv", history(run))
    latent = run.folder / "latent.npy"
    if latent.is_file():
        archive.write(latent, f"{inside}/latent.npy")
    for file in found.files:
        kind, folder = file.parent.name.split("-")[0], file.parent
        if kind in ANALYSES:
            for name in ("meta.json", f"{ANALYSES[kind]}.npy"):
                archive.write(folder / name, f"{inside}/analysis/{folder.name}/{name}")
    if found.names:
        named = {"options": found.cluster_options, "names": list(found.names)}
        _put(archive, f"{inside}/labels.json", named)
    if with_model:
        for folder in (run.folder / "model", run.folder / "imported-model"):
            if (folder / "model.pt").is_file():
                archive.write(folder / "model.pt", f"{inside}/model/model.pt", zipfile.ZIP_STORED)


def _travelling(record: RunRecord) -> RunRecord:
    """Without what belongs to this workspace alone."""
    return record.replace(group_id="", position=0.0, requested="", phase="")


def _columns(points: Iterable[MetricPoint], steps: Iterable[MetricPoint]) -> dict[str, Any]:
    """Points by name, column by column; what is no number is null."""
    epochs: dict[str, dict[str, list[Any]]] = {}
    for point in points:
        into = epochs.setdefault(point.name, {"epoch": [], "value": [], "seconds": []})
        _push(into, epoch=point.epoch, value=_number(point.value), seconds=point.seconds)
    minibatches: dict[str, dict[str, list[Any]]] = {}
    for point in steps:
        into = minibatches.setdefault(point.name, {"epoch": [], "step": [], "value": [], "seconds": []})
        _push(into, epoch=point.epoch, step=point.step, value=_number(point.value), seconds=point.seconds)
    return {"epochs": epochs, "steps": minibatches}


def _push(into: dict[str, list[Any]], **values: Any) -> None:
    for name, value in values.items():
        into[name].append(value)


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _thin(steps: Sequence[MetricPoint]) -> Sequence[MetricPoint]:
    stride = math.ceil(len(steps) / MOST_STEPS) or 1
    return [*steps[:-1:stride], *steps[-1:]]


def _put(archive: zipfile.ZipFile, name: str, value: Any) -> None:
    archive.writestr(name, json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")))


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
        (rf"runs/{_ID}/latent\.npy", 1024),
        (rf"runs/{_ID}/analysis/{_RESULT}/meta\.json", 16),
        (rf"runs/{_ID}/analysis/{_RESULT}/[a-z_0-9]{{1,40}}\.npy", 1024),
        (rf"runs/{_ID}/model/model\.pt", 8192),
    )
)
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError)

_BROKEN_ARRAY = (*_BROKEN, TypeError, SyntaxError, KeyError, MemoryError, OverflowError)
LONGEST_TEXT = 4000
MOST_ENTRIES = 2000
MOST_POINTS = 5_000_000
MOST_SERIES = 200
_DEEPEST = 6
M = TypeVar("M", bound=Message)


class OpenBundle:
    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> Self:
        try:
            self._archive = zipfile.ZipFile(self._path)
        except _BROKEN:
            refuse("It is not a zip archive, or its end is missing. Copy or download it again")
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

    def message(self, name: str, kind: type[M]) -> M:
        """A document as the message it is to be."""
        where = name.rsplit("/", 1)[-1]
        data = _sane(self.json(name), where, 0)
        try:
            return kind.from_dict(data)
        except (ValueError, TypeError) as error:
            _unfit(where, error)

    def points(self, name: str) -> list[MetricPoint]:
        """The columns of a history as points."""
        return _points(self.json(name), name.rsplit("/", 1)[-1])

    def json(self, name: str) -> Any:
        """A JSON document; NaN and infinity, which JSON does not know, are refused."""
        data = self._read(name)
        try:
            return json.loads(data.decode("utf-8"), parse_constant=_no_constant)
        except (ValueError, RecursionError):
            refuse(f"{_shown(name)} in it is not proper JSON")

    def array(self, name: str, dtype: str, shape: tuple[int, ...]) -> npt.NDArray[np.number[Any]]:
        """A plain array of finite numbers, as announced. Its head is looked at first; nothing is unpickled."""
        try:
            with self._member(name) as file:
                version = np.lib.format.read_magic(file)
                read = (
                    np.lib.format.read_array_header_1_0
                    if version == (1, 0)
                    else np.lib.format.read_array_header_2_0
                )
                announced, _, kind = read(file)
        except _BROKEN_ARRAY:
            refuse(f"{_shown(name)} in it is not a plain array of numbers")
        if kind.hasobject:
            refuse(f"{_shown(name)} in it is not a plain array of numbers")
        if announced != shape or kind != np.dtype(dtype):
            refuse(f"{_shown(name)} in it does not fit its run")
        try:
            values: npt.NDArray[np.number[Any]] = np.load(io.BytesIO(self._read(name)), allow_pickle=False)
        except _BROKEN_ARRAY:
            refuse(f"{_shown(name)} in it is not a plain array of numbers")
        if not np.isfinite(values).all():
            refuse(f"{_shown(name)} in it holds values that are not numbers")
        return values

    def copy(self, name: str, target: Path) -> None:
        """Take a member out as it is, unopened."""
        try:
            with self._member(name) as source, target.open("xb") as file:
                shutil.copyfileobj(source, file, MEGABYTE)
        except _BROKEN as error:
            if is_full(error):
                raise no_space("the runs", target.parent) from None
            refuse(f"{_shown(name)} in it is damaged. Copy or download the file again")

    def _member(self, name: str) -> IO[bytes]:
        if name not in self.names:
            refuse(f"{_shown(name)} is missing in it")
        return self._archive.open(name)

    def _read(self, name: str) -> bytes:
        try:
            with self._member(name) as file:
                return file.read()  # never more than announced, and that was looked at
        except _BROKEN:
            refuse(f"{_shown(name)} in it is damaged. Copy or download the file again")

    def _looked_at(self) -> frozenset[str]:
        members = self._archive.infolist()
        if len(members) > MOST_MEMBERS:
            refuse(f"It holds {counted(len(members), 'file')}; a bundle has at most {count(MOST_MEMBERS)}")
        seen: set[str] = set()
        total = 0
        for member in members:
            self._look_at(member)
            if member.filename in seen:
                refuse(f"It holds {_shown(member.filename)} twice")
            seen.add(member.filename)
            total += member.file_size
        if total > LARGEST_TOTAL:
            refuse(f"Unpacked it would take {file_size(total)}, more than is accepted")
        return frozenset(seen)

    @staticmethod
    def _look_at(member: zipfile.ZipInfo) -> None:
        name = member.filename
        if name.startswith(("/", "\\")) or ".." in re.split(r"[\\/]", name) or "\0" in name or ":" in name:
            refuse(f"It holds a file whose path leads elsewhere ({_shown(name)})")
        if stat.S_ISLNK(member.external_attr >> 16):
            refuse(f"It holds a link instead of a file ({_shown(name)})")
        if member.flag_bits & 0x1:
            refuse("It is encrypted")
        limit = next((limit for pattern, limit in _ALLOWED if pattern.fullmatch(name)), None)
        if limit is None:
            refuse(f"It holds a file that does not belong into a bundle ({_shown(name)})")
        if member.file_size > limit:
            refuse(f"{_shown(name)} in it is too large ({file_size(member.file_size)})")
        if member.file_size > SMALL and member.file_size > LARGEST_RATIO * max(1, member.compress_size):
            refuse(f"{_shown(name)} in it unpacks to far more than it is")


def _no_constant(text: str) -> NoReturn:
    raise ValueError(text)


def _shown(name: str) -> str:
    """A name from inside, for a sentence: short and printable."""
    clean = "".join(char if char.isprintable() else "?" for char in name)
    return clean if len(clean) <= 80 else f"{clean[:40]}…{clean[-39:]}"


def refuse(what: str) -> NoReturn:
    """What is wrong with the bundle, as a sentence without its full stop."""
    raise BadFile(f"This bundle of runs was not imported. {what}.")


# --- documents ---

_Whole = Annotated[int, msgspec.Meta(ge=0, lt=2**62)]
_Number = Annotated[float, msgspec.Meta(gt=-1e300, lt=1e300)]


class _Columns(msgspec.Struct):
    """One quantity, point by point."""

    epoch: list[Annotated[int, msgspec.Meta(ge=1, lt=2**62)]]
    value: list[_Number | None]  # None: not a number
    seconds: list[_Number]
    step: list[_Whole] | None = None


class _History(msgspec.Struct):
    epochs: dict[str, _Columns] = {}
    steps: dict[str, _Columns] = {}


def _points(data: Any, where: str) -> list[MetricPoint]:
    try:
        told = msgspec.convert(data, _History)
    except msgspec.ValidationError as error:
        _unfit(where, error)
    points: list[MetricPoint] = []
    for series, stepped in ((told.epochs, False), (told.steps, True)):
        if len(series) > MOST_SERIES:
            refuse(f"{where} in it names too many quantities")
        for name, columns in series.items():
            if not name.isidentifier() or not name.isascii() or len(name) > 64:
                refuse(f"{where} in it names a quantity that cannot be one")
            steps = columns.step if stepped else [None] * len(columns.epoch)
            if (
                steps is None
                or len({len(one) for one in (columns.epoch, columns.value, columns.seconds, steps)}) != 1
            ):
                refuse(f"{where} in it has columns of different lengths")
            rows = zip(columns.epoch, columns.value, columns.seconds, steps, strict=True)
            points += [
                MetricPoint(name, epoch, math.nan if value is None else value, max(0.0, seconds), step)
                for epoch, value, seconds, step in rows
            ]
            if len(points) > MOST_POINTS:
                refuse(f"{where} in it holds too many numbers")
    return points


def _sane(value: Any, where: str, depth: int = 0) -> Any:
    """The same with every text on one line: no name of a run is worth control characters from elsewhere."""
    if isinstance(value, str):
        if len(value) > LONGEST_TEXT:
            refuse(f"{where} in it holds too long a text")
        return one_line(value, LONGEST_TEXT)
    if isinstance(value, int | float):
        if not abs(value) < (2**62 if isinstance(value, int) else 1e300):
            refuse(f"{where} in it holds a number that cannot be right")
        return value
    if value is None:
        return None
    if depth > _DEEPEST or len(value) > MOST_ENTRIES:
        refuse(f"{where} in it is nested too deeply, or too long")
    if isinstance(value, list):
        return [_sane(item, where, depth + 1) for item in value]
    return {_sane(key, where): _sane(item, where, depth + 1) for key, item in value.items()}


def _unfit(where: str, error: Exception) -> NoReturn:
    refuse(f"{where} in it is not as it should be: {one_line(error, 200)}")
