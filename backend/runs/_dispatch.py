"""From the queue to a worker and back: claims runs, hands them over as jobs, fetches what they tell.

Where a worker has several places, as many runs are under way. A thread fetches for the runs of the queue, some times a
second while one is trained, and looks every two seconds for dead processes and for a queue that was held up (a full
disk, a group of another process). ``execute`` fetches in the calling thread. Only what is fetched is written: the
worker keeps the rest, and slows where it is too much.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Literal

from ..errors import NoSpace, NotFound, StudioError, Unwritable
from ..registry import RunRegistry
from ..storage import FileLock
from ..training import checkpoint_epoch, translate
from ..types import DatasetRef, Events, Place, RunRecord, RunStatus, TrainJob, notice
from ..workers import LOST, Worker
from ._queue import RunFolders, RunQueue
from ._session import OnProgress, RunSession

logger = logging.getLogger(__name__)

Request = Literal["stop", "cancel"]

_PULL_SECONDS = 0.2  # where no news come
ANYWHERE = Place()


class Dispatcher:
    def __init__(
        self,
        registry: RunRegistry,
        folders: RunFolders,
        queue: RunQueue,
        worker: Worker,
        dataset: Callable[[str], DatasetRef],
        threads: int | None,
        checkpoint_seconds: float,
        look_seconds: float,
        poll_seconds: float,
    ) -> None:
        self._registry = registry
        self._folders = folders
        self._queue = queue
        self._worker = worker
        self._dataset = dataset
        self._threads = threads
        self._checkpoint_seconds = checkpoint_seconds
        self._look_seconds = look_seconds
        self._poll_seconds = poll_seconds
        self._sessions: dict[str, RunSession] = {}
        self._thread: threading.Thread | None = None
        self._news = threading.Event()
        self._closing = threading.Event()
        self._open = False
        self._woken = False  # a turn of ours is in the line already
        self._waking = threading.Lock()
        self._passed_over = False  # something waits that could not be taken
        self._undecided: list[RunSession] = []  # could neither begin nor go back to the queue
        self.ended: Callable[[str], None] = lambda run_id: None  # a run of the queue; told once it is written
        self.queued: Callable[[], None] = lambda: None  # something may have been queued
        self.trouble = ""  # why what is trained or waits does not go on, as a sentence
        worker.listen(self._hear)

    def open(self) -> None:
        """Begin to take runs from the queue."""
        self._open = True
        self._thread = threading.Thread(target=self._keep, name="runs", daemon=True)
        self._thread.start()
        self.wake()

    def close(self, timeout: float) -> None:
        """Take no more; what is being trained becomes ``interrupted`` within ``timeout`` seconds."""
        self._open = False
        self._worker.close(timeout)
        self._closing.set()
        self._news.set()
        for session in list(self._sessions.values()):
            self._pull_safely(session)
            try:
                if not session.over:
                    session.declare_interrupted()
            except Exception as error:
                self._say(error)  # the next start finds it
            session.news.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(1.0)

    def wake(self) -> None:
        """There may be something in the queue.

        One turn in the line is enough: many would keep other work out until all runs are done.
        """
        if not self._open:
            return
        with self._waking:
            woken, self._woken = self._woken, True
        if not woken:
            self._worker.when_free(self._take_turn)
        self.queued()

    def trains(self, run_id: str) -> bool:
        """Whether the run is being trained by this process."""
        return run_id in self._sessions

    def ask(self, run_id: str, what: Request) -> bool:
        """Pass ``stop`` or ``cancel`` on; False where the run is not trained here. Needs no disk."""
        session = self._sessions.get(run_id)
        if session is None or session.over:
            return False
        if session.asked != "cancel":
            session.asked = what
        self._worker.ask(run_id, what)
        return True

    def as_asked(self, record: RunRecord) -> RunRecord:
        """``record`` with what was asked of it, where that could not be written."""
        session = self._sessions.get(record.run_id)
        if session is None or not session.asked or session.over or record.status is not RunStatus.RUNNING:
            return record
        return record.replace(requested=session.asked)

    def execute(self, record: RunRecord, lock: FileLock, on_progress: OnProgress | None = None) -> None:
        """Have a claimed run trained, and follow it in this thread to its end."""
        session = self._open_session(record, lock, threading.get_ident(), on_progress)
        try:
            self._begin(session, record)
            while not session.over:
                session.news.clear()
                try:
                    self._pull(session)
                except StudioError as error:
                    if session.ending:  # nothing more comes that could be written later
                        raise
                    self._say(error)
                    session.say(notice("on_hold", why=str(error)))
                self._pass_on_requests(session)
                if not session.over:
                    session.news.wait(_PULL_SECONDS)
        except BaseException as error:
            if not session.over and not isinstance(error, Exception):  # this process was told to end
                self._worker.close(0.0)
                session.declare_interrupted()
            raise
        finally:
            self._let_go(session)

    # --- the queue ---

    def _take_turn(self) -> None:
        """One run a turn, so that other work of the compute thread gets between two runs."""
        with self._waking:
            self._woken = False
        if not self._open:
            return
        try:
            taken = self._queue.take_next(self._worker.places())
            if taken is None:
                self._passed_over = bool(self._queue.waiting())
                return
            record, lock, place = taken
            puller = self._thread.ident if self._thread and self._thread.ident else 0
            self._begin(self._open_session(record, lock, puller), record, place)
            if any(one.room for one in self._worker.places()):
                self.wake()
        except Exception as error:
            self._passed_over = True
            self._say(error)

    def _open_session(
        self, record: RunRecord, lock: FileLock, puller: int, on_progress: OnProgress | None = None
    ) -> RunSession:
        run_dir = self._folders.path(record.run_id)
        session = RunSession(record, run_dir, self._registry, lock, puller, on_progress)
        self._sessions[record.run_id] = session
        return session

    def _begin(self, session: RunSession, record: RunRecord, place: Place = ANYWHERE) -> None:
        run_dir = self._folders.path(record.run_id)
        try:
            first_epoch = checkpoint_epoch(run_dir)
            session.recall(first_epoch)
            job = TrainJob(
                record.run_id,
                record.spec,
                self._dataset(record.spec.dataset_id),
                str(run_dir.absolute()),
                name=record.name,
                resume_from=first_epoch,
                threads=place.threads or self._threads,
                checkpoint_seconds=self._checkpoint_seconds,
                conditions=record.conditions,
                place=place.name,
            )
        except (NoSpace, Unwritable):
            self._hand_back(session)
            raise
        except StudioError as error:
            session.fail(error.as_problem())
            self._let_go(session)
        else:
            self._worker.start(job)
            session.handed_over = True

    def _hand_back(self, session: RunSession) -> None:
        """Into the queue again, as soon as that can be written: what could not begin is not lost."""
        try:
            self._registry.transition(session.run_id, {RunStatus.RUNNING}, status=RunStatus.QUEUED, phase="")
        except (NoSpace, Unwritable):
            if session not in self._undecided:
                self._undecided.append(session)  # with its lock, or it would be taken for dead
            return
        if session in self._undecided:
            self._undecided.remove(session)
        self._let_go(session)

    def _let_go(self, session: RunSession) -> None:
        if self._sessions.pop(session.run_id, None) is not None:
            session.lock.release()
            self.wake()
            if session.over and self._open:
                self.ended(session.run_id)

    # --- what is told ---

    def _hear(self) -> None:
        """News of a worker. An inline one brings them in the very thread that is to fetch them."""
        here = threading.get_ident()
        for session in list(self._sessions.values()):
            if session.puller == here or self._closing.is_set():
                self._pull_safely(session)
                self._pass_on_requests(session)
            session.news.set()
        self._news.set()

    def _keep(self) -> None:
        """The thread of the queue."""
        looked_at = time.monotonic()
        while not self._closing.is_set():
            self._news.wait(_PULL_SECONDS if self._sessions else self._look_seconds)
            self._news.clear()
            here = threading.get_ident()
            for session in [one for one in self._sessions.values() if one.puller == here]:
                self._pull_safely(session)
                self._pass_on_requests(session)
            if time.monotonic() - looked_at >= self._look_seconds:
                looked_at = time.monotonic()
                self._look()

    def _look(self) -> None:
        try:
            self._queue.recover()
            for session in [*self._undecided]:
                self._hand_back(session)
        except Exception as error:
            self._say(error)
        if self._passed_over:
            self.wake()

    def _pull_safely(self, session: RunSession) -> None:
        try:
            self._pull(session)
        except StudioError as error:  # the disk: tried again, though not without a pause
            self._say(error)
            self._closing.wait(_PULL_SECONDS)
        except Exception as error:
            logger.exception("the run %s could not be followed", session.run_id)
            self._give_up(session, error)

    def _give_up(self, session: RunSession, error: Exception) -> None:
        """Our own mistake: it ends the run, and not the queue."""
        if session.dropped:
            self._let_go(session)
            return
        self._worker.ask(session.run_id, "cancel")
        try:
            session.fail(translate(error, session.spec, session.spec.accelerator).as_problem())
        except Exception:  # the next start finds it dead
            logger.exception("how the run %s ended could not be written", session.run_id)
        session.drop()

    def _pull(self, session: RunSession) -> None:
        with session.pulling:
            while not session.over:
                try:
                    events = self._worker.events(session.run_id, session.cursor)
                except NotFound:
                    if not session.handed_over:
                        break
                    events = Events(session.cursor + 1, end=LOST)
                if events.cursor == session.cursor:
                    break
                session.take(events)
                self.trouble = ""
            if session.over and session.run_id in self._sessions:
                self._let_go(session)
                with suppress(NotFound):
                    self._worker.events(session.run_id, session.cursor)  # it need not keep any of it

    def _pass_on_requests(self, session: RunSession) -> None:
        """What another process asked for, through the registry."""
        now = time.monotonic()
        if session.over or now - session.polled_at < self._poll_seconds:
            return
        session.polled_at = now
        try:
            asked = self._registry.get(session.run_id).requested
        except NotFound:
            asked = "cancel"  # deleted under our feet
        except Exception:
            logger.warning("the registry could not be read; training goes on", exc_info=True)
            return
        if asked:
            self._worker.ask(session.run_id, "stop" if asked == "stop" else "cancel")

    def _say(self, error: Exception) -> None:
        expected = isinstance(error, StudioError)
        sentence = str(error) if expected else "something unexpected went wrong; the log of the server has it"
        if sentence != self.trouble:
            logger.error("runs do not go on: %s", sentence, exc_info=None if expected else error)
        self.trouble = sentence
