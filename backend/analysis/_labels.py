"""Names of clusters, kept in ``run_dir/analysis/labels.json``: rename, merge, undo, back to the beginning.

    analyses.labels(run_id)                          # of the clustering named last, or None
    analyses.labels(run_id, leiden.options)          # of this one; plain names where none were given
    analyses.rename_cluster(run_id, leiden.options, 3, "B cells"); analyses.undo_labels(run_id, leiden.options)

Names belong to one clustering of one state of the model: when either is another, they no longer apply.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from ..errors import BadInput, Conflict
from ..settings import Settings
from ..storage import write_json
from ..types import Labels, default_name
from ._cell_groups import keep_cells
from ._results import FOLDER, AnalysisResult

FILE = "labels.json"
_LONGEST = 80
_MOST_UNDO = 50
_writing = threading.Lock()


class ClusterNames:
    """What ``Analyses`` can do about names, of clusters and of chosen cells. It needs ``_settings`` and ``result``."""

    _settings: Settings

    def result(self, run_id: str, kind: str, **options: Any) -> AnalysisResult | None:
        raise NotImplementedError

    def labels(self, run_id: str, options: Mapping[str, Any] | None = None) -> Labels | None:
        """The names of one clustering; without ``options``, of that which was named last, None where none was."""
        stored = self._stored(run_id)
        if options is None:
            for entry in sorted(stored, key=lambda entry: -float(entry["at"])):
                found = self.result(run_id, "leiden", **entry["options"])
                if found is not None and found.stamp == entry["stamp"]:
                    labels = _as_labels(entry)
                    return labels if labels.given else None
            return None
        found = self.result(run_id, "leiden", **options)
        if found is None:
            return None
        return _as_labels(_entry(stored, found) or _fresh(found))

    def rename_cluster(self, run_id: str, options: Mapping[str, Any], cluster: int, name: str) -> Labels:
        """Name the group that ``cluster`` is in. A name that is taken merges the two."""
        name = clean(name)

        def rename(names: list[str]) -> list[str]:
            old = names[cluster]
            return [name if other == old else other for other in names]

        return self._change(run_id, options, rename)

    def merge_clusters(
        self, run_id: str, options: Mapping[str, Any], names: Collection[str], name: str
    ) -> Labels:
        """Make the groups ``names`` one, called ``name``."""
        if len(set(names)) < 2:
            raise BadInput("Choose two or more groups to merge.")
        name = clean(name)
        return self._change(run_id, options, lambda now: [name if other in names else other for other in now])

    def undo_labels(self, run_id: str, options: Mapping[str, Any]) -> Labels:
        """Take back the last change."""
        return self._write(run_id, options, lambda entry: {**entry, "past": entry["past"][:-1]})

    def reset_labels(self, run_id: str, options: Mapping[str, Any]) -> Labels:
        """Plain names again; that can be undone too."""
        return self._change(run_id, options, lambda now: [default_name(i) for i in range(len(now))])

    def keep_cells(self, run_id: str, cells: Any) -> str:
        """A name for chosen cells (their positions), for the options of an analysis."""
        return keep_cells(self._settings.runs_dir / run_id, cells)

    # --- inside ---

    def _change(self, run_id: str, options: Mapping[str, Any], change: Any) -> Labels:
        def changed(entry: dict[str, Any]) -> dict[str, Any]:
            now = entry["past"][-1]
            names = change(list(now))
            past = entry["past"] if names == now else [*entry["past"], names]
            return {**entry, "past": past[:1] + past[1:][-_MOST_UNDO:]}

        return self._write(run_id, options, changed)

    def _write(self, run_id: str, options: Mapping[str, Any], change: Any) -> Labels:
        with _writing:
            found = self.result(run_id, "leiden", **options)
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
        return self._settings.runs_dir / run_id / FOLDER / FILE

    def _stored(self, run_id: str) -> list[dict[str, Any]]:
        try:
            entries = json.loads(self._path(run_id).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return []
        return [entry for entry in entries if {"options", "stamp", "past", "at"} <= set(entry)]


def clean(name: str) -> str:
    """One line of visible characters, as typed otherwise."""
    name = re.sub(r"[\x00-\x1f\x7f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]+", " ", name).strip()
    if not name:
        raise BadInput("A group needs a name. Type at least one letter.")
    if len(name) > _LONGEST:
        raise BadInput(f"A name can have {_LONGEST} characters at most.")
    return name


def _entry(stored: list[dict[str, Any]], found: AnalysisResult) -> dict[str, Any] | None:
    return next((e for e in stored if e["options"] == found.options and e["stamp"] == found.stamp), None)


def _fresh(found: AnalysisResult) -> dict[str, Any]:
    plain = [default_name(i) for i in range(int(found.facts["n_clusters"]))]
    return {"options": found.options, "stamp": found.stamp, "past": [plain], "at": 0.0}


def _as_labels(entry: dict[str, Any]) -> Labels:
    return Labels(tuple(entry["past"][-1]), dict(entry["options"]), can_undo=len(entry["past"]) > 1)
