"""``Exporter``: the files of a run or of several, asked for by name, built once and served from disk.

    path = exporter.of_run(run_id, "model.zip")
    path = exporter.together(["id", "id"], "report.html")     # or the id of a group
    run_ids = exporter.import_bundle(path)

A new export is a file with an ``Export`` in it and a line in one of the two tables below. Each file appears whole or
not at all, however many ask for it at once; one that is older than what it was made from is made anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from ..errors import Conflict, NotFound
from ..jobs import JobBoard, JobContext, Request, Work
from ..registry import RunRegistry
from ..settings import Settings
from ..storage import replacing
from ..types import GroupRecord, JobState, RunRecord
from ._bundle import BUNDLE, BUNDLE_WITH_MODEL
from ._csv import HISTORIES, HISTORY, SUMMARY
from ._export import Export, Findings, Judge, Library, Of, Rooms, Run, Runs
from ._h5ad import H5AD
from ._import import import_bundle
from ._methods import COMPARISON_METHODS, METHODS, methods_text
from ._model import MODEL, SPEC
from ._report_compare import COMPARISON_REPORT
from ._report_run import REPORT
from ._script import NOTEBOOK, SCRIPT

AREA = "export"
Chosen = str | Sequence[str]  # the id of a run or of a group, or several ids of runs

OF_RUN: dict[str, Export[Run]] = {
    export.name: export for export in (MODEL, H5AD, HISTORY, SPEC, REPORT, SCRIPT, NOTEBOOK, METHODS)
}
TOGETHER: dict[str, Export[Runs]] = {
    export.name: export
    for export in (COMPARISON_REPORT, SUMMARY, HISTORIES, COMPARISON_METHODS, BUNDLE, BUNDLE_WITH_MODEL)
}


class Exporter:
    def __init__(
        self,
        settings: Settings,
        registry: RunRegistry,
        datasets: Library,
        analyses: Findings,
        comparer: Judge,
        jobs: JobBoard,
    ) -> None:
        self._rooms = Rooms(settings, registry, datasets, analyses, comparer)
        self._jobs = jobs
        jobs.employ(AREA, self._perform)

    def of_run(self, run_id: str, name: str) -> Path:
        """The file ``name`` of a run; what several runs leave together, one leaves as well.

        Raises
        ------
        NotFound
            There is no such run or no such file.
        Conflict
            The run does not have what the file is made of.
        """
        if name not in OF_RUN and name in TOGETHER:
            return self.together([run_id], name)
        self._rooms.registry.get(run_id)
        _known(OF_RUN, name)
        return Path(self._done("of_run", {"run_id": run_id, "name": name}))

    def together(self, what: Chosen, name: str, *, title: str = "") -> Path:
        """The same of several runs."""
        self.chosen(what)
        _known(TOGETHER, name)
        what = what if isinstance(what, str) else list(what)
        return Path(self._done("together", {"what": what, "name": name, "title": title}))

    def chosen(self, what: Chosen) -> tuple[GroupRecord | None, list[RunRecord]]:
        """What an id of a run or of a group, or several ids of runs, stand for; runs in order of asking."""
        registry = self._rooms.registry
        if not isinstance(what, str):
            return None, [registry.get(run_id) for run_id in dict.fromkeys(what)]
        try:
            group = registry.group(what)
        except NotFound:
            return None, [registry.get(what)]
        return group, list(reversed(registry.list(group_id=what)))

    def methods_text(self, run_id: str) -> str:
        """A methods paragraph with references, as plain text."""
        return methods_text(Run(self._rooms.registry.get(run_id), self._rooms))

    def import_bundle(self, path: Path) -> list[str]:
        """Enter the runs of a bundle, to be looked at and compared; returns their ids here.

        Raises
        ------
        BadFile
            It is not a bundle, or not a sound one.
        """
        return self._done("import", {"path": str(path)}).split(",")

    # --- inside ---

    def _done(self, do: str, asked: Request) -> str:
        """Have it done by a job, whose result is there when this returns: the same asked for twice is done once."""
        told = json.dumps([do, asked], sort_keys=True)
        job_id = f"export-{hashlib.sha256(told.encode()).hexdigest()[:16]}"
        title = asked.get("name", "Importing runs")
        self._jobs.begin(Work(AREA, job_id, do, title, {"do": do, **asked}), hidden=True)
        job = self._jobs.wait(job_id)
        if job.state is not JobState.DONE:
            raise Conflict("scVI Studio is shutting down. Start it again, then repeat this.")
        return job.result_id

    def _build_of_run(self, run_id: str, name: str) -> Path:
        run = Run(self._rooms.registry.get(run_id), self._rooms)
        return _built(OF_RUN[name], run, run.folder / "exports")

    def _build_together(self, what: Chosen, name: str, title: str) -> Path:
        group, records = self.chosen(what)
        runs = Runs(records, self._rooms, group, title)
        if len(records) == 1:
            folder = runs.each[0].folder / "exports" / "shared"
        else:
            key = hashlib.sha256(json.dumps([record.run_id for record in records]).encode()).hexdigest()[:16]
            folder = self._rooms.settings.cache_dir / "exports" / key
        return _built(TOGETHER[name], runs, folder)

    def _perform(self, request: Request, job: JobContext) -> str:
        match request:
            case {"do": "of_run"}:
                return str(self._build_of_run(request["run_id"], request["name"]))
            case {"do": "together"}:
                return str(self._build_together(request["what"], request["name"], request["title"]))
        rooms = self._rooms
        path = Path(request["path"])
        return ",".join(import_bundle(path, rooms.registry, rooms.settings.runs_dir, rooms.analyses))


def _known(table: dict[str, Export[Of]], name: str) -> Export[Of]:
    if name not in table:
        raise NotFound(f"There is no {name!r} to download. Choose one of {', '.join(table)}.")
    return table[name]


def _built(export: Export[Of], of: Of, folder: Path) -> Path:
    """The file of ``export`` in ``folder``, written beside its place and renamed."""
    path = folder / export.name
    if export.made_from is None or not _is_newer(path, export.made_from(of)):
        with replacing(path, durable=False) as part:  # made again at any time
            export.build(of, part)
    return path


def _is_newer(path: Path, others: Iterable[Path]) -> bool:
    made_of = [other.stat().st_mtime_ns for other in others if other.exists()]
    return path.exists() and all(path.stat().st_mtime_ns >= made for made in made_of)
