"""Where results are kept: ``run_dir/analysis/<kind>-<hash of options>/``, whole or not at all.

    store = ResultStore(run_dir)
    store.find(kind, options)            # AnalysisResult, or None
    with store.building(kind, options) as folder: ...

A result holds plain arrays (.npy, .npz) and ``meta.json``. It is gone for every reader as soon as the latent
space it was made from is another one: a run that was extended is looked at anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..storage import building, discard, write_json

if TYPE_CHECKING:
    from ._kind import Kind

FOLDER = "analysis"
_META = "meta.json"


@dataclass(frozen=True)
class AnalysisResult:
    """One finished analysis on disk. ``facts`` are the few numbers and names that came with it."""

    folder: Path
    kind: str
    options: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    stamp: str = ""  # changes when the run was trained further, or the analysis made anew
    seconds: float = 0.0  # what it took

    def array(self, name: str) -> np.ndarray:
        """The array ``name``, mapped from disk."""
        return np.load(self.folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)

    def path(self, name: str) -> Path:
        return self.folder / name


def request_hash(kind: Kind, options: Mapping[str, Any]) -> str:
    told = json.dumps([kind.name, kind.version, kind.complete(options)], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:16]


class ResultStore:
    def __init__(self, run_dir: Path) -> None:
        self._run_dir = run_dir
        self._folder = run_dir / FOLDER

    def stamp(self) -> str:
        """What the present latent space and model are told by; empty where there is none yet."""
        told = []
        for name in ("latent.npy", "model/model.pt"):
            try:
                seen = (self._run_dir / name).stat()
            except OSError:
                continue
            told.append(f"{seen.st_mtime_ns:x}.{seen.st_size:x}")
        return "-".join(told)

    def place(self, kind: Kind, options: Mapping[str, Any]) -> Path:
        return self._folder / f"{kind.name}-{request_hash(kind, options)}"

    def find(self, kind: Kind, options: Mapping[str, Any]) -> AnalysisResult | None:
        place = self.place(kind, options)
        try:
            meta = json.loads((place / _META).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        if meta.get("stamp") != self.stamp():
            return None
        return AnalysisResult(
            place,
            kind.name,
            meta["options"],
            meta["facts"],
            f"{meta['stamp']}-{meta['made_at']:.3f}",
            meta["seconds"],
        )

    @contextmanager
    def building(self, kind: Kind, options: Mapping[str, Any]) -> Iterator[tuple[Path, dict[str, Any]]]:
        """A folder to fill, and the dictionary to put ``facts``, ``seconds`` and ``made_at`` into."""
        meta: dict[str, Any] = {"kind": kind.name, "options": kind.complete(options), "stamp": self.stamp()}
        with building(self.place(kind, options), "the result", replace=True) as folder:
            yield folder, meta
            write_json(folder / _META, meta)

    def tidy(self) -> None:
        """Remove what was made from an earlier state of the run, and what a dead process left half made."""
        present = self.stamp()
        for place in self._folder.iterdir() if self._folder.is_dir() else ():
            if not place.is_dir():
                continue
            try:
                stale = json.loads((place / _META).read_text(encoding="utf-8")).get("stamp") != present
            except (OSError, ValueError):
                stale = True
            if stale:
                discard(place)
