"""A worker process that is a thread: it hears and says the same lines of JSON, and a test can take part in it."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Iterator
from typing import Any

from backend.workers import Desk, Train
from backend.workers._serving import Serving


class PretendedProcess:
    """``ProcessWorker(desks, partial(PretendedProcess, train=train))``; ``die`` is what ``kill -9`` is for others."""

    def __init__(self, desk: Desk, train: Train) -> None:
        self.desk = desk
        self.pid = id(self)
        self._code: int | None = None
        self._said: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._heard: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._serving = Serving(self._say, train)
        threading.Thread(target=self._hear, daemon=True).start()

    def say(self, message: dict[str, Any]) -> None:
        if self._code is None:
            self._heard.put(json.dumps(message))

    def messages(self) -> Iterator[dict[str, Any]]:
        while (line := self._said.get()) is not None:
            yield json.loads(line)

    def end(self) -> int:
        return self.die(0)

    def die(self, signal: int = 9) -> int:
        if self._code is None:
            self._code = -signal
            self._heard.put(None)
            self._said.put(None)
        return self._code

    def _say(self, message: dict[str, Any]) -> None:
        if self._code is None:
            self._said.put(json.dumps(message))

    def _hear(self) -> None:
        while (line := self._heard.get()) is not None:
            self._serving.hear(json.loads(line))
