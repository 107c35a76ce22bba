"""Where a run lives on disk with the lock of its process, which run is next, and what becomes of those whose died."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Sequence
from pathlib import Path

from ..errors import NotFound
from ..registry import RunRegistry
from ..storage import FileLock, clear_leftovers, discard
from ..types import Place, RunRecord, RunStatus, lasting
from . import _undo


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


class RunQueue:
    def __init__(self, registry: RunRegistry, folders: RunFolders) -> None:
        self._registry = registry
        self._folders = folders

    def waiting(self) -> list[RunRecord]:
        """Queued runs, the next one first."""
        queued = self._registry.list(status=RunStatus.QUEUED)
        return sorted(queued, key=lambda record: (record.position, record.created_at))

    def move(self, run_id: str, where: str) -> None:
        order = [record.run_id for record in self.waiting()]
        if run_id not in order:
            return
        index = order.index(run_id)
        order.pop(index)
        order.insert({"up": max(0, index - 1), "down": index + 1, "top": 0}[where], run_id)
        self._registry.place(order)

    def take_next(self, places: Sequence[Place]) -> tuple[RunRecord, FileLock, Place] | None:
        """Claim the next run for this process, and say where it is to be trained.

        Passed over is what is paused, what another process holds, and what no place has room for now.
        """
        waiting = self.waiting()
        left_alone = self._registry.paused_groups() | self._held_groups({r.group_id for r in waiting})
        for record in waiting:
            if record.group_id in left_alone or (place := self._place_for(record, places)) is None:
                continue
            lock = self._folders.lock(record.run_id)
            if not lock.acquire():
                continue
            claimed = None
            try:
                claimed = self.claim(record.run_id, place.name)
            finally:
                if claimed is None:
                    lock.release()
            if claimed is not None:
                return claimed, lock, place
        return None

    def _place_for(self, record: RunRecord, places: Sequence[Place]) -> Place | None:
        """A place with room that has the run's device, without a card where it needs none; None where there is none."""
        suited = [
            one
            for one in places
            if one.room and (not one.accelerators or record.spec.accelerator in one.accelerators)
        ]
        if suited and len(places) > 1 and record.group_id and self._is_duel(record.group_id):
            others = [one for one in self._registry.list(group_id=record.group_id) if one != record]
            if any(one.status is RunStatus.RUNNING for one in others):
                return None  # one after the other, or they slow each other
            there = {one.name for one in places if one.name} & {one.worker for one in others}
            suited = [one for one in suited if not there or one.name in there]
        return min(suited, key=lambda one: "cuda" in one.accelerators, default=None)

    def _is_duel(self, group_id: str) -> bool:
        try:
            return self._registry.group(group_id).kind == "duel"
        except NotFound:
            return False

    def _held_groups(self, group_ids: set[str]) -> set[str]:
        return {one for one in group_ids if one and self._folders.group_lock(one).held_by_someone}

    def claim(self, run_id: str, worker: str = "") -> RunRecord | None:
        """``queued`` to ``running``; None where it is queued no more. The caller holds the run's lock."""
        try:
            record = self._registry.get(run_id)
            self._folders.tidy(run_id)
            return self._registry.transition(
                run_id,
                {RunStatus.QUEUED},
                status=RunStatus.RUNNING,
                phase="starting",
                worker=worker,
                requested="",
                problem=None,
                started_at=record.started_at or time.time(),
                ended_at=None,
            )
        except NotFound:  # deleted meanwhile
            return None

    def recover(self) -> None:
        """Mark runs whose process died as interrupted."""
        for record in self._registry.list(status=RunStatus.RUNNING):
            if self._folders.lock(record.run_id).held_by_someone:
                continue
            lock = self._folders.lock(record.run_id)
            if lock.acquire():
                try:
                    self._declare_dead(record)
                finally:
                    lock.release()

    def _declare_dead(self, record: RunRecord) -> None:
        # What the dead process was asked last is still obeyed where that needs no training.
        discard = record.requested == "cancel" and _undo.kept(self._folders.path(record.run_id)) is None
        ended = self._registry.transition(
            record.run_id,
            {RunStatus.RUNNING},
            status=RunStatus.CANCELED if discard else RunStatus.INTERRUPTED,
            phase="",
            requested="",
            notices=lasting(record.notices),
            ended_at=time.time(),
        )
        if discard and ended is not None:
            _undo.discard_products(self._folders.path(record.run_id))
