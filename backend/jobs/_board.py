"""The board of background work: every job of a workspace, of this process and of others.

    board = JobBoard(folder, executor)
    board.employ("data", perform, durable=True)            # perform(request, context) -> result id
    job = board.begin(Work("data", "inspect-ab12", "inspect", "Checking a.h5ad", {...}))
    board.wait(job.job_id)

The id names the work, so the same work asked for twice is one job. Its lock tells who does it: a job on disk that is
not over and whose lock nobody holds died with its process. ``start`` takes it up again, or says that it was lost.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from ..errors import Conflict, NoSpace, NotFound, OutOfMemory, StudioError, Unexpected, WorkspaceGone
from ..storage import FileLock, clear_leftovers, is_full, no_space, read_json, write_json
from ..types import Job, JobState, Problem
from ._child import JobCanceled, JobContext, error_from

Request = dict[str, Any]  # plain JSON
Perform = Callable[[Request, JobContext], str]
logger = logging.getLogger(__name__)
_SAVE_EVERY = 1.0  # seconds between writes of a working job's progress
_LOOK_EVERY = 0.2  # seconds between looks at work that another process does
_SETTLED = (JobState.DONE, JobState.CANCELED)  # nobody needs to be told
_KEPT = 7 * 86400.0  # seconds after which a settled durable job is forgotten at a start
_REMEMBERED = 3600.0  # seconds that this process keeps a job that is over in mind


class ComputeThread(Protocol):
    """Where one heavy computation is done at a time."""

    def submit(self, work: Callable[[], Any]) -> object: ...


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be done. ``result_id`` is what it will make, where that is known beforehand."""

    area: str  # who performs it
    job_id: str
    kind: str
    title: str
    request: Request
    result_id: str = ""
    subject: str = ""


@dataclass(frozen=True, slots=True)
class _Performer:
    perform: Perform
    on_compute_thread: bool
    durable: bool


@dataclass
class _Entry:
    job: Job
    request: Request
    lock: FileLock
    hidden: bool
    cancel: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None
    begun: bool = False
    saved_at: float = 0.0
    over_at: float | None = None
    owned: bool = False  # we hold the lock, so the file on disk is ours to write
    dismissed: bool = False


