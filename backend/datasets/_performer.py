"""What each kind of job does: drive the child process and file the results, on the job's own thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import BadFile, StudioError
from ..jobs import JobContext, OnProgress, Request, part, run_child
from ..settings import Settings
from ..storage import FileLock, building, need_space, remove_tree, temporary
from ..types import DatasetRef, DatasetReport, Notice, PrepareSpec, SourceRef
from ._download import Download
from ._folder import allowed_file
from ._prepared import DATA, PreparedStore, dataset_id
from ._public import public_set
from ._requests import doublets_name
from ._simulate import SimulationSpec
from ._sources import SourceStore, id_from

_AT_ONCE = 2  # child processes at a time; more would only compete for memory
_FULL_SHARE = 0.6  # of the progress of preparing a gene selection, where all genes must be prepared first
_WORKER = f"{__package__}._worker"
_NAME_ENDINGS = (".h5ad", ".h5", ".hdf5")


RunChild = Callable[[str, dict[str, Any], Path, OnProgress, threading.Event], dict[str, Any]]


class Performer:
    """Does the work a request describes and returns the id of what came of it."""

    def __init__(
        self,
        settings: Settings,
        sources: SourceStore,
        prepared: PreparedStore,
        lock: Callable[[str], FileLock],
        download: Download,
        run: RunChild = run_child,
    ) -> None:
        self._settings = settings
        self._sources = sources
        self._prepared = prepared
        self._lock = lock  # of a job, by its id
        self._download = download
        self._run = run
        self._slots = threading.BoundedSemaphore(_AT_ONCE)

    def perform(self, request: Request, context: JobContext) -> str:
        do: dict[str, Callable[[Request, JobContext], str]] = {
            "inspect": self._inspect,
            "prepare": self._prepare_asked,
            "quality": self._find_out,
            "doublets": self._find_out,
            "design": self._find_out,
            "open": self._open,
            "fetch": self._fetch,
            "public": self._public,
            "simulate": self._simulate,
            "ready": self._ready,
        }
        return do[request["do"]](request, context)

    # --- one method per kind of request -----------------------------------------------------------

    def _inspect(self, request: Request, context: JobContext) -> str:
        source_id = str(request["source_id"])
        if self._sources.report(source_id) is None:
            source = self._sources.verify(source_id, context.report)
            result = self._child(context, {"action": "inspect", "ref": source.to_dict()}, context.report)
            self._refuse_changed(source_id)
            self._sources.save_report(source_id, DatasetReport.from_dict(result))
        return source_id

    def _prepare_asked(self, request: Request, context: JobContext) -> str:
        return self._prepare(request["source_id"], PrepareSpec.from_dict(request["spec"]), context)

    def _find_out(self, request: Request, context: JobContext) -> str:
        """Let the child find something out about a source and keep what it writes beside it."""
        source_id = str(request["source_id"])
        place = self._sources.findings(source_id, request["name"])
        if not place.is_dir():
            source = self._sources.verify(source_id, context.report)
            with building(place) as folder:
                child = {**request, "action": request["do"], "ref": source.to_dict(), "out_dir": str(folder)}
                self._child(context, child, context.report)
                self._refuse_changed(source_id)
        return source_id

    def _open(self, request: Request, context: JobContext) -> str:
        # looked at again: a job taken up after a restart may find other folders allowed, or another link
        file = allowed_file(request["path"], self._settings.allowed_dirs)
        return self._sources.refer(file, origin="folder", on_progress=context.report).source_id

    def _fetch(self, request: Request, context: JobContext) -> str:
        part = temporary(self._settings.uploads_dir, ".part")
        arrived = self._download.fetch(request["url"], part, context.report, context.cancel)
        context.report(None, "checking the file")
        source = self._sources.adopt(
            part, arrived.name, id_from(arrived.sha256), origin="url", note=f"From {request['shown']}"
        )
        return source.source_id

    def _public(self, request: Request, context: JobContext) -> str:
        chosen = public_set(request["key"])
        part = temporary(self._settings.uploads_dir, ".part")
        folder = temporary(self._settings.uploads_dir, ".public")
        self._need_space(chosen.size_bytes * 4)
        child = {"action": "public", "key": chosen.key, "folder": str(folder), "out": str(part)}
        note = f"{chosen.description} Fetched with {chosen.source}."
        return self._made(
            request["source_id"], child, part, context, [folder], chosen.title, "public", note, False
        )

    def _simulate(self, request: Request, context: JobContext) -> str:
        spec = SimulationSpec.from_dict(request["spec"])
        part = temporary(self._settings.uploads_dir, ".part")
        self._need_space(spec.size_bytes)
        child = {"action": "simulate", "spec": spec.to_dict(), "out": str(part)}
        return self._made(
            request["source_id"], child, part, context, [], spec.name, "simulated", spec.note, True
        )

    def _ready(self, request: Request, context: JobContext) -> str:
        """Prepare a source whose X is known to hold counts, then inspect it: it can be trained on sooner."""
        source_id = request["source_id"]
        ready = self._locked(source_id, PrepareSpec(), context)
        self._inspect(request, context)
        report = self._sources.report(source_id)
        if report is not None and report.recommended != PrepareSpec():
            ready = self._locked(source_id, report.recommended, context)
        return ready

    # --- inside -----------------------------------------------------------------------------------

    def _made(
        self,
        source_id: str,
        child: dict[str, Any],
        part: Path,
        context: JobContext,
        scratch: list[Path],
        name: str,
        origin: str,
        note: str,
        simulated: bool,
    ) -> str:
        """Let the child make a file and take that into the library."""
        if self._sources.find(source_id) is None:
            try:
                self._child(context, child, context.report)
                self._sources.adopt(part, name, source_id, origin=origin, note=note, simulated=simulated)
            finally:
                for path in (part, *scratch):
                    remove_tree(path)
        return source_id

    def _refuse_changed(self, source_id: str) -> None:
        """What was read of a file that changed meanwhile belongs to no file at all."""
        if problem := self._sources.problem(source_id):
            raise BadFile(f"{problem.message} It changed while it was read, so nothing of that was kept.")

    def _need_space(self, size: int) -> None:
        folder = self._settings.uploads_dir
        folder.mkdir(parents=True, exist_ok=True)
        need_space(folder, size, "this data set")

    def _locked(self, source_id: str, spec: PrepareSpec, context: JobContext) -> str:
        """Prepare under the lock of the job that would otherwise do it."""
        target = dataset_id(source_id, spec)
        if self._prepared.find(target) is None:
            lock = self._lock(f"prepare-{target}")
            context.hold(lock, "this is being prepared already; waiting for it")
            try:
                self._prepare(source_id, spec, context)
            finally:
                lock.release()
        return target

    def _prepare(self, source_id: str, spec: PrepareSpec, context: JobContext) -> str:
        target = dataset_id(source_id, spec)
        if self._prepared.find(target):
            return target
        source = self._sources.verify(source_id, context.report)
        if spec.n_top_genes is None:
            self._build(source, spec, target, None, context, context.report)
            return target
        # the selection is made from, and later compared with, the same cells with all genes
        full_spec = spec.replace(n_top_genes=None, hvg_batch_key=None)
        full = dataset_id(source_id, full_spec)
        lock = self._lock(f"prepare-{full}")
        context.hold(lock, "all genes are being prepared already; waiting for it")
        try:
            if self._prepared.find(full) is None:
                self._build(source, full_spec, full, None, context, part(context.report, 0.0, _FULL_SHARE))
        finally:
            lock.release()
        self._build(source, spec, target, full, context, part(context.report, _FULL_SHARE, 1.0))
        return target

    def _build(
        self,
        source: SourceRef,
        spec: PrepareSpec,
        target: str,
        full: str | None,
        context: JobContext,
        report: OnProgress,
    ) -> None:
        report(None, "starting")
        with self._prepared.building(target) as folder:
            request = {
                "action": "prepare",
                "ref": source.to_dict(),
                "spec": spec.to_dict(),
                "out_dir": str(folder),
                "full": str(self._prepared.path(full)) if full else None,
                "doublets": str(self._sources.findings(source.source_id, doublets_name(spec))),
            }
            found = self._child(context, request, report)
            self._refuse_changed(source.source_id)
            if not (folder / DATA).is_file():
                raise StudioError("Preparing ended without a result. The details are in the job's log.")
            path = str(self._prepared.path(target))
            ref = DatasetRef(
                dataset_id=target,
                source_id=source.source_id,
                name=_title(source, spec),
                path=path,
                n_obs=int(found["n_obs"]),
                n_vars=int(found["n_vars"]),
                nnz=int(found["nnz"]),
                prepare=spec,
                obs_columns=tuple(found["obs_columns"]),
                simulated=source.simulated,
                created_at=time.time(),
                notices=tuple(map(Notice.from_dict, found["notices"])),
                full_path=str(self._prepared.path(full)) if full else path,
            )
            self._prepared.describe(folder, ref)

    def _child(self, context: JobContext, request: dict[str, Any], report: OnProgress) -> dict[str, Any]:
        while not self._slots.acquire(timeout=0.2):
            context.waiting("waiting for other work on data to finish")
        try:
            report(None, "starting")
            return self._run(_WORKER, request, context.log, report, context.cancel)
        finally:
            self._slots.release()


def _title(source: SourceRef, spec: PrepareSpec) -> str:
    name = source.name
    for ending in _NAME_ENDINGS:
        name = name.removesuffix(ending)
    return f"{name}, {spec.n_top_genes:,} genes" if spec.n_top_genes else name
