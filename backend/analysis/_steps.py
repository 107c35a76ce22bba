"""Do one analysis with all it needs, in order, each step kept as soon as it is done.

    for kind, options in missing(store, kind, options): perform_step(...)

The same code runs on the compute thread and in a child process (``_worker``).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..types import DatasetRef, RunRecord
from ._context import Context
from ._kind import Kind, Progress
from ._kinds import KINDS
from ._results import ResultStore

Plan = list[tuple[Kind, dict[str, Any]]]


def missing(store: ResultStore, kind: Kind, options: Mapping[str, Any]) -> Plan:
    """What is still to be made for ``kind``, what others build on first, itself last."""
    plan: Plan = []

    def visit(kind: Kind, options: Mapping[str, Any]) -> None:
        complete = kind.complete(options)
        if (kind, complete) in plan or store.find(kind, complete) is not None:
            return
        for name, needed in kind.needs(complete):
            visit(KINDS[name], needed)
        plan.append((kind, complete))

    visit(kind, options)
    return plan


def perform_step(
    kind: Kind,
    options: dict[str, Any],
    *,
    record: RunRecord,
    dataset: DatasetRef | None,
    run_dir: Path,
    progress: Progress,
    check: Callable[[], None],
    threads: int | None,
) -> None:
    store = ResultStore(run_dir)
    begun = time.perf_counter()
    with store.building(kind, options) as (folder, meta):

        def find(name: str, **wanted: Any) -> Any:
            return store.find(KINDS[name], wanted)

        context = Context(record, dataset, run_dir, folder, find, check, threads)
        try:
            meta["facts"] = kind.perform(context, options, progress) or {}
        finally:
            context.close()
        check()
        meta["seconds"] = time.perf_counter() - begun
        meta["made_at"] = time.time()
