"""``Groups``: begin, steer and look at groups of runs.

    group = groups.sweep(SweepPlan(base)); groups.pause(group.group_id); groups.progress(group.group_id)

The members are ordinary runs of the one queue; a group only remembers which they are and whether they may be
taken. All of it lives in the registry, so a restart changes nothing. Everything is checked before any run is
queued. A group is not the place for results: those are the runs' own.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Iterable
from typing import Any, Protocol

from ..errors import BadInput, Conflict
from ..registry import RunRegistry
from ..runs import RunService, clean_name
from ..storage import FileLock
from ..types import (
    Accelerator,
    DatasetRef,
    GroupProgress,
    GroupRecord,
    Notice,
    RunRecord,
    RunSpec,
    RunStatus,
    SweepEstimate,
    SweepPlan,
)
from ._grid import Contestants, contestants, grid, same_run, suggested_contestants, union
from ._progress import Pace, progress

_MEASURED = (RunStatus.FINISHED, RunStatus.STOPPED)


class Datasets(Protocol):
    def dataset(self, dataset_id: str) -> DatasetRef: ...


class Devices(Protocol):
    def accelerators(self) -> list[Accelerator]: ...


class Groups:
    def __init__(self, registry: RunRegistry, runs: RunService, datasets: Datasets, devices: Devices) -> None:
        self._registry = registry
        self._runs = runs
        self._datasets = datasets
        self._devices = devices
        self._held: dict[str, FileLock] = {}  # groups this process executes itself

    def close(self) -> None:
        while self._held:
            self._held.popitem()[1].release()

    # --- beginning ---

    def sweep(
        self, plan: SweepPlan, name: str = "", *, origin: str = "dashboard", hold: bool = False
    ) -> GroupRecord:
        """Queue every point of the grid. With ``hold`` no worker takes them: this process asks ``next_here``.

        Raises
        ------
        BadInput
            Something cannot be trained; the sentence says what to change, and nothing was queued.
        """
        specs, notices = self._grid(plan)
        return self._begin("sweep", name, specs, origin, hold, plan=plan, notices=notices)

    def duel(
        self,
        base: RunSpec,
        changes: Contestants,
        name: str = "",
        *,
        origin: str = "dashboard",
        hold: bool = False,
    ) -> GroupRecord:
        """Queue two runs that differ from ``base`` by ``changes``."""
        specs = contestants(base, changes, self._runs.check)
        return self._begin("duel", name, specs, origin, hold)

    def suggested_contestants(self) -> Contestants:
        """CPU against the GPU here, else stock against fused."""
        return suggested_contestants(self._devices.accelerators())

    def estimate(self, plan: SweepPlan) -> SweepEstimate:
        """How many runs and how long, queueing nothing. Never blocks; raises like ``sweep``."""
        specs, notices = self._grid(plan)
        pace = Pace(self._datasets.dataset(plan.base.dataset_id).n_obs)
        pace.ask(specs, self._runs.estimate)
        largest = self._runs.estimate(max(specs, key=lambda spec: (spec.engine == "stock", spec.batch_size)))
        at_once = min(len(specs), len(self._runs.workers()))
        seconds = pace.total(specs)
        return SweepEstimate(
            len(specs),
            None if seconds is None else seconds / at_once,
            pace.measuring,
            notices,
            largest.fits,
            largest.memory_bytes,
        )

    def extend(self, group_id: str, plan: SweepPlan) -> GroupRecord:
        """Queue the points of ``plan`` that the sweep does not have yet, those canceled before included.

        Raises
        ------
        BadInput
            Every point is there already, or one cannot be trained.
        """
        group = self.get(group_id)
        if group.kind != "sweep" or group.plan is None:
            raise Conflict("Only a sweep can be extended.")
        if plan.base.dataset_id != group.dataset_id:
            raise BadInput("A sweep trains on one data set. Start a new sweep for another one.")
        specs, notices = self._grid(plan)
        runs = self.runs(group_id)
        there = {same_run(run.spec) for run in runs if run.status is not RunStatus.CANCELED}
        new = [spec for spec in specs if same_run(spec) not in there]
        if not new:
            raise BadInput("Nothing to add: this sweep has all of these points already.")
        wanted = {same_run(spec) for spec in new}
        for run in runs:
            if run.status is RunStatus.CANCELED and same_run(run.spec) in wanted:
                self._runs.delete(run.run_id)
        known = tuple(dict.fromkeys([*group.notices, *notices]))
        self._registry.update_group(group_id, plan=union(group.plan, plan), notices=known)
        self._submit(group_id, new, "dashboard")
        return self.get(group_id)

    # --- asking ---

    def get(self, group_id: str) -> GroupRecord:
        return self._registry.group(group_id)

    def runs(self, group_id: str) -> list[RunRecord]:
        """In the order they were queued."""
        return self._runs.list(group_id=group_id)[::-1]

    def progress(self, group_id: str) -> GroupProgress:
        group, runs = self.get(group_id), self.runs(group_id)
        pace = Pace(runs[0].n_obs if runs else 0)
        pace.learn(run for run in runs if run.status in _MEASURED)
        waiting = [run.spec for run in runs if run.status in (RunStatus.QUEUED, RunStatus.RUNNING)]
        if waiting:
            pace.learn(run for run in runs if run.status is RunStatus.RUNNING and run.epoch)
            pace.ask(waiting, self._runs.estimate)
        elsewhere = self._executed_elsewhere(group_id)
        one_by_one = elsewhere or group.kind == "duel"  # another process trains them itself
        at_once = 1 if one_by_one else len(self._runs.workers())
        return progress(group, runs, pace, elsewhere=elsewhere, at_once=at_once)

    # --- steering ---

    def pause(self, group_id: str) -> GroupRecord:
        """The runs that wait are not taken; the one that runs goes on to its end."""
        return self._registry.update_group(group_id, paused=True)

    def resume(self, group_id: str) -> GroupRecord:
        """Go on, with the runs that were interrupted first."""
        for run in self.runs(group_id):
            if run.status is RunStatus.INTERRUPTED:
                self._runs.resume(run.run_id)
        self._put_in_order(group_id)
        group = self._registry.update_group(group_id, paused=False)
        self._runs.wake()
        return group

    def cancel(self, group_id: str) -> GroupRecord:
        """Discard what has not ended: the runs that wait and the one that runs. Finished runs stay."""
        for wanted in (RunStatus.QUEUED, RunStatus.RUNNING):  # in this order, or the next would be taken
            for run in self.runs(group_id):
                if run.status is wanted:
                    self._cancel(run.run_id)
        return self._registry.update_group(group_id, paused=False)

    def rename(self, group_id: str, name: str) -> GroupRecord:
        if not clean_name(name):
            raise BadInput("A group of runs needs a name. Type at least one letter.")
        return self._registry.update_group(group_id, name=clean_name(name))

    def annotate(self, group_id: str, note: str) -> GroupRecord:
        return self._registry.update_group(group_id, note=note.strip()[:10_000])

    def delete(self, group_id: str, *, keep_runs: bool = False) -> None:
        """Remove a group with its runs, or dissolve it and keep them. Not while one of them runs."""
        group, runs = self.get(group_id), self.runs(group_id)
        if any(run.status is RunStatus.RUNNING for run in runs):
            raise Conflict(f"A run of {group.name} is being trained. Cancel the rest first, then delete it.")
        for run in runs:
            if run.status is RunStatus.QUEUED:
                self._cancel(run.run_id)
        if not keep_runs:
            for run in runs:
                self._runs.delete(run.run_id)
        self._registry.remove_group(group_id)

    # --- executing here ---

    def hold(self, group_id: str) -> None:
        """From now on this process executes the group's runs, and no other one."""
        lock = self._runs.group_lock(group_id)
        if group_id not in self._held:
            if not lock.acquire():
                raise Conflict("Another process trains this group of runs already.")
            self._held[group_id] = lock

    def next_here(self, group_id: str) -> RunRecord | None:
        """The next run of a held group that waits; None where none does."""
        assert group_id in self._held, "hold(group_id) was not called"
        return next((run for run in self._runs.queue() if run.group_id == group_id), None)

    # --- inside ---

    def _grid(self, plan: SweepPlan) -> tuple[list[RunSpec], tuple[Notice, ...]]:
        dataset = self._datasets.dataset(plan.base.dataset_id)
        return grid(plan, dataset.n_obs, self._runs.check)

    def _begin(
        self, kind: str, name: str, specs: Iterable[RunSpec], origin: str, hold: bool, **more: Any
    ) -> GroupRecord:
        specs, now = list(specs), time.time()
        group = GroupRecord(
            group_id=f"{time.strftime('%Y%m%d-%H%M%S', time.localtime(now))}-{kind}-{secrets.token_hex(3)}",
            kind=kind,
            name=clean_name(name) or self._default_name(kind, specs[0].dataset_name),
            created_at=now,
            dataset_id=specs[0].dataset_id,
            **more,
        )
        if hold:
            self.hold(group.group_id)
        self._registry.add_group(group)
        self._submit(group.group_id, specs, origin)
        return group

    def _submit(self, group_id: str, specs: Iterable[RunSpec], origin: str) -> None:
        for spec in specs:
            self._runs.submit(spec, group_id=group_id, origin=origin)

    def _default_name(self, kind: str, dataset_name: str) -> str:
        base, number = f"{kind.capitalize()} on {dataset_name[:80]}", 1
        taken = {group.name for group in self.list()}
        name = base
        while name in taken:
            number += 1
            name = f"{base} ({number})"
        return name

    def _cancel(self, run_id: str) -> None:
        with contextlib.suppress(Conflict):  # it has just ended by itself
            self._runs.cancel(run_id)

    def _put_in_order(self, group_id: str) -> None:
        """Give the places that the group's runs have in the queue to them in their first order."""
        queue = [run.run_id for run in self._runs.queue()]
        ours = {run.run_id: None for run in self.runs(group_id) if run.run_id in set(queue)}
        ordered = iter(ours)
        self._registry.place([next(ordered) if run_id in ours else run_id for run_id in queue])

    def _executed_elsewhere(self, group_id: str) -> bool:
        return group_id not in self._held and self._runs.group_lock(group_id).held_by_someone

    def list(self) -> list[GroupRecord]:
        """All groups, newest first."""
        return [*self._registry.groups()]
