"""The files that were brought in: ``sources_dir/<source_id>/{meta.json, data.h5ad|data.h5, report.json}``.

A file is either owned (moved into the workspace) or referenced where it is (opened from a folder, never
copied, never deleted). A referenced file that changed since is noticed and refused, because its report
would lie.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import BadFile, NotFound
from ..jobs import OnProgress
from ..storage import building, clear_leftovers, discard, read_json, remove_tree, write_json
from ..types import DatasetReport, Problem, SourceRef

CheckContainer = Callable[[Path], str]  # "h5ad" or "10x"; raises BadFile
_SUFFIX = {"h5ad": ".h5ad", "10x": ".h5"}
_BLOCK = 1 << 22
_LONGEST_NAME = 200


class SourceStore:
    """All sources of a workspace. Safe to use from several threads and processes."""

    def __init__(self, folder: Path, check_container: CheckContainer) -> None:
        self._folder = folder
        self._check_container = check_container

    def start(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        clear_leftovers(self._folder)

    def list(self) -> list[SourceRef]:
        """All sources, newest first."""
        folders = self._folder.iterdir() if self._folder.is_dir() else ()
        found = [ref for folder in folders if (ref := self._read(folder))]
        return sorted(found, key=lambda ref: (ref.added_at, ref.source_id), reverse=True)

    def find(self, source_id: str) -> SourceRef | None:
        return self._read(self._folder / source_id) if source_id.replace("-", "").isalnum() else None

    def get(self, source_id: str) -> SourceRef:
        ref = self.find(source_id)
        if ref is None:
            raise NotFound(
                "This data set is no longer in the library. Bring the file again on the Data page."
            )
        return ref

    def adopt(
        self,
        path: Path,
        name: str,
        source_id: str,
        *,
        origin: str,
        note: str = "",
        simulated: bool = False,
    ) -> SourceRef:
        """Move ``path`` into the library. The file is removed when it is not a readable data set.

        Raises
        ------
        BadFile
            It is neither an h5ad nor a 10x h5 file.
        """
        try:
            container = self._check_container(path)
            known = self._usable(source_id)
            if known:
                return known
            with building(self._folder / source_id) as folder:
                target = folder / f"data{_SUFFIX[container]}"
                size = path.stat().st_size
                shutil.move(path, target)
                ref = SourceRef(
                    source_id=source_id,
                    name=display_name(name),
                    path=target.name,
                    size=size,
                    origin=origin,
                    added_at=time.time(),
                    simulated=simulated,
                    note=note,
                )
                write_json(folder / "meta.json", {"source": ref.to_dict(), "in_place": False})
        finally:
            remove_tree(path)
        return self.get(source_id)

    def refer(self, path: Path, *, origin: str, on_progress: OnProgress | None = None) -> SourceRef:
        """Enter a file that stays where it is. Reads it once, for its content hash."""
        if known := self.referred(path):
            return known
        stamp = _stamp(path)
        self._check_container(path)
        digest = content_hash(path, on_progress)
        source_id = id_from(digest)
        known_ref = self._usable(source_id)
        if known_ref:
            return known_ref
        ref = SourceRef(source_id, display_name(path.name), str(path), stamp[0], origin, time.time())
        with building(self._folder / source_id) as folder:
            write_json(
                folder / "meta.json",
                {"source": ref.to_dict(), "in_place": True, "stamp": stamp, "sha256": digest},
            )
        return self.get(source_id)

    def referred(self, path: Path) -> SourceRef | None:
        """The source that this file, unchanged since, was entered as."""
        stamp = _stamp(path)
        for known in self.list():
            meta = self._meta(known.source_id)
            if meta.get("in_place") and known.path == str(path) and meta.get("stamp") == stamp:
                return known
        return None

    def remove(self, source_id: str) -> None:
        """Forget a source. Its file goes too, unless it was only referenced."""
        self.get(source_id)
        discard(self._folder / source_id)

    def problem(self, source_id: str) -> Problem | None:
        """Why the file is not as it was, judged by its size and time; None when all is well."""
        ref = self.get(source_id)
        meta = self._meta(source_id)
        path = Path(ref.path)
        if not path.is_file():
            text = f"{ref.name} is no longer in {path.parent}. Put it back, or open it from its new place."
            return Problem("source_missing", "error", text)
        if meta.get("in_place") and meta.get("stamp") != _stamp(path):
            text = f"{ref.name} changed on disk after it was opened. Open it again to use the new content."
            return Problem("source_changed", "error", text)
        return None

    def verify(self, source_id: str, on_progress: OnProgress | None = None) -> SourceRef:
        """Make sure the file is the one that was entered; a new time stamp is checked against the content.

        Raises
        ------
        BadFile
            The file changed or is gone.
        """
        ref = self.get(source_id)
        problem = self.problem(source_id)
        if problem is None:
            return ref
        meta = self._meta(source_id)
        path = Path(ref.path)
        if problem.code == "source_changed" and path.stat().st_size == ref.size:
            stamp = _stamp(path)
            if content_hash(path, on_progress) == meta.get("sha256"):
                write_json(self._folder / source_id / "meta.json", {**meta, "stamp": stamp})
                return ref
        raise BadFile(problem.message)

    def report(self, source_id: str) -> DatasetReport | None:
        data = read_json(self._folder / self.get(source_id).source_id / "report.json")
        try:
            return DatasetReport.from_dict(data) if data else None
        except (KeyError, TypeError, ValueError):  # written by another version: inspect again
            return None

    def save_report(self, source_id: str, report: DatasetReport) -> None:
        write_json(self._folder / self.get(source_id).source_id / "report.json", report.to_dict())

    def findings(self, source_id: str, name: str) -> Path:
        """The folder of something found in a source, which need not be there; it goes with the source."""
        return self._folder / self.get(source_id).source_id / name

    # --- inside -----------------------------------------------------------------------------------

    def _usable(self, source_id: str) -> SourceRef | None:
        """The known source with this content; one whose file is gone or changed makes room."""
        ref = self.find(source_id)
        if ref and self.problem(source_id):
            discard(self._folder / source_id)
            return None
        return ref

    def _meta(self, source_id: str) -> dict[str, Any]:
        return read_json(self._folder / source_id / "meta.json") or {}

    def _read(self, folder: Path) -> SourceRef | None:
        meta = read_json(folder / "meta.json") if not folder.name.startswith(".") else None
        if meta is None:
            return None
        ref = SourceRef.from_dict(meta["source"])
        # owned files are named relative to their folder, so that a workspace can be moved
        return ref if meta.get("in_place") else ref.replace(path=str(folder / ref.path))


def id_from(digest: str) -> str:
    assert re.fullmatch(r"[0-9a-f]{64}", digest), digest  # it becomes the name of a folder
    return digest[:16]


def display_name(filename: str) -> str:
    """What to call a file that somebody named: no folders, no control characters, not endless."""
    name = re.split(r"[/\\]", filename)[-1]
    name = "".join(letter for letter in name if letter.isprintable()).strip()
    return name[:_LONGEST_NAME] or "data.h5ad"


def content_hash(path: Path, on_progress: OnProgress | None = None) -> str:
    """SHA-256 of a file, read in blocks."""
    digest = hashlib.sha256()
    size = max(1, path.stat().st_size)
    done = 0
    with path.open("rb", buffering=0) as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            done += len(block)
            if on_progress:
                on_progress(min(1.0, done / size), "reading the file once")
    return digest.hexdigest()


def _stamp(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]
