"""Where a run lives on disk, and the lock that says whether the process that executes it is alive."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import time
from pathlib import Path

from ..errors import NotFound
from ..storage import FileLock


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
        """Out of sight in one step, then gone; a leftover of an earlier attempt goes as well."""
        folder = self.path(run_id)
        doomed = self._runs_dir / f".removed-{run_id}"
        shutil.rmtree(doomed, ignore_errors=True)
        if folder.exists():
            os.replace(folder, doomed)
            shutil.rmtree(doomed, ignore_errors=True)
