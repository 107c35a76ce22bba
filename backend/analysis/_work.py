"""Do an analysis with all it needs, in order, each step kept as soon as it is done.

    steps = missing(store, kinds, "umap", options); perform_steps(steps, run, kinds, progress, check)

The same code runs on the compute thread and, as ``python -m``, in a process of its own.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..jobs import OnProgress, part, serve
from ..types import DatasetRef, RunRecord
from ._kind import Context, Kind, Options, Step
from ._results import AnalysisResult, ResultStore

Kinds = Mapping[str, Kind]


@dataclass(frozen=True)
class Run:
    """The run that is looked into. Without ``dataset`` only its latent space can be."""

    record: RunRecord
    dataset: DatasetRef | None
    run_dir: Path
    threads: int | None = None  # processor threads to use; None: what libraries choose

    def to_dict(self) -> dict[str, Any]:
        return {
            "record": self.record.to_dict(),
            "dataset": self.dataset.to_dict() if self.dataset else None,
            "run_dir": str(self.run_dir.resolve()),
            "threads": self.threads,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Run:
        dataset = DatasetRef.from_dict(data["dataset"]) if data["dataset"] else None
        return cls(RunRecord.from_dict(data["record"]), dataset, Path(data["run_dir"]), data["threads"])


def missing(store: ResultStore, kinds: Kinds, name: str, options: Options) -> list[Step]:
    """What is still to be made, what others build on first, ``name`` itself last."""
    steps: list[Step] = []

    def visit(name: str, options: Options) -> None:
        wanted = kinds[name].wanted(options)
        if (name, wanted.options) in steps or store.find(wanted) is not None:
            return
        for needed in kinds[name].needs(wanted.options):
            visit(*needed)
        steps.append((name, wanted.options))

    visit(name, options)
    return steps


def perform_steps(
    steps: Sequence[Step], run: Run, kinds: Kinds, progress: OnProgress, check: Callable[[], None]
) -> None:
    """``progress`` and ``check`` end the work when it should end."""
    weights = [kinds[name].weight for name, _ in steps]
    for number, (name, options) in enumerate(steps):
        begin, end = sum(weights[:number]) / sum(weights), sum(weights[: number + 1]) / sum(weights)
        _perform(kinds[name], options, run, kinds, part(progress, begin, end), check)


def _perform(
    kind: Kind, options: Options, run: Run, kinds: Kinds, progress: OnProgress, check: Callable[[], None]
) -> None:
    check()
    store = ResultStore(run.run_dir)
    begun = time.perf_counter()

    def find(name: str, wanted: Options) -> AnalysisResult | None:
        return store.find(kinds[name].wanted(wanted))

    with store.building(kind.wanted(options)) as (folder, meta):
        context = Context(run.record, run.dataset, run.run_dir, folder, find, check, run.threads)
        try:
            meta["facts"] = kind.perform(context, options, progress) or {}
        finally:
            context.close()
        check()
        meta["seconds"] = time.perf_counter() - begun
        meta["made_at"] = time.time()


def _in_child(request: dict[str, Any], progress: OnProgress) -> dict[str, Any]:
    from ._kinds import KINDS

    steps = [(name, options) for name, options in request["steps"]]
    perform_steps(
        steps, Run.from_dict(request["run"]), KINDS, progress, lambda: None
    )  # it is ended from outside
    return {}


if __name__ == "__main__":
    sys.exit(serve(_in_child, niceness=2))
