"""What every export begins with: the record, the files and the cells of a run, and a place for what is built.

Knows the other rooms by what they answer (``datasets``, ``analyses``, ``comparer``), not by their names.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from ..errors import Conflict, NotFound
from ..registry import RunRegistry
from ..settings import Settings
from ..types import DatasetRef, GroupRecord, RunRecord, RunStatus, SourceRef
from ._explored import Explored, explored
from ._shelf import built


class Archive:
    def __init__(
        self,
        settings: Settings,
        registry: RunRegistry,
        datasets: Any,
        analyses: Any = None,
        comparer: Any = None,
    ) -> None:
        self._settings = settings
        self._registry = registry
        self._datasets = datasets
        self._analyses = analyses
        self._comparer = comparer

    def chosen(self, what: str | Sequence[str]) -> tuple[GroupRecord | None, list[RunRecord]]:
        """What an id of a run or of a group, or several ids of runs, stand for; runs in order of asking."""
        if not isinstance(what, str):
            return None, [self._registry.get(run_id) for run_id in dict.fromkeys(what)]
        try:
            group = self._registry.group(what)
        except NotFound:
            return None, [self._registry.get(what)]
        return group, list(reversed(self._registry.list(group_id=what)))

    def _run_dir(self, run_id: str) -> Path:
        return self._settings.runs_dir / run_id  # the registry knows the id, so it is one of ours

    def _with_model(self, run_id: str) -> tuple[RunRecord, Path]:
        record = self._registry.get(run_id)
        run_dir = self._run_dir(run_id)
        if record.imported_from:
            raise Conflict(
                f"This run was brought from {record.imported_from}. Its model is not used here, because opening "
                "a model can run hidden code."
            )
        if not record.status.has_model:
            state = "not finished" if not record.status.is_over else record.status
            remedy = " Resume it first." if record.status is RunStatus.INTERRUPTED else ""
            raise Conflict(f"This run has no model to download: it is {state}.{remedy}")
        if not (run_dir / "model" / "model.pt").exists():
            raise Conflict("The model of this run is missing on disk. Train it again with the same settings.")
        return record, run_dir

    def _dataset(self, record: RunRecord) -> DatasetRef | None:
        """None where it was removed; of a run from elsewhere what came with it."""
        try:
            found: DatasetRef = self._datasets.dataset(record.spec.dataset_id)
        except NotFound:
            beside = self._run_dir(record.run_id) / "dataset.json"
            if not beside.is_file():
                return None
            return DatasetRef.from_dict(json.loads(beside.read_text(encoding="utf-8")))
        return found

    def _source(self, source_id: str) -> SourceRef | None:
        try:
            found: SourceRef = self._datasets.source(source_id)
        except NotFound:  # removed since
            return None
        return found

    def _found(self, run_id: str) -> Explored:
        return explored(self._analyses, self._run_dir(run_id), run_id)

    def _built(
        self, run_dir: Path, name: str, build: Callable[[Path], Any], newer_than: Iterable[Path] | None = None
    ) -> Path:
        return built(run_dir / "exports", name, build, newer_than=newer_than)

    def _written(self, run_id: str, name: str, content: str) -> Path:
        """A text of a run as a file, made every time."""
        return self._built(
            self._run_dir(run_id), name, lambda part: part.write_text(content, encoding="utf-8")
        )
