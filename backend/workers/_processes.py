"""Worker processes: each trains one run at a time on one device, and a death among them harms nobody else.

    worker = ProcessWorker(desks(2, cards=(), threads=1), partial(start_process, folder))

A process is started when first needed, is kept for the next run, and is started anew where it died: the run it had ends
as ``interrupted`` with the reason, under the code ``worker_lost``. All of them end with the server, however it ends.
"""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from ..errors import NotFound
from ..jobs import Child
from ..types import Events, Place, Problem, TrainingResult, TrainJob
from ._worker import WORKER_LOST

logger = logging.getLogger(__name__)

_LAST_WORDS = 0.5  # seconds between asking a process to end and ending it


@dataclass(frozen=True, slots=True)
class Desk:
    """One place for a process: what it is called, what it trains on."""

    name: str
    accelerators: tuple[str, ...]
    card: str | None = None  # of CUDA, as CUDA_VISIBLE_DEVICES names it
    threads: int | None = None


def desks(number: int, cards: Sequence[str], threads: int | None) -> tuple[Desk, ...]:
    """``number`` places for runs on the CPU, and one a card. The first has the Apple GPU, where there is one."""
    made = []
    for index in range(max(number, len(cards))):
        card = cards[index] if index < len(cards) else None
        accelerators = [
            *(["cpu"] if index < number else []),
            *(["cuda"] if card is not None else []),
            *(["mps"] if index == 0 else []),
        ]
        made.append(Desk(f"worker {index + 1}", tuple(accelerators), card, threads))
    return tuple(made)


class Link(Protocol):
    """A process to talk with; a test has one without a process."""

    pid: int

    def say(self, message: dict[str, Any]) -> None:
        """One that has ended does not hear it."""

    def messages(self) -> Iterator[dict[str, Any]]:
        """What it says, until it has ended."""

    def end(self) -> int:
        """End it where it has not; its exit code, minus the number of the signal that ended it."""


class ProcessLink:
    def __init__(self, desk: Desk, folder: Path) -> None:
        card = {} if desk.card is None else {"CUDA_VISIBLE_DEVICES": desk.card}
        log = folder / f"{desk.name.replace(' ', '-')}.log"
        ready = {"ready": {"threads": desk.threads}}
        module = f"{__package__}._serving"
        self._child = Child(module, ready, log, grace=_LAST_WORDS, environment=card).__enter__()
        self._ending = threading.Lock()
        self.pid = self._child.pid

    def say(self, message: dict[str, Any]) -> None:
        self._child.say(message)

    def messages(self) -> Iterator[dict[str, Any]]:
        return self._child.messages(threading.Event())

    def end(self) -> int:
        with self._ending:
            self._child.__exit__()
            return self._child.exit_code()


class ProcessWorker:
    def __init__(self, desks: Sequence[Desk], link: Callable[[Desk], Link]) -> None:
        """``link`` starts a process."""
        self._processes = [_Process(desk, link, self._news_of) for desk in desks]
        self._at: dict[str, _Process] = {}  # of each run that is not told to its end
        self._changed = threading.Condition()
        self._turns: deque[Callable[[], None]] = deque()
        self._turner: threading.Thread | None = None
        self._news: Callable[[], None] = lambda: None
        self._closed = False

    def listen(self, news: Callable[[], None]) -> None:
        self._news = news

    def places(self) -> tuple[Place, ...]:
        return tuple(process.place() for process in self._processes)

    def when_free(self, then: Callable[[], None]) -> None:
        with self._changed:
            if self._closed:
                return
            self._turns.append(then)
            if self._turner is None:
                self._turner = threading.Thread(target=self._give_turns, name="worker turns", daemon=True)
                self._turner.start()
            self._changed.notify_all()

    def start(self, job: TrainJob) -> None:
        process = self._choose(job)
        with self._changed:
            self._at[job.run_id] = process
        process.train(job, closed=self._closed)
        self._news_of()

    def events(self, run_id: str, cursor: int) -> Events:
        with self._changed:
            process = self._at.get(run_id)
        if process is None:
            raise NotFound("This run is not trained here.")
        events = process.since(run_id, cursor)
        if events is None:
            with self._changed:
                self._at.pop(run_id, None)
            return Events(cursor)
        return events

    def ask(self, run_id: str, what: Literal["stop", "cancel"]) -> None:
        with self._changed:
            process = self._at.get(run_id)
        if process is not None:
            process.say({"ask": [run_id, what]})

    def close(self, timeout: float) -> None:
        with self._changed:
            self._closed = True
            self._turns.clear()
            self._changed.notify_all()
        for process in self._processes:
            process.leave()
        deadline = time.monotonic() + timeout
        with self._changed:
            self._changed.wait_for(
                lambda: not any(one.place().run_ids for one in self._processes),
                max(0.0, deadline - time.monotonic()),
            )
        for process in self._processes:
            process.end()

    def _choose(self, job: TrainJob) -> _Process:
        """The place that was named, else the one that suits best and has least to do."""
        named = [one for one in self._processes if one.desk.name == job.place]
        suited = [one for one in self._processes if job.spec.accelerator in one.desk.accelerators]
        return min(
            named or suited or self._processes,
            key=lambda one: (len(one.place().run_ids), one.desk.card is not None),
        )

    def _news_of(self) -> None:
        with self._changed:
            self._changed.notify_all()
        self._news()

    def _give_turns(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or (self._turns and self._has_room()))
                if self._closed:
                    return
                turn = self._turns.popleft()
            turn()

    def _has_room(self) -> bool:
        return any(process.place().room for process in self._processes)