class JobBoard:
    """All jobs of a workspace: those of this process in memory, those of others as they are on disk."""

    def __init__(
        self,
        folder: Path,
        compute: ComputeThread | None = None,
        *,
        clock: Callable[[], float] = time.time,
        ensure_in_place: Callable[[], None] = lambda: None,
    ) -> None:
        self._folder = folder
        self._compute = compute
        self._clock = clock
        self.ensure_in_place = ensure_in_place  # raises ``WorkspaceGone``
        self._performers: dict[str, _Performer] = {}
        self._changed = threading.Condition(threading.RLock())
        self._entries: dict[str, _Entry] = {}
        self._closing = False

    def employ(
        self, area: str, perform: Perform, *, on_compute_thread: bool = False, durable: bool = False
    ) -> None:
        """Let ``perform`` do all work of ``area``, each in a thread of its own or on the compute thread.

        Durable work that a dead process left is taken up at the next start, and stays on the list for a week when
        it is done. Other work is told to have been lost, and leaves no trace when it is done.
        """
        self._performers[area] = _Performer(perform, on_compute_thread, durable)

    def start(self, *, resume: bool) -> None:
        """Take up, or tell to be lost, what a dead process left unfinished (``resume``), and tidy the folder."""
        self._folder.mkdir(parents=True, exist_ok=True)
        clear_leftovers(self._folder)
        with self._changed:
            self._closing = False
        if resume:
            self._remove_idle_locks()
        for path in sorted(self._folder.glob("*.json")) if resume else ():
            data = read_json(path) or {}
            job = _job(data)
            if job is None or (performer := self._performers.get(job.area)) is None:
                continue
            if job.is_over:
                old = job.state in _SETTLED and self._clock() - job.started_at > _KEPT
                if old or not performer.durable:
                    self._forget(job.job_id)
            elif not self.lock(job.job_id).held_by_someone:
                if performer.durable and "request" in data:
                    self.begin(
                        Work(job.area, job.job_id, job.kind, job.title, data["request"], "", job.subject)
                    )
                else:
                    write_json(path, {"job": _lost(job).to_dict()})

    def close(self, timeout: float = 10.0) -> None:
        """End all work of this process and take no more; durable work is waited for, and resumes at the next start."""
        with self._changed:
            self._closing = True
            entries = list(self._entries.values())
            for entry in entries:
                self._ask_to_end(entry)
        deadline = time.monotonic() + timeout
        for entry in entries:
            if entry.thread is not None and self._performers[entry.job.area].durable:
                entry.thread.join(max(0.0, deadline - time.monotonic()))

    def lock(self, job_id: str) -> FileLock:
        return FileLock(self._folder / "locks" / job_id)

    # --- asking for work ---

    def begin(self, work: Work, *, hidden: bool = False) -> Job:
        """Start the work, or return the job that already does it. What is ``hidden`` is neither listed nor on disk.

        Raises
        ------
        Conflict
            The server is shutting down.
        WorkspaceGone
            The workspace was deleted or replaced.
        """
        self.ensure_in_place()
        with self._changed:
            if self._closing:
                raise Conflict("scVI Studio is shutting down. Start it again, then repeat this.")
            self._let_go_of_old()
            known = self._entries.get(work.job_id)
            if known and not known.job.is_over and not known.cancel.is_set():
                if known.hidden and not hidden:
                    known.hidden = False
                    self._save(known)
                return known.job
            job = self._new_job(work, JobState.WAITING)
            entry = _Entry(job, work.request, self.lock(work.job_id), hidden)
            entry.owned = entry.lock.acquire()
            self._entries.pop(work.job_id, None)  # to the end of the line
            self._entries[work.job_id] = entry
            self._cancel_mark(work.job_id).unlink(missing_ok=True)
            self._save(entry)
        if self._performers[work.area].on_compute_thread:
            assert self._compute is not None, f"{work.area} needs the compute thread"
            self._compute.submit(partial(self._work, entry))
        else:
            entry.thread = threading.Thread(target=self._work, args=(entry,), name=work.job_id, daemon=True)
            entry.thread.start()
        return job

    def answered(self, work: Work) -> Job:
        """A job for work that turned out to be done already; it is not listed."""
        with self._changed:
            known = self._entries.get(work.job_id)
            if known and (known.job.state is JobState.DONE or not known.job.is_over):
                return known.job
            job = self._new_job(work, JobState.DONE).replace(progress=1.0, result_id=work.result_id)
            entry = _Entry(job, {}, self.lock(work.job_id), hidden=True, over_at=time.monotonic())
            self._entries[work.job_id] = entry
            return job

    # --- looking ---

    def list(self, area: str | None = None) -> list[Job]:
        """Jobs not yet dismissed, newest first."""
        with self._changed:
            mine = dict(self._entries)
        jobs = [entry.job for entry in mine.values() if not entry.hidden]
        others = [path.stem for path in self._folder.glob("*.json") if path.stem not in mine]
        jobs.extend(job for name in others if (job := self._foreign(name)))
        jobs = [job for job in jobs if area in (None, job.area)]
        return sorted(jobs, key=lambda job: job.started_at, reverse=True)

    def active(self, area: str, *, or_waiting: bool = False) -> Job | None:
        """The job of this process that is being worked on now; ``or_waiting``: or that will be."""
        wanted = (JobState.WORKING, JobState.WAITING) if or_waiting else (JobState.WORKING,)
        with self._changed:
            jobs = (entry.job for entry in self._entries.values() if not entry.dismissed)
            return next((job for job in jobs if job.area == area and job.state in wanted), None)

    def find(self, job_id: str) -> Job | None:
        """The job, whatever its state; None where it is not known, or was dismissed."""
        with self._changed:
            entry = self._entries.get(job_id)
        if entry is None:
            return self._foreign(job_id)
        return None if entry.dismissed else entry.job

    def get(self, job_id: str) -> Job:
        """The job, also of dismissed work that has not ended yet."""
        with self._changed:
            entry = self._entries.get(job_id)
        job = entry.job if entry else self._foreign(job_id)
        if job is None:
            raise NotFound("This job is no longer known; it may have been dismissed in another window.")
        return job

    def wait(self, job_id: str, timeout: float | None = None) -> Job:
        """Wait until the job ends and return it; also returns, unfinished, when ``timeout`` is over.

        Raises
        ------
        StudioError
            The job failed; the error of its problem.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            while not (job := self.get(job_id)).is_over:
                left = None if deadline is None else deadline - time.monotonic()
                if self._closing or (left is not None and left <= 0):
                    break
                step = None if job_id in self._entries else _LOOK_EVERY
                self._changed.wait(step if left is None else min(left, step or left))
        if job.problem is not None and job.state is JobState.FAILED:
            raise error_from(job.problem)
        return job

    # --- ending ---

    def cancel(self, job_id: str) -> None:
        """Ask the job to end. Asking one that has ended changes nothing."""
        with self._changed:
            if entry := self._entries.get(job_id):
                self._ask_to_end(entry)
                return
        if (job := self._foreign(job_id)) and not job.is_over:
            self._cancel_mark(job_id).touch()

    def dismiss(self, job_id: str) -> None:
        """Take an ended job off the list; one that still works is canceled first."""
        self.cancel(job_id)
        with self._changed:
            entry = self._entries.get(job_id)
            if entry and entry.job.is_over:
                del self._entries[job_id]
            elif entry:
                entry.hidden = entry.dismissed = True
        self._forget(job_id)

    # --- inside ---

    def _new_job(self, work: Work, state: JobState) -> Job:
        return Job(
            work.job_id, work.kind, work.title, state, self._clock(), area=work.area, subject=work.subject
        )

    def _ask_to_end(self, entry: _Entry) -> None:
        if entry.job.is_over:
            return
        entry.cancel.set()
        if entry.begun or not self._performers[entry.job.area].on_compute_thread:
            entry.job = entry.job.replace(phase="stopping")
        else:  # it waits in the line of the compute thread
            self._end(entry, entry.job.replace(state=JobState.CANCELED, phase=""))

    def _work(self, entry: _Entry) -> None:
        with self._changed:
            if entry.job.is_over:
                return
            entry.begun = True
        performer = self._performers[entry.job.area]
        job_id = entry.job.job_id
        context = JobContext(
            job_id, self._folder / f"{job_id}.log", entry.cancel, partial(self._progress, entry)
        )
        try:
            self.ensure_in_place()
            result_id = self._done_elsewhere(entry, context)
            if not result_id:
                context.report(None, "starting")
                result_id = performer.perform(entry.request, context)
        except BaseException as error:
            if not (isinstance(error, JobCanceled) or entry.cancel.is_set()):
                problem = _problem(entry.job, self._gone() or error, self._folder)
                self._end(entry, entry.job.replace(state=JobState.FAILED, phase="", problem=problem))
            elif self._closing and performer.durable:
                self._end(entry, None)
            else:
                self._end(entry, entry.job.replace(state=JobState.CANCELED, phase=""))
            if not isinstance(error, (Exception, JobCanceled)):
                raise
        else:
            done = entry.job.replace(state=JobState.DONE, progress=1.0, phase="", result_id=result_id)
            self._end(entry, done)

    def _done_elsewhere(self, entry: _Entry, context: JobContext) -> str:
        """Where another process does the same, wait for it; its result, or nothing when the work is ours."""
        if entry.owned:
            return ""
        path = self._path(entry.job.job_id)
        before = _job(read_json(path) or {})
        context.hold(entry.lock, "another window or command is doing this; waiting for it")
        after = _job(read_json(path) or {})
        entry.owned = True
        if before and after and not before.is_over and after.state is JobState.DONE:
            return after.result_id
        self._save(entry)
        return ""

    def _progress(self, entry: _Entry, state: JobState, progress: float | None, phase: str) -> None:
        self.ensure_in_place()
        with self._changed:
            if entry.cancel.is_set():
                return
            entry.job = entry.job.replace(state=state, progress=progress, phase=phase)
            self._changed.notify_all()
            if time.monotonic() - entry.saved_at >= _SAVE_EVERY:
                self._save(entry)
                if self._cancel_mark(entry.job.job_id).exists():
                    entry.cancel.set()

    def _end(self, entry: _Entry, job: Job | None) -> None:
        """Record how it ended; None leaves it unfinished on disk, to be taken up at the next start."""
        with self._changed:
            entry.over_at = time.monotonic()
            if job is not None:
                entry.job = job
                if entry.owned and job.state in _SETTLED and not self._performers[job.area].durable:
                    self._forget(job.job_id)
                else:
                    self._save(entry)
            self._cancel_mark(entry.job.job_id).unlink(missing_ok=True)
            entry.lock.release()
            entry.owned = False
            self._changed.notify_all()

    def _save(self, entry: _Entry) -> None:
        entry.saved_at = time.monotonic()
        if entry.owned and not entry.hidden and not self._gone():
            try:
                self._folder.mkdir(exist_ok=True)
                write_json(
                    self._path(entry.job.job_id), {"job": entry.job.to_dict(), "request": entry.request}
                )
            except (OSError, NoSpace):  # a full disk must not end the work, which may be about to free some
                logger.warning("The state of %s could not be written", entry.job.title, exc_info=True)

    def _gone(self) -> WorkspaceGone | None:
        try:
            self.ensure_in_place()
        except WorkspaceGone as gone:
            return gone
        return None

    def _remove_idle_locks(self) -> None:
        for path in (self._folder / "locks").glob("*"):
            lock = FileLock(path)
            if not (self._folder / f"{path.name}.json").exists() and lock.acquire():
                lock.remove()

    def _let_go_of_old(self) -> None:
        """Forget what is over for long; what must be kept is on disk."""
        limit = time.monotonic() - _REMEMBERED
        for job_id, entry in list(self._entries.items()):
            if entry.over_at is not None and entry.over_at < limit:
                del self._entries[job_id]

    def _foreign(self, job_id: str) -> Job | None:
        """A job as another process left it on disk."""
        job = _job(read_json(self._path(job_id)) or {})
        if job is None or job.is_over or self.lock(job_id).held_by_someone:
            return job
        job = _job(read_json(self._path(job_id)) or {})  # it may have ended between the two looks
        return job if job is None or job.is_over else _lost(job)

    def _forget(self, job_id: str) -> None:
        self._path(job_id).unlink(missing_ok=True)
        (self._folder / f"{job_id}.log").unlink(missing_ok=True)

    def _path(self, job_id: str) -> Path:
        if not job_id.replace("-", "").replace("_", "").isalnum():
            raise NotFound(f"There is no job {job_id!r}.")
        return self._folder / f"{job_id}.json"

    def _cancel_mark(self, job_id: str) -> Path:
        return self._path(job_id).with_suffix(".cancel")


def _job(data: dict[str, Any]) -> Job | None:
    try:
        return Job.from_dict(data["job"])
    except (KeyError, TypeError, ValueError):
        return None


def _lost(job: Job) -> Job:
    problem = Problem(
        "interrupted", "error", "scVI Studio was closed before this had finished. Start it again."
    )
    return job.replace(state=JobState.FAILED, phase="", problem=problem)


def _problem(job: Job, error: BaseException, folder: Path) -> Problem:
    """Why it failed, as a sentence for the page; the traceback goes to the log."""
    if isinstance(error, StudioError):
        logger.warning("%s failed: %s", job.title, error, exc_info=error)
        return error.as_problem()
    logger.error("%s failed", job.title, exc_info=error)
    if is_full(error):
        return no_space("what is being written", folder).as_problem()
    first_line = str(error).strip().partition("\n")[0][:200]
    if isinstance(error, MemoryError) or "out of memory" in first_line.lower():
        return OutOfMemory("The memory was not enough. Close other programs and try again.").as_problem()
    return Unexpected(
        f"This ended with an unexpected error ({type(error).__name__}: {first_line}). The log of the server "
        "(server.log in the workspace) has the details."
    ).as_problem()
