"""The run's own log: what Python logs in the training thread goes to ``run_dir/log.txt``.

    with RunLog(path) as log: log.line("…"); ...; log.traceback()

Other threads, and so other runs and the pages, are left out.
"""

from __future__ import annotations

import logging
import threading
import time
import traceback
from pathlib import Path
from types import TracebackType

# scvi-tools and Lightning may not pass their records on to the root logger, so they are asked as well.
_SOURCES = ("", "scvi", "lightning", "lightning.pytorch", "lightning.fabric", "py.warnings")


class RunLog(logging.Handler):
    def __init__(self, path: Path) -> None:
        super().__init__(logging.INFO)
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        self._path = path
        self._thread: int | None = None

    def __enter__(self) -> RunLog:
        self._thread = threading.get_ident()
        ours = logging.getLogger("backend")
        if ours.level == logging.NOTSET:
            ours.setLevel(logging.INFO)
        for name in _SOURCES:
            logging.getLogger(name).addHandler(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name in _SOURCES:
            logging.getLogger(name).removeHandler(self)
        self.close()

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread != self._thread or getattr(record, "_in_run_log", None) is self:
            return
        record._in_run_log = self  # a record that propagates comes by more than once
        self._write(self.format(record))

    def line(self, text: str) -> None:
        self._write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}")

    def traceback(self) -> None:
        """Write the error being handled, in full."""
        self._write(traceback.format_exc())

    def _write(self, text: str) -> None:
        try:
            with self._path.open("a", encoding="utf-8", errors="replace") as file:
                file.write(text.rstrip("\n") + "\n")
        except OSError:
            pass  # a full disk must not end the training; the record carries the sentence
