"""A piece of work: what it sees of its job, and a process of its own for it, the child's side and the parent's.

``JobContext`` says where to report, whether to end and how to wait for others; its ``report`` and ``waiting`` raise
``JobCanceled`` when the work should end. The child takes a request, says how far it is and ends with the parent.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path
from typing import Any, NoReturn, Self

from ..errors import OutOfMemory, StudioError
from ..settings import PROJECT
from ..storage import FileLock, is_full, no_space
from ..types import JobState, Problem

# A request is JSON: ``Any`` plain value.

OnProgress = Callable[
    [float | None, str], None
]  # how far, from 0 to 1 or None: unknown; and what is being done
Say = Callable[[dict[str, Any]], None]
_REPORT_EVERY = 0.1  # seconds; more often is only work for the reader


def serve(perform: Callable[[dict[str, Any], OnProgress], dict[str, Any]], *, niceness: int) -> int:
    """Do the request on stdin with ``perform``, say ``{"result"}``, and return the exit code.

    A ``StudioError`` of it becomes the message ``{"problem"}``; anything else is our mistake and ends the process
    with a traceback in the log.
    """
    say = _own_stdout()
    request = json.loads(_first_line())
    threading.Thread(target=_die_with_parent, daemon=True).start()
    os.nice(niceness)  # training and the pages go first
    try:
        say({"result": _performed(perform, request, Reporter(say))})
    except StudioError as error:
        traceback.print_exc()
        say({"problem": error.as_problem().to_dict()})
    return 0


def converse(begin: Callable[[Say], Callable[[dict[str, Any]], None]]) -> NoReturn:
    """Take message after message from stdin until the parent is gone, and then end at once, whatever is under way.

    ``begin`` is given the way to say something, and gives what is called with each message.
    """
    hear = begin(_own_stdout())
    with os.fdopen(0, "rb", closefd=False) as messages:
        for line in messages:
            hear(json.loads(line))
    os._exit(0)


def _performed(
    perform: Callable[[dict[str, Any], OnProgress], dict[str, Any]], request: dict[str, Any], tell: OnProgress
) -> dict[str, Any]:
    """Do the request, turning what a user can understand into a ``StudioError``."""
    try:
        return perform(request, tell)
    except MemoryError as error:
        raise OutOfMemory(
            "This machine does not have enough memory for this. Close other programs, or choose fewer genes."
        ) from error
    except OSError as error:
        if is_full(error):
            raise no_space("what is being written", Path(request.get("log", ".")).parent) from error
        raise


class Reporter:
    """Says ``{"progress", "phase"}``, ten times a second at most; a new phase at once."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._last, self._phase = float("-inf"), ""

    def __call__(self, progress: float | None, phase: str) -> None:
        now = time.monotonic()
        if now - self._last >= _REPORT_EVERY or phase != self._phase:
            self._last, self._phase = now, phase
            self._say({"progress": progress, "phase": phase})


def _own_stdout() -> Say:
    """Keep the real stdout for messages and send everybody else's prints to the log."""
    messages, talking = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1), threading.Lock()
    os.dup2(2, 1)
    assert isinstance(sys.stdout, TextIOWrapper)
    sys.stdout.reconfigure(line_buffering=True)  # the log is whole when the parent ends us

    def say(message: dict[str, Any]) -> None:
        line = json.dumps(message, default=_plain) + "\n"
        with talking:
            messages.write(line)
            messages.flush()

    return say


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else str(value)


def _first_line() -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        block = os.read(0, 1 << 16)
        if not block:  # the parent died
            os._exit(1)
        line += block
    return line


def _die_with_parent() -> None:
    while os.read(0, 1 << 10):
        pass
    os._exit(1)


Tell = Callable[[JobState, float | None, str], None]
_LOOK_EVERY = 0.2  # seconds between looks at a lock that somebody else holds


class JobCanceled(BaseException):
    """The work was asked to end before it was done. No ``Exception``: nothing on the way may absorb it."""


class JobContext:
    """What a piece of work sees of its job. ``log`` is where a child process of it writes."""

    def __init__(self, job_id: str, log: Path, cancel: threading.Event, tell: Tell) -> None:
        self.job_id = job_id
        self.log = log
        self.cancel = cancel
        self._tell = tell

    def report(self, progress: float | None, phase: str) -> None:
        """Say how far the work is, from 0 to 1, or None where that is not known."""
        self._tell(JobState.WORKING, None if progress is None else min(1.0, max(0.0, progress)), phase)
        self.check()

    def waiting(self, phase: str) -> None:
        self._tell(JobState.WAITING, None, phase)
        self.check()

    def check(self) -> None:
        if self.cancel.is_set():
            raise JobCanceled

    def hold(self, lock: FileLock, phase: str) -> None:
        """Wait until ``lock`` is ours."""
        while not lock.acquire():
            self.waiting(phase)
            self.cancel.wait(_LOOK_EVERY)
        if self.cancel.is_set():
            lock.release()
            raise JobCanceled


