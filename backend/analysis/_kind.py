"""What a kind of analysis is: a pure function from a run to files, and how it is to be run.

    KIND = Kind("umap", "Map of the cells", perform, defaults={"n_neighbors": 15}, separate=True)

``perform(context, options, progress)`` writes into ``context.folder`` and may return a small dictionary of
facts that go to ``meta.json``. ``progress(0.4, "placing the cells")`` also raises when the job was canceled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ._context import Context

Options = Mapping[str, Any]
Step = tuple[str, dict[str, Any]]  # name of a kind, its options


class Progress(Protocol):
    def __call__(self, fraction: float | None, phase: str = "") -> None:
        """Tell how far the work is; raises ``AnalysisCanceled`` when it was asked to end."""


def _nothing(options: Options) -> tuple[Step, ...]:
    return ()


@dataclass(frozen=True)
class Kind:
    """One way to look into a run."""

    name: str
    title: str  # of the job, before "of <run>"
    perform: Callable[[Context, Options, Progress], dict[str, Any] | None]
    defaults: Mapping[str, Any] = field(default_factory=dict)  # every option there is
    needs: Callable[[Options], tuple[Step, ...]] = _nothing  # what is made first, in this order
    needs_latent: bool = True  # refuse a run that has no latent space yet
    separate: bool = False  # in a process of its own: what holds Python's lock for long would stall the pages
    weight: float = 1.0  # share of a job's progress bar, where the job has several steps
    version: int = 1  # raise it when results of before no longer fit

    def complete(self, options: Options) -> dict[str, Any]:
        """``options`` with the defaults of those not given, in one order."""
        unknown = set(options) - set(self.defaults)
        assert not unknown, f"{self.name} has no option {sorted(unknown)}"
        return {name: options.get(name, default) for name, default in sorted(self.defaults.items())}
