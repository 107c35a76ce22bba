"""Where results are kept: ``run_dir/analysis/<kind>-<hash of options>/``, whole or not at all.

    store = ResultStore(run_dir)
    store.find(wanted)            # AnalysisResult, or None
    with store.building(wanted) as (folder, meta): ...

A result holds plain arrays (.npy) and ``meta.json``. It is gone for every reader as soon as the latent space it was
made from is another one: a run that was extended is looked at anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..storage import building, discard, read_json, write_json

FOLDER = "analysis"
_META = "meta.json"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for: a kind of analysis with every one of its options."""

    kind: str
    version: int
    options: dict[str, Any]

    @property
    def key(self) -> str:
        """The same for the same request, whatever process asks; the name of its folder."""
        told = json.dumps([self.kind, self.version, self.options], sort_keys=True)
        return f"{self.kind}-{hashlib.sha256(told.encode()).hexdigest()[:16]}"


@dataclass(frozen=True)
class AnalysisResult:
    """One finished analysis on disk. ``facts`` are the few numbers and names that came with it."""

    folder: Path
    kind: str
    options: dict[str, Any] = field(default_factory=dict)  # as executed, defaults included
    facts: dict[str, Any] = field(default_factory=dict)
    stamp: str = ""  # changes when the run was trained further, or the analysis made anew
    seconds: float = 0.0  # what it took

    def array(self, name: str) -> npt.NDArray[Any]:
        """The array ``name``, mapped from disk; its shape and dtype are said where the kind is."""
        mapped: npt.NDArray[Any] = np.load(self.folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
        return mapped


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

    def find(self, wanted: Wanted) -> AnalysisResult | None:
        place = self._folder / wanted.key
        meta = read_json(place / _META)
        if meta is None or meta.get("stamp") != self.stamp():
            return None
        stamp = f"{meta['stamp']}-{meta['made_at']:.3f}"
        return AnalysisResult(place, wanted.kind, meta["options"], meta["facts"], stamp, meta["seconds"])

    @contextmanager
    def building(self, wanted: Wanted) -> Iterator[tuple[Path, dict[str, Any]]]:
        """A folder to fill, and the dictionary to put ``facts``, ``seconds`` and ``made_at`` into."""
        meta: dict[str, Any] = {"kind": wanted.kind, "options": wanted.options, "stamp": self.stamp()}
        with building(self._folder / wanted.key, "the result", replace=True) as folder:
            yield folder, meta
            write_json(folder / _META, meta)

    def tidy(self) -> None:
        """Remove what was made from an earlier state of the run, and what a dead process left half made."""
        present = self.stamp()
        for place in self._folder.iterdir() if self._folder.is_dir() else ():
            if place.is_dir() and (read_json(place / _META) or {}).get("stamp") != present:
                discard(place)
