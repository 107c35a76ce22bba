"""Background work on data: one thread per job, kept on disk so that a crash or a second process loses
nothing.

    board = JobBoard(folder, perform)        # perform(request, context) -> result id
    job = board.submit("inspect-ab12", "inspect", "Checking a.h5ad", {...})
    board.wait(job.job_id)

The job id names the work, so the same work asked for twice is one job. Its lock tells who does it: a job on
disk that says "working" without a held lock was interrupted, and ``start`` takes it up again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ..errors import NotFound, StudioError
from ..jobs import error_from
from ..storage import FileLock, clear_leftovers, read_json, write_json
from ..types import Job, JobState, Problem
from ._child import WorkCanceled
from ._context import JobContext

Request = dict[str, Any]
logger = logging.getLogger(__name__)
_SAVE_EVERY = 1.0  # seconds between writes of a working job's progress
_LOOK_EVERY = 0.2  # seconds between looks at work that another process does
_ENDED = (JobState.DONE, JobState.FAILED, JobState.CANCELED)
_SETTLED = (JobState.DONE, JobState.CANCELED)  # nobody needs to be told
_KEPT = 7 * 86400.0  # seconds after which a settled job is forgotten at a start


@dataclass
class _Entry:
    job: Job
    request: Request
    lock: FileLock
    hidden: bool
    cancel: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None
    saved_at: float = 0.0
    owned: bool = False  # we hold the lock, so the file on disk is ours to write


class JobBoard:
    """All jobs of a workspace: those of this process in memory, those of others as they are on disk."""

    def __init__(
        self,
        folder: Path,
        perform: Callable[[Request, JobContext], str],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._folder = folder
        self._perform = perform
        self._clock = clock
        self._changed = threading.Condition(threading.RLock())
        self._entries: dict[str, _Entry] = {}
        self._closing = False

    def start(self, *, resume: bool) -> None:
        """Take up what a dead process left unfinished (``resume``)."""
        self._folder.mkdir(parents=True, exist_ok=True)
        clear_leftovers(self._folder)
        with self._changed:
            self._closing = False
        for path in sorted(self._folder.glob("*.json")) if resume else ():
            data = read_json(path) or {}
            job = _job(data)
            if job and job.state in _SETTLED and self._clock() - job.started_at > _KEPT:
                self._forget(job.job_id)
            elif (
                job
                and "request" in data
                and job.state not in _ENDED
                and not self.lock(job.job_id).held_by_someone
            ):
                self.submit(job.job_id, job.kind, job.title, data["request"])

    def close(self, timeout: float = 10.0) -> None:
        """End all work of this process; what was unfinished resumes at the next start."""
        with self._changed:
            self._closing = True
            threads = [entry.thread for entry in self._entries.values() if entry.thread]
            for entry in self._entries.values():
                entry.cancel.set()
        deadline = time.monotonic() + timeout
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def lock(self, job_id: str) -> FileLock:
        return FileLock(self._folder / "locks" / job_id)

    def submit(self, job_id: str, kind: str, title: str, request: Request, *, hidden: bool = False) -> Job:
        """Start the work, or return the job that already does it."""
        with self._changed:
            known = self._entries.get(job_id)
            if known and known.job.state not in _ENDED:
                if known.hidden and not hidden:
                    known.hidden = False
                    self._save(known)
                return known.job
            job = Job(job_id, kind, title, JobState.WAITING, self._clock())
            entry = _Entry(job, request, self.lock(job_id), hidden)
            entry.owned = entry.lock.acquire()
            self._entries[job_id] = entry
            self._cancel_mark(job_id).unlink(missing_ok=True)
            self._save(entry)
            entry.thread = threading.Thread(target=self._work, args=(entry,), name=job_id, daemon=True)
            entry.thread.start()
            return job

    def answered(self, job_id: str, kind: str, title: str, result_id: str) -> Job:
        """A job for work that turned out to be done already; it is not listed."""
        with self._changed:
            known = self._entries.get(job_id)
            if known and (known.job.state is JobState.DONE or known.job.state not in _ENDED):
                return known.job
            job = Job(job_id, kind, title, JobState.DONE, self._clock(), 1.0, "", result_id)
            self._entries[job_id] = _Entry(job, {}, self.lock(job_id), hidden=True)
            return job

    def list(self) -> list[Job]:
        """Jobs not yet dismissed, newest first."""
        with self._changed:
            mine = dict(self._entries)
        jobs = [entry.job for entry in mine.values() if not entry.hidden]
        others = [path.stem for path in self._folder.glob("*.json") if path.stem not in mine]
        jobs.extend(job for name in others if (job := self._foreign(name)))
        return sorted(jobs, key=lambda job: job.started_at, reverse=True)

    def get(self, job_id: str) -> Job:
        with self._changed:
            entry = self._entries.get(job_id)
        job = entry.job if entry else self._foreign(job_id)
        if job is None:
            raise NotFound("This job is no longer known; it may have been dismissed in another window.")
        return job

    def cancel(self, job_id: str) -> None:
        """Ask the job to end. Asking one that has ended changes nothing."""
        with self._changed:
            entry = self._entries.get(job_id)
            if entry:
                if entry.job.state not in _ENDED:
                    entry.job = entry.job.replace(phase="ending")
                    entry.cancel.set()
                return
        if (job := self._foreign(job_id)) and job.state not in _ENDED:
            self._cancel_mark(job_id).touch()

    def dismiss(self, job_id: str) -> None:
        """Take an ended job off the list; one that still works is canceled first."""
        self.cancel(job_id)
        with self._changed:
            entry = self._entries.get(job_id)
            if entry and entry.job.state in _ENDED:
                del self._entries[job_id]
            elif entry:
                entry.hidden = True
        self._forget(job_id)

    def wait(self, job_id: str, timeout: float | None = None) -> Job:
        """Wait until the job ends and return it; also returns, unfinished, when ``timeout`` is over.

        Raises
        ------
        StudioError
            The job failed; the error of its problem.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            while (job := self.get(job_id)).state not in _ENDED:
                left = None if deadline is None else deadline - time.monotonic()
                if self._closing or (left is not None and left <= 0):
                    break
                step = None if job_id in self._entries else _LOOK_EVERY
                self._changed.wait(step if left is None else min(left, step or left))
        if job.problem is not None and job.state is JobState.FAILED:
            raise error_from(job.problem)
        return job

    # --- inside -----------------------------------------------------------------------------------

    def _work(self, entry: _Entry) -> None:
        context = JobContext(entry.job.job_id, entry.cancel, partial(self._progress, entry))
        try:
            result_id = self._done_elsewhere(entry, context) or self._perform(entry.request, context)
            self._end(
                entry, entry.job.replace(state=JobState.DONE, progress=1.0, phase="", result_id=result_id)
            )
        except WorkCanceled:
            if self._closing:
                self._end(entry, None)
            else:
                self._end(entry, entry.job.replace(state=JobState.CANCELED, phase=""))
        except StudioError as error:
            logger.warning("%s failed: %s", entry.job.title, error)
            self._end(entry, entry.job.replace(state=JobState.FAILED, phase="", problem=error.as_problem()))
        except Exception as error:
            logger.exception("%s failed", entry.job.title)
            self._end(entry, entry.job.replace(state=JobState.FAILED, phase="", problem=_unexpected(error)))

    def _done_elsewhere(self, entry: _Entry, context: JobContext) -> str:
        """Where another process does the same, wait for it; its result, or nothing when the work is ours."""
        if entry.owned:
            return ""
        path = self._path(entry.job.job_id)
        before = _job(read_json(path) or {})
        context.hold(entry.lock, "another window or command is doing this; waiting for it")
        after = _job(read_json(path) or {})
        entry.owned = True
        if before and after and before.state not in _ENDED and after.state is JobState.DONE:
            return after.result_id
        self._save(entry)
        return ""

    def _end(self, entry: _Entry, job: Job | None) -> None:
        """Record how it ended; None leaves it unfinished on disk, to be taken up at the next start."""
        with self._changed:
            if job is not None:
                entry.job = job
                self._save(entry)
            entry.lock.release()
            self._cancel_mark(entry.job.job_id).unlink(missing_ok=True)
            entry.owned = False
            self._changed.notify_all()

    def _progress(self, entry: _Entry, state: JobState, progress: float | None, phase: str) -> None:
        with self._changed:
            entry.job = entry.job.replace(state=state, progress=progress, phase=phase)
            self._changed.notify_all()
            if time.monotonic() - entry.saved_at >= _SAVE_EVERY:
                self._save(entry)
                if self._cancel_mark(entry.job.job_id).exists():
                    entry.cancel.set()

    def _save(self, entry: _Entry) -> None:
        entry.saved_at = time.monotonic()
        if entry.owned and not entry.hidden:
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
                write_json(
                    self._path(entry.job.job_id), {"job": entry.job.to_dict(), "request": entry.request}
                )
            except OSError:  # a full disk must not end the work, which may be about to free some
                logger.warning("The state of %s could not be written", entry.job.title, exc_info=True)

    def _foreign(self, job_id: str) -> Job | None:
        """A job as another process left it on disk."""
        job = _job(read_json(self._path(job_id)) or {})
        if job is None or job.state in _ENDED or self.lock(job_id).held_by_someone:
            return job
        job = _job(read_json(self._path(job_id)) or {})  # it may have ended between the two looks
        if job is None or job.state in _ENDED:
            return job
        problem = Problem("interrupted", "error", "The program ended during this work. Start it again.")
        return job.replace(state=JobState.FAILED, problem=problem)

    def _forget(self, job_id: str) -> None:
        self._path(job_id).unlink(missing_ok=True)
        (self._folder / f"{job_id}.log").unlink(missing_ok=True)

    def _path(self, job_id: str) -> Path:
        if not job_id.replace("-", "").isalnum():
            raise NotFound(f"There is no job {job_id!r}.")
        return self._folder / f"{job_id}.json"

    def _cancel_mark(self, job_id: str) -> Path:
        return self._path(job_id).with_suffix(".cancel")


def _job(data: dict[str, Any]) -> Job | None:
    try:
        return Job.from_dict(data["job"])
    except (KeyError, TypeError, ValueError):
        return None


def _unexpected(error: Exception) -> Problem:
    return Problem("error", "error", f"Something unexpected went wrong: {type(error).__name__}: {error}")
