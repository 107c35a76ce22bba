"""Heavy work in a process of its own, so that it neither slows the pages nor can take the server down.

    result = ChildRunner(folder).run({"action": ...}, name="inspect-ab12", on_progress=..., cancel=event)

The child speaks JSON lines on stdout (see ``_worker``), its stderr goes to ``<folder>/<name>.log``. It ends
by itself when this process dies, because its stdin closes.
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

from backend.datasets._atomic import temporary, write_json
from backend.errors import OutOfMemory, StudioError
from backend.settings import PROJECT
from backend.types import Problem

OnProgress = Callable[[float | None, str], None]
_POLL = 0.1  # seconds between looks at the cancel event
_GRACE = 3.0  # seconds between asking the child to end and ending it


class WorkCanceled(Exception):
    """The work was asked to end before it was done."""


class ChildRunner:
    """Runs one request in a child process and waits for its result."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def run(
        self, request: dict[str, Any], *, name: str, on_progress: OnProgress, cancel: threading.Event
    ) -> dict[str, Any]:
        """Run ``request`` and return its result.

        Raises
        ------
        StudioError
            What the child reported, or that it crashed.
        WorkCanceled
            ``cancel`` was set; the child has ended.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        request_path = temporary(self._folder, ".request")
        log_path = self._folder / f"{name}.log"
        write_json(request_path, request)
        try:
            with log_path.open("wb") as log:
                child = subprocess.Popen(
                    [sys.executable, "-m", "backend.datasets._worker", str(request_path)],
                    cwd=PROJECT,
                    stdin=subprocess.PIPE,  # never written to: its end tells the child that we died
                    stdout=subprocess.PIPE,
                    stderr=log,
                    start_new_session=True,  # Ctrl-C is for the server, which then ends the child
                )
            try:
                return self._follow(child, on_progress, cancel, log_path)
            finally:
                _end(child)
        finally:
            request_path.unlink(missing_ok=True)

    def _follow(
        self, child: subprocess.Popen[bytes], on_progress: OnProgress, cancel: threading.Event, log_path: Path
    ) -> dict[str, Any]:
        for message in _messages(child, cancel):
            if "result" in message:
                return message["result"]
            if "problem" in message:
                raise error_from(Problem.from_dict(message["problem"]))
            on_progress(message.get("progress"), message.get("phase", ""))
        code = child.wait()
        if code > 0:
            raise StudioError(
                f"Something unexpected went wrong: {_last_line(log_path)}. The details are in {log_path}."
            )
        if code == -signal.SIGKILL:
            raise OutOfMemory(
                "The system ended the work on this file, most likely because memory ran out. "
                "Close other programs or choose fewer genes, then try again."
            )
        raise StudioError(
            f"Reading this file crashed (signal {-code}); it may be damaged. Nothing else was affected. "
            f"The details are in {log_path}."
        )


def error_from(problem: Problem) -> StudioError:
    """The error of the class that ``problem.code`` names, as it was raised elsewhere."""
    kinds = [StudioError]
    for kind in kinds:
        if kind.code == problem.code:
            return kind(problem.message, remedies=problem.remedies)
        kinds.extend(kind.__subclasses__())
    return StudioError(problem.message, remedies=problem.remedies)


def _last_line(log_path: Path) -> str:
    lines = log_path.read_text(encoding="utf-8", errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "the work ended without a word")


def _messages(child: subprocess.Popen[bytes], cancel: threading.Event) -> Iterator[dict[str, Any]]:
    assert child.stdout is not None
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        while True:
            if cancel.is_set():
                raise WorkCanceled
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
