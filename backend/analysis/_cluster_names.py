"""Names of clusters, kept in ``run_dir/analysis/labels.json``: rename, merge, undo, back to the beginning.

    names.of(run_id)                          # of the clustering named last, or None
    names.of(run_id, leiden.options)          # of this one; plain names where none were given
    names.rename(run_id, leiden.options, 3, "B cells"); names.undo(run_id, leiden.options)

Names belong to one clustering of one state of the model: when either is another, they no longer apply.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import BadInput, Conflict
from ..storage import write_json
from ..types import Labels, default_name
from ..words import visible
from ._results import FOLDER, AnalysisResult

FILE = "labels.json"
_LONGEST = 80
_MOST_UNDO = 50
_writing = threading.Lock()
_Entry = dict[str, Any]  # options, stamp, past (names after each change, the plain ones first), at


class ClusterNames:
    """``find`` gives the clustering of a run with these options, or None where there is none."""

    def __init__(
        self, runs_dir: Path, find: Callable[[str, Mapping[str, Any]], AnalysisResult | None]
    ) -> None:
        self._runs_dir = runs_dir
        self._find = find

    def of(self, run_id: str, options: Mapping[str, Any] | None = None) -> Labels | None:
        """The names of one clustering; without ``options``, of that which was named last, None where none was."""
        stored = self._stored(run_id)
        if options is None:
            for entry in sorted(stored, key=lambda entry: -float(entry["at"])):
                found = self._find(run_id, entry["options"])
                if found is not None and found.stamp == entry["stamp"]:
                    labels = _as_labels(entry)
                    return labels if labels.given else None
            return None
        found = self._find(run_id, options)
        if found is None:
            return None
        return _as_labels(_entry(stored, found) or _fresh(found))

    def rename(self, run_id: str, options: Mapping[str, Any], cluster: int, name: str) -> Labels:
        """Name the group that ``cluster`` is in. A name that is taken merges the two."""
        name = clean(name)

        def rename(names: list[str]) -> list[str]:
            old = names[cluster]
            return [name if other == old else other for other in names]

        return self._change(run_id, options, rename)

    def give(self, run_id: str, options: Mapping[str, Any], names: Sequence[str]) -> Labels:
        """Name every cluster at once; those given one name are one group."""
        chosen = [clean(name) for name in names]
        return self._change(run_id, options, lambda now: chosen)

    def merge(self, run_id: str, options: Mapping[str, Any], names: Collection[str], name: str) -> Labels:
        """Make the groups ``names`` one, called ``name``."""
        if len(set(names)) < 2:
            raise BadInput("Choose two or more groups to merge.")
        name = clean(name)
        return self._change(run_id, options, lambda now: [name if other in names else other for other in now])

    def undo(self, run_id: str, options: Mapping[str, Any]) -> Labels:
        """Take back the last change."""
        return self._write(run_id, options, lambda entry: {**entry, "past": entry["past"][:-1]})

    def reset(self, run_id: str, options: Mapping[str, Any]) -> Labels:
        """Plain names again; that can be undone too."""
        return self._change(run_id, options, lambda now: [default_name(i) for i in range(len(now))])

    # --- inside ---

    def _change(
        self, run_id: str, options: Mapping[str, Any], change: Callable[[list[str]], list[str]]
    ) -> Labels:
        def changed(entry: _Entry) -> _Entry:
            now = entry["past"][-1]
            names = change(list(now))
            past = entry["past"] if names == now else [*entry["past"], names]
            return {**entry, "past": past[:1] + past[1:][-_MOST_UNDO:]}

        return self._write(run_id, options, changed)

    def _write(self, run_id: str, options: Mapping[str, Any], change: Callable[[_Entry], _Entry]) -> Labels:
        with _writing:
            found = self._find(run_id, options)
            if found is None:
                raise Conflict("These clusters are not there any more. Find clusters again, then name them.")
            stored = self._stored(run_id)
            before = _entry(stored, found) or _fresh(found)
            entry = change(before)
            if not entry["past"]:
                entry = before
            entry = {**entry, "at": time.time()}
            others = [other for other in stored if other["options"] != found.options]
            write_json(self._path(run_id), [*others, entry])
            return _as_labels(entry)

    def _path(self, run_id: str) -> Path:
        return self._runs_dir / run_id / FOLDER / FILE

    def _stored(self, run_id: str) -> list[_Entry]:
        try:
            entries = json.loads(self._path(run_id).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return []
        return [entry for entry in entries if {"options", "stamp", "past", "at"} <= set(entry)]


def clean(name: str) -> str:
    name = visible(name).strip()
    if not name:
        raise BadInput("A group needs a name. Type at least one letter.")
    if len(name) > _LONGEST:
        raise BadInput(f"A name can have {_LONGEST} characters at most.")
    return name


def _entry(stored: list[_Entry], found: AnalysisResult) -> _Entry | None:
    return next((e for e in stored if e["options"] == found.options and e["stamp"] == found.stamp), None)


def _fresh(found: AnalysisResult) -> _Entry:
    plain = [default_name(i) for i in range(int(found.facts["n_clusters"]))]
    return {"options": found.options, "stamp": found.stamp, "past": [plain], "at": 0.0}


def _as_labels(entry: _Entry) -> Labels:
    return Labels(tuple(entry["past"][-1]), dict(entry["options"]), can_undo=len(entry["past"]) > 1)
