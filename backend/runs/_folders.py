"""Where a run lives on disk, and the lock that says whether the process that executes it is alive."""

from __future__ import annotations

import re
import secrets
import time
from pathlib import Path

from ..errors import NotFound
from ..storage import FileLock, clear_leftovers, discard


class RunFolders:
    def __init__(self, runs_dir: Path) -> None:
        self._runs_dir = runs_dir

    @staticmethod
    def new_id(now: float) -> str:
        """Sorts by time, is safe in a path and in an address."""
        return f"{time.strftime('%Y%m%d-%H%M%S', time.localtime(now))}-{secrets.token_hex(3)}"

    def path(self, run_id: str) -> Path:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", run_id):
            raise NotFound("There is no such run.")
        return self._runs_dir / run_id

    def lock(self, run_id: str) -> FileLock:
        return FileLock(self.path(run_id) / ".lock")

    def group_lock(self, group_id: str) -> FileLock:
        """Held by the process that executes the runs of a group itself."""
        return FileLock(self.path(group_id).with_name(f".group-{group_id}.lock"))

    def remove(self, run_id: str) -> None:
        """Out of sight in one step, then gone."""
        discard(self.path(run_id))

    def tidy(self, run_id: str = "") -> None:
        """Remove what dead processes left half written: in one run, or in all of them."""
        if run_id:
            clear_leftovers(self.path(run_id), depth=1)
        else:
            clear_leftovers(self._runs_dir, depth=2)


def read_tail(path: Path, limit: int = 200_000) -> str:
    """The last ``limit`` bytes of a log, from the start of a line."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - limit))
            text = file.read().decode("utf-8", errors="replace")
    except FileNotFoundError:
        return ""
    return text if size <= limit else "…\n" + text.partition("\n")[2]
