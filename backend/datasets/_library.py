"""The library of data: what was brought in, what is known of it, and what is ready to train on.

    library = DatasetLibrary(settings)
    library.start()
    job = library.prepare(library.demo().source_id, PrepareSpec())
    dataset = library.dataset(library.wait(job.job_id).result_id)

Everything that reads a matrix happens in a child process and is a ``Job``; everything else answers at once.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import Conflict, NotFound, WorkspaceGone
from ..jobs import JobBoard, OnProgress, Work, run_child
from ..settings import Settings
from ..storage import SPARE, clear_leftovers, need_space, temporary
from ..types import (
    DatasetRef,
    DatasetReport,
    DesignChoice,
    DesignReport,
    Job,
    JobState,
    PrepareSpec,
    Problem,
    SourceRef,
)
from . import _folder, _prepared, _requests
from ._download import Download
from ._folder import FolderFile
from ._performer import Performer, RunChild
from ._prepared import PreparedStore
from ._public import DEMO_ID, DEMO_NAME, DEMO_NOTE, PUBLIC_SETS, PublicSet, write_demo
from ._simulate import SimulationSpec
from ._sources import SourceStore, id_from

if TYPE_CHECKING:
    from ..quality import Doublets, Quality


class DatasetLibrary:
    """All data of a workspace. Safe to use from several threads and processes at once."""

    def __init__(
        self,
        settings: Settings,
        jobs: JobBoard | None = None,
        *,
        run: RunChild = run_child,
        download: Download | None = None,
        check_container: Callable[[Path], str] | None = None,
    ) -> None:
        self._settings = settings
        self._demo: SourceRef | None = None  # as last seen
        self._sources = SourceStore(settings.sources_dir, check_container or _check_container)
        self._prepared = PreparedStore(settings.prepared_dir)
        self._jobs = jobs or JobBoard(settings.workspace / "jobs")
        performer = Performer(
            settings,
            self._sources,
            self._prepared,
            self._jobs.lock,
            download or Download(limit=settings.max_upload_bytes, network=settings.network),
            run,
        )
        self._jobs.employ(_requests.AREA, performer.perform, durable=True)

    def start(self, *, resume: bool = True) -> None:
        """Make the folders, clear what dead processes left, offer the built-in data, start the board of jobs.

        ``resume=False`` leaves unfinished jobs to the server: right for a short-lived command.
        """
        self._settings.uploads_dir.mkdir(parents=True, exist_ok=True)
        if not self._settings.data_dirs:  # folders that the user named are the user's to make
            for folder in self._settings.allowed_dirs:
                folder.mkdir(parents=True, exist_ok=True)
        clear_leftovers(self._settings.uploads_dir)
        self._sources.start()
        self._prepared.start()
        self.demo()
        self._jobs.start(resume=resume)
        if resume:
            self.ensure_demo_prepared()

    def close(self) -> None:
        """End all jobs; those on data resume at the next start."""
        self._jobs.close()

    # --- sources ----------------------------------------------------------------------------------

    def sources(self) -> list[SourceRef]:
        """Everything brought in, newest first."""
        return self._sources.list()

    def source(self, source_id: str) -> SourceRef:
        return self._sources.get(source_id)

    def upload_target(self, expected_bytes: int = 0) -> Path:
        """A fresh path for an upload to be streamed to.

        Raises
        ------
        NoSpace
            The disk cannot hold ``expected_bytes`` with something to spare.
        WorkspaceGone
            The workspace was deleted or replaced.
        """
        self._jobs.ensure_in_place()
        folder = self._settings.uploads_dir
        folder.mkdir(parents=True, exist_ok=True)
        need_space(folder, expected_bytes, "this file", spare=SPARE)
        return temporary(folder, ".part")

    def adopt_upload(self, part_path: Path, filename: str, sha256: str, origin: str = "upload") -> SourceRef:
        """Take a file that arrived into the library. What is not a data set is removed (``BadFile``)."""
        self._jobs.ensure_in_place()
        return self._sources.adopt(Path(part_path), filename, id_from(sha256), origin=origin)

    def browse(self) -> list[FolderFile]:
        """The data files in the folders that may be opened."""
        return _folder.browse(self._settings.allowed_dirs)

    def open_local(self, path: str | Path) -> Job:
        """Enter a file of the allowed folders (``NotAllowed`` otherwise). It stays where it is.

        A job, because the file is read once, for its content hash; at once done when it is known.
        """
        file = _folder.allowed_file(path, self._settings.allowed_dirs)
        work = _requests.open_file(file)
        if known := self._sources.referred(file):
            return self._jobs.answered(replace(work, result_id=known.source_id))
        return self._submit(work)

    def import_file(self, path: str | Path, on_progress: OnProgress | None = None) -> SourceRef:
        """Enter any readable file that the user of the command line names. It stays where it is."""
        self._jobs.ensure_in_place()

        def tell(progress: float | None, phase: str) -> None:  # while it is read, and when it has been
            if on_progress is not None:
                on_progress(progress, phase)
            self._jobs.ensure_in_place()

        return self._sources.refer(_folder.named_file(path), origin="folder", on_progress=tell)

    def fetch_url(self, url: str) -> Job:
        """Download a file from the public internet (``BadInput`` for what is no link)."""
        work = _requests.fetch(url)
        with suppress(NotFound):
            job = self._jobs.get(work.job_id)
            if job.state is JobState.DONE and self._sources.find(job.result_id):
                return job
        return self._submit(work)

    def public_sets(self) -> list[PublicSet]:
        """What scanpy and scvi-tools can fetch and holds raw counts."""
        return list(PUBLIC_SETS)

    def fetch_public(self, key: str) -> Job:
        """Download one of ``public_sets``; at once done when it is in the library."""
        work = _requests.public(key)
        return self._submit(work, done=self._sources.find(work.result_id) is not None)

    def simulate(
        self,
        n_obs: int,
        n_vars: int,
        density: float = 0.08,
        seed: int = 0,
        n_batches: int = 2,
        n_types: int = 8,
    ) -> Job:
        """Make a simulated data set (``BadInput`` for impossible numbers); deterministic."""
        work = _requests.simulate(SimulationSpec(n_obs, n_vars, density, seed, n_batches, n_types))
        return self._submit(work, done=self._sources.find(work.result_id) is not None)

    def demo(self) -> SourceRef:
        """The built-in data set, made on first use."""
        known = self._sources.find(DEMO_ID)
        if known and Path(known.path).is_file():
            self._demo = known
            return known
        try:
            self._jobs.ensure_in_place()
        except WorkspaceGone:
            if self._demo is None:
                raise
            return self._demo  # pages stay usable, and nothing is written
        self._settings.uploads_dir.mkdir(parents=True, exist_ok=True)
        part = temporary(self._settings.uploads_dir, ".part")
        write_demo(part)
        return self._sources.adopt(part, DEMO_NAME, DEMO_ID, origin="demo", note=DEMO_NOTE)

    def ensure_demo_prepared(self) -> Job:
        """Check and prepare the built-in data as recommended, unseen, in the background."""
        return self._submit(_requests.ready(self.demo()), hidden=True)

    def check_source(self, source_id: str) -> Problem | None:
        """Why a source can no longer be read as it was: gone, or changed on disk. None when all is well."""
        return self._sources.problem(source_id)

    def remove_source(self, source_id: str) -> None:
        """Forget a source. A file opened in place stays there; prepared copies stay for their runs."""
        if source_id == DEMO_ID:
            raise Conflict("The built-in data set is part of the program and cannot be removed.")
        self._sources.remove(source_id)

    # --- jobs -------------------------------------------------------------------------------------

    def jobs(self) -> list[Job]:
        """Jobs not yet dismissed, newest first, those of a command line in the same workspace included."""
        return self._jobs.list(_requests.AREA)

    def job(self, job_id: str) -> Job:
        return self._jobs.get(job_id)

    def cancel_job(self, job_id: str) -> None:
        self._jobs.cancel(job_id)

    def dismiss_job(self, job_id: str) -> None:
        self._jobs.dismiss(job_id)

    def wait(self, job_id: str, timeout: float | None = None) -> Job:
        """Wait for a job to end. Raises the error of a failed one; unfinished after ``timeout``."""
        return self._jobs.wait(job_id, timeout)

    # --- understanding and preparing --------------------------------------------------------------

    def report(self, source_id: str) -> DatasetReport | None:
        """What inspecting found, None until that has happened."""
        return self._sources.report(source_id)

    def inspect(self, source_id: str) -> Job:
        """Look at all values of a source; at once done when that has happened before."""
        self._jobs.ensure_in_place()
        work = _requests.inspect(self._sources.get(source_id))
        return self._submit(work, done=self._sources.report(source_id) is not None)

    def dataset_id(self, source_id: str, spec: PrepareSpec) -> str:
        """The id a source prepared with these choices has, whether or not it exists yet."""
        return _prepared.dataset_id(source_id, spec)

    def prepare(self, source_id: str, spec: PrepareSpec) -> Job:
        """Make a source ready to train on. It happens once per choice; then the job is done at once."""
        self._jobs.ensure_in_place()
        ready = self._prepared.find(self.dataset_id(source_id, spec))
        name = ready.name if ready else self._sources.get(source_id).name
        return self._submit(_requests.prepare(source_id, name, spec), done=ready is not None)

    # --- quality control --------------------------------------------------------------------------

    def measure(self, source_id: str, spec: PrepareSpec) -> Job:
        """Measure each cell of the matrix that ``spec`` names; at once done when that has happened before."""
        self._jobs.ensure_in_place()
        work = _requests.quality(self._sources.get(source_id), spec)
        return self._submit(work, done=self.quality(source_id, spec) is not None)

    def quality(self, source_id: str, spec: PrepareSpec) -> Quality | None:
        """What measuring found, None until that has happened."""
        from ._quality import read_quality  # pandas is slow to import

        return read_quality(self._sources.findings(source_id, _requests.quality_name(spec)))

    def score_doublets(self, source_id: str, spec: PrepareSpec) -> Job:
        """Score doublets within the samples that ``spec`` names; at once done when that has happened before."""
        self._jobs.ensure_in_place()
        work = _requests.doublets(self._sources.get(source_id), spec)
        return self._submit(work, done=self.doublets(source_id, spec) is not None)

    def doublets(self, source_id: str, spec: PrepareSpec) -> Doublets | None:
        """The scores, None until they were computed."""
        from ._doublets import read_doublets

        return read_doublets(self._sources.findings(source_id, _requests.doublets_name(spec)))

    def check_design(self, source_id: str, choice: DesignChoice) -> Job:
        """Cross the columns that ``choice`` names; at once done when that has happened before."""
        self._jobs.ensure_in_place()
        work = _requests.design(self._sources.get(source_id), choice)
        return self._submit(work, done=self.design(source_id, choice) is not None)

    def design(self, source_id: str, choice: DesignChoice) -> DesignReport | None:
        """What crossing them found, None until that has happened."""
        from ._design import read_design

        return read_design(self._sources.findings(source_id, _requests.design_name(choice)))

    # --- prepared data sets -----------------------------------------------------------------------

    def prepared(self) -> list[DatasetRef]:
        """Everything ready to train on, newest first."""
        return self._prepared.list()

    def dataset(self, dataset_id: str) -> DatasetRef:
        return self._prepared.get(dataset_id)

    def remove_dataset(self, dataset_id: str) -> None:
        """Remove a prepared data set. It can be prepared again as long as its source is there."""
        self._prepared.remove(dataset_id)

    # --- inside -----------------------------------------------------------------------------------

    def _submit(self, work: Work, *, done: bool = False, hidden: bool = False) -> Job:
        if done:
            return self._jobs.answered(work)
        return self._jobs.begin(work, hidden=hidden)


def _check_container(path: Path) -> str:
    from ._container import check_container  # h5py is slow to import

    return check_container(path)
