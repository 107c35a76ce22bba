"""How commands use the terminal: a progress bar, tables, and what Ctrl-C and a request to end do.

The bar shows the data first, then the epochs, and is silent where nobody looks.
"""

from __future__ import annotations

import contextlib
import math
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from types import FrameType, TracebackType

from tqdm import tqdm

from ..types import ELBO, MetricPoint, Notice, RunRecord
from ..words import sentence

TERMINATED = 143  # what a shell reports for SIGTERM

_DATA = "{desc:<28.28} {percentage:3.0f}%|{bar}| {elapsed}"
_EPOCHS = "{desc:<16.16} {percentage:3.0f}%|{bar}| {elapsed}<{remaining} {postfix}"


class Progress:
    def __init__(self, *, quiet: bool = False) -> None:
        self._shown = sys.stderr.isatty()
        self._quiet = quiet and not self._shown
        self._bar: tqdm | None = None
        self._steps = 1  # minibatches of an epoch
        self._epochs = 0
        self._facts: dict[str, str] = {}

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def phase(self, text: str, fraction: float | None = None) -> None:
        """What is being done to the data, and how much of it is done."""
        if self._bar is None:
            self._open(100, _DATA)
        if self._bar is not None:
            self._bar.set_description_str(text, refresh=False)
            self._bar.n = round(100 * (fraction or 0))
            self._bar.refresh()

    def expect(self, record: RunRecord) -> None:
        """From now on this run is followed."""
        self._close()
        spec = record.spec
        self._steps = max(1, math.ceil(record.n_obs * spec.train_size / spec.batch_size))
        self._epochs = spec.max_epochs
        for notice in record.notices:
            self.say(sentence(notice))
        self._open(self._epochs * self._steps, _EPOCHS)

    def follow(self, event: str | MetricPoint | Notice) -> None:
        """A phase or a metric point of the run, or what holds it up."""
        if isinstance(event, Notice):
            self.say(sentence(event))
            return
        if self._bar is None:
            return
        if isinstance(event, str):
            self._bar.set_description_str(event)
            return
        if event.step is not None:
            self._bar.set_description_str(f"epoch {event.epoch} of {self._epochs}", refresh=False)
            self._bar.update(max(0, event.step - self._bar.n))
            return
        if event.name in ("elbo_train", ELBO):
            self._facts[f"{event.name.removeprefix('elbo_')} ELBO"] = f"{event.value:.1f}"
        elif event.name == "cells_per_second":
            self._facts["cells/s"] = f"{event.value:,.0f}"
        self._bar.set_postfix(self._facts, refresh=False)
        self._bar.update(max(0, event.epoch * self._steps - self._bar.n))

    def say(self, line: str) -> None:
        if self._bar is not None:
            self._bar.write(line, file=sys.stderr)
        elif not self._quiet:
            print(line, file=sys.stderr)

    def _open(self, total: int, layout: str) -> None:
        if self._shown:
            tqdm.monitor_interval = 0  # no thread of its own
            self._bar = tqdm(total=total, bar_format=layout, file=sys.stderr, dynamic_ncols=True, leave=False)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


@contextlib.contextmanager
def terminable() -> Iterator[None]:
    """SIGTERM leaves in good order: a run becomes interrupted and can be resumed from the dashboard."""

    def terminated(number: int, frame: FrameType | None) -> None:
        raise SystemExit(TERMINATED)

    with handling(signal.SIGTERM, terminated):
        yield


@contextlib.contextmanager
def handling(number: signal.Signals, handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """``handler`` answers the signal; only the main thread may ask for that, elsewhere nothing changes."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, before)


def print_table(rows: Sequence[tuple[str, ...]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