def part(report: OnProgress, start: float, end: float) -> OnProgress:
    """A report function for a step that is only the part from ``start`` to ``end`` of the whole."""

    def tell(progress: float | None, phase: str) -> None:
        known = start or None if progress is None else start + (end - start) * min(1.0, max(0.0, progress))
        report(known, phase)

    return tell


_POLL = 0.1  # seconds between looks at the cancel event


class Child:
    """``python -m module`` at work on ``request``; leaving the ``with`` ends it.

    ``grace`` is the time in seconds between asking it to end and ending it; ``environment`` is besides ours.
    """

    def __init__(
        self,
        module: str,
        request: dict[str, Any],
        log: Path,
        *,
        grace: float = 3.0,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._module = module
        self._request = request
        self._log = log
        self._grace = grace
        self._environment = environment
        self._talking = threading.Lock()

    def __enter__(self) -> Self:
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("wb") as said:
            self._process = subprocess.Popen(
                [sys.executable, "-m", self._module],
                cwd=PROJECT,
                stdin=subprocess.PIPE,  # stays open after the request: its end tells the child that we died
                stdout=subprocess.PIPE,
                stderr=said,
                start_new_session=True,  # Ctrl-C is for the server, which then ends the child
                env=None if self._environment is None else {**os.environ, **self._environment},
            )
        self.say(self._request)
        return self

    def say(self, message: dict[str, Any]) -> None:
        """One more message, for a child that converses; one that has ended does not hear it, and its log says why."""
        assert self._process.stdin is not None
        line = json.dumps(message).encode() + b"\n"
        with self._talking, suppress(BrokenPipeError, ValueError):
            self._process.stdin.write(line)
            self._process.stdin.flush()

    @property
    def pid(self) -> int:
        return self._process.pid

    def messages(self, canceled: threading.Event) -> Iterator[dict[str, Any]]:
        """What the child says, until it has ended or ``canceled`` is set.

        Raises
        ------
        StudioError
            What the child found wrong, of the class it has there.
        """
        assert self._process.stdout is not None
        rest = b""
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while not canceled.is_set():
                if not selector.select(_POLL):
                    continue
                block = os.read(self._process.stdout.fileno(), 1 << 16)
                if not block:
                    return
                *lines, rest = (rest + block).split(b"\n")
                for message in map(json.loads, lines):
                    if "problem" in message:
                        raise error_from(Problem.from_dict(message["problem"]))
                    yield message

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def exit_code(self) -> int:
        """Wait for its end. Minus the number of the signal that ended it."""
        return self._process.wait()

    def last_words(self) -> str:
        """The last line of its log."""
        lines = self._log.read_text(encoding="utf-8", errors="replace").split("\n")
        silent = f"the work ended without a word (code {self.exit_code()})"
        return next((line.strip() for line in reversed(lines) if line.strip()), silent)[:300]

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(self._grace)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()


def run_child(
    module: str,
    request: dict[str, Any],
    log: Path,
    on_progress: OnProgress,
    canceled: threading.Event,
    *,
    grace: float = 3.0,
) -> dict[str, Any]:
    """Run ``request`` in a child process and return its result.

    Raises
    ------
    StudioError
        What the child reported, or that it crashed.
    JobCanceled
        ``canceled`` was set; the child has ended.
    """
    with Child(module, {**request, "log": str(log)}, log, grace=grace) as child:
        for message in child.messages(canceled):
            if "result" in message:
                result: dict[str, Any] = message["result"]
                return result
            on_progress(message["progress"], message["phase"])
        if canceled.is_set():
            raise JobCanceled
        raise _ended(child, log)


def _ended(child: Child, log: Path) -> StudioError:
    code = child.exit_code()
    if code == -signal.SIGKILL:
        return OutOfMemory(
            "The system ended this work, most likely because memory ran out. Close other programs or choose fewer "
            "genes, then try again."
        )
    if code < 0:
        return StudioError(
            f"This work crashed (signal {-code}); if it was reading a file, that may be damaged. Nothing else was "
            f"affected. The details are in {log}."
        )
    return StudioError(f"Something unexpected went wrong: {child.last_words()}. The details are in {log}.")


def error_from(problem: Problem) -> StudioError:
    """The error of the class that ``problem.code`` names, as it was raised elsewhere."""
    kinds = [StudioError]
    for kind in kinds:
        if kind.code == problem.code:
            return kind(problem.message, remedies=problem.remedies)
        kinds.extend(kind.__subclasses__())
    return StudioError(problem.message, remedies=problem.remedies)
