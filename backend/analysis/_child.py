"""Steps of a job in a process of their own: libraries that hold Python's lock for seconds would stall the pages.

    run_in_child(request, folder, on_progress, canceled)

The compute thread waits for it, so there is still one computation at a time. Canceling ends the process. Its
stderr is ``<folder>/log.txt``. It ends by itself when this process dies, because its stdin closes.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from backend.analysis._stopping import AnalysisCanceled
from backend.errors import OutOfMemory, StudioError
from backend.settings import PROJECT
from backend.types import Problem

OnStep = Callable[[int, float | None, str], None]
LOG = "log.txt"
_POLL = 0.1  # seconds between looks at the cancel event
_GRACE = 1.0  # seconds between asking the child to end and ending it


class ChildFailed(StudioError):
    """What the child reported, as it was."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message, remedies=problem.remedies)
        self.code = problem.code


def run_in_child(request: dict[str, Any], folder: Path, on_step: OnStep, canceled: threading.Event) -> None:
    """Do ``request`` and return when it is done.

    Raises
    ------
    StudioError
        What the child reported, or that it crashed.
    AnalysisCanceled
        ``canceled`` was set; the child has ended.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path, log = folder / f".request-{uuid4().hex}.json", folder / LOG
    path.write_text(json.dumps(request), encoding="utf-8")
    try:
        with log.open("wb") as said:
            child = subprocess.Popen(
                [sys.executable, "-m", "backend.analysis._worker", str(path)],
                cwd=PROJECT,
                stdin=subprocess.PIPE,  # never written to: its end tells the child that we died
                stdout=subprocess.PIPE,
                stderr=said,
                start_new_session=True,  # Ctrl-C is for the server, which then ends the child
            )
        try:
            _follow(child, on_step, canceled, log)
        finally:
            _end(child)
    finally:
        path.unlink(missing_ok=True)


def _follow(child: subprocess.Popen[bytes], on_step: OnStep, canceled: threading.Event, log: Path) -> None:
    for message in _messages(child, canceled):
        if "done" in message:
            return
        if "problem" in message:
            raise ChildFailed(Problem.from_dict(message["problem"]))
        on_step(message["step"], message["progress"], message["phase"])
    code = child.wait()
    if code == -signal.SIGKILL:
        raise OutOfMemory(
            "The system ended this work, most likely because memory ran out. Close other programs and try again."
        )
    raise StudioError(f"Something unexpected went wrong: {_last_line(log, code)}. The details are in {log}.")


def _last_line(log: Path, code: int) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    other = f"the work ended without a word (code {code})"
    return next((line.strip() for line in reversed(lines) if line.strip()), other)[:300]


def _messages(child: subprocess.Popen[bytes], canceled: threading.Event) -> Iterator[dict[str, Any]]:
    assert child.stdout is not None
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        while True:
            if canceled.is_set():
                raise AnalysisCanceled
            if not selector.select(_POLL):
                continue
            block = os.read(child.stdout.fileno(), 1 << 16)
            if not block:
                return
            *lines, rest = (rest + block).split(b"\n")
            for line in lines:
                yield json.loads(line)


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(_GRACE)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()