class _Told:
    """What came of one run and was not fetched yet."""

    def __init__(self) -> None:
        self.answers: deque[Events] = deque()
        self.cursor = 0
        self.ended = False

    def add(self, events: Events) -> None:
        self.answers.append(events)
        self.cursor = events.cursor
        self.ended = events.end is not None

    def end(self, result: TrainingResult) -> None:
        if not self.ended:
            self.add(Events(self.cursor + 1, end=result))


class _Process:
    """One desk with its process, which may die and be started anew."""

    def __init__(self, desk: Desk, link: Callable[[Desk], Link], news: Callable[[], None]) -> None:
        self.desk = desk
        self._start = link
        self._news = news
        self._lock = threading.RLock()
        self._link: Link | None = None
        self._runs: dict[str, _Told] = {}
        self._leaving = False

    def place(self) -> Place:
        with self._lock:
            busy = tuple(run_id for run_id, told in self._runs.items() if not told.ended)
            return Place(
                self.desk.name,
                self.desk.accelerators,
                room=0 if busy else 1,
                run_ids=busy,
                device="" if self.desk.card is None else f"CUDA card {self.desk.card}",
                threads=self.desk.threads,
                process=self._link.pid if self._link is not None else None,
            )

    def train(self, job: TrainJob, *, closed: bool) -> None:
        with self._lock:
            told = self._runs[job.run_id] = _Told()
            if closed:
                told.end(TrainingResult("interrupted"))
                return
            try:
                self._begin().say({"start": job.to_dict()})
            except OSError as error:  # no more processes, or no memory for one
                told.end(TrainingResult("failed", problem=_not_started(self.desk.name, error)))

    def since(self, run_id: str, cursor: int) -> Events | None:
        """None where nothing more will come."""
        with self._lock:
            told = self._runs[run_id]
            kept = False
            while told.answers and told.answers[0].cursor <= cursor:
                told.answers.popleft()
                kept = True
            if kept:
                self.say({"kept": [run_id, cursor]})
            if told.answers:
                return told.answers[0]
            if told.ended:
                del self._runs[run_id]
                return None
            return Events(cursor)

    def say(self, message: dict[str, Any]) -> None:
        with self._lock:
            if self._link is not None:
                self._link.say(message)

    def leave(self) -> None:
        self._leaving = True
        self.say({"leave": True})

    def end(self) -> None:
        with self._lock:
            link, self._link = self._link, None
        if link is not None:
            link.end()

    def _begin(self) -> Link:
        if self._link is None:
            self._link = self._start(self.desk)
            threading.Thread(
                target=self._listen, args=(self._link,), name=self.desk.name, daemon=True
            ).start()
        return self._link

    def _listen(self, link: Link) -> None:
        """Until the process has ended, in a thread of its own."""
        try:
            for message in link.messages():
                with self._lock:
                    told = self._runs.get(message["run"])
                    if told is not None:
                        told.add(Events.from_dict(message["events"]))
                self._news()
        except Exception:
            logger.exception("%s said what cannot be understood", self.desk.name)
        code = link.end()
        with self._lock:
            if self._link is link:
                self._link = None
            lost = [told for told in self._runs.values() if not told.ended]
            if lost and not self._leaving:
                logger.error(
                    "%s (process %d) ended with code %d while it trained", self.desk.name, link.pid, code
                )
            for told in lost:
                left = None if self._leaving else _lost(self.desk.name, code)
                told.end(TrainingResult("interrupted", problem=left))
        self._news()


def _lost(name: str, code: int) -> Problem:
    said = name.capitalize()
    if code == -signal.SIGKILL:
        why = f"{said} was ended by the system or by somebody (signal 9), most often because memory ran out."
    elif code < 0:
        why = f"{said} crashed (signal {-code})."
    else:
        why = f"{said} ended unexpectedly (code {code}); its log is in the folder “workers” of the workspace."
    return Problem(
        WORKER_LOST,
        "error",
        f"{why} Resume the run to go on from its last checkpoint.",
        params={"worker": name, "signal": max(0, -code)},
    )


def _not_started(name: str, error: OSError) -> Problem:
    return Problem(
        "worker_not_started",
        "error",
        f"{name.capitalize()} could not be started ({error.strerror or error}). Close other programs, or lower "
        "SCVI_STUDIO_WORKERS, and resume the run.",
    )
