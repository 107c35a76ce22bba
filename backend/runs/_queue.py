"""Which run is next, and what becomes of runs whose process died."""

from __future__ import annotations

import time

from ..errors import NotFound
from ..registry import RunRegistry
from ..storage import FileLock
from ..types import RunRecord, RunStatus
from . import _undo
from ._folders import RunFolders


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

    def take_next(self) -> tuple[RunRecord, FileLock] | None:
        """Claim the next run for this process; what is paused or another process holds is passed over."""
        waiting = self.waiting()
        left_alone = self._registry.paused_groups() | self._held_groups({r.group_id for r in waiting})
        for record in waiting:
            if record.group_id in left_alone:
                continue
            lock = self._folders.lock(record.run_id)
            if not lock.acquire():
                continue
            claimed = None
            try:
                claimed = self.claim(record.run_id)
            finally:
                if claimed is None:
                    lock.release()
            if claimed is not None:
                return claimed, lock
        return None

    def _held_groups(self, group_ids: set[str]) -> set[str]:
        return {one for one in group_ids if one and self._folders.group_lock(one).held_by_someone}

    def claim(self, run_id: str) -> RunRecord | None:
        """``queued`` to ``running``; None where it is queued no more. The caller holds the run's lock."""
        try:
            record = self._registry.get(run_id)
            self._folders.tidy(run_id)
            return self._registry.transition(
                run_id,
                {RunStatus.QUEUED},
                status=RunStatus.RUNNING,
                phase="starting",
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
            ended_at=time.time(),
        )
        if discard and ended is not None:
            _undo.discard_products(self._folders.path(record.run_id))
