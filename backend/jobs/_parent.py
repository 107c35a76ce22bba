"""The side that starts a child, hears what it says, and ends it.

The request goes in as one line of JSON on stdin, messages come out as lines of JSON on stdout; stderr, and whatever
libraries print, is the log. A child ends by itself when this process dies, because its stdin closes.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from ..errors import OutOfMemory, StudioError
from ..settings import PROJECT
from ..types import Problem
from ._child import OnProgress
from ._context import JobCanceled

_POLL = 0.1  # seconds between looks at the cancel event


class Child:
    """``python -m module`` at work on ``request``; leaving the ``with`` ends it.

    ``grace`` is the time in seconds between asking it to end and ending it.
    """

    def __init__(self, module: str, request: dict[str, Any], log: Path, *, grace: float = 3.0) -> None:
        self._module = module
        self._request = request
        self._log = log
        self._grace = grace

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
            )
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # it ended at once; the log says why
            self._process.stdin.write(json.dumps(self._request).encode() + b"\n")
            self._process.stdin.flush()
        return self

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
