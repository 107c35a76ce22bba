"""Disk space for what a run leaves: checked and held before the first minibatch, waited for at the end.

A checkpoint that does not fit leaves training alive; the model waits in memory until there is room. What is going on
is told as notices that hold until the next ones.
"""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from ..errors import NoSpace, Unwritable
from ..storage import Reserve, is_full
from ..types import Notice, RunSpec, notice

# scvi-tools' models and what a checkpoint holds have no types: ``Any``.

logger = logging.getLogger("backend.training")

Standing = Callable[[tuple[Notice, ...]], object]

_LOOK_SECONDS = 0.3  # between looks for a request, while the end waits
_TRY_SECONDS = 5.0  # between attempts where the disk does not say what is left for us, as with a quota
_MARGIN = 1 << 20  # pictures of the cells, the run's log, what file systems keep for themselves


class Space:
    """For one training session.

    Parameters
    ----------
    tell
        Gets the notices that hold from now on; none where all is well.
    """

    def __init__(self, run_dir: Path, tell: Standing) -> None:
        self._run_dir = run_dir
        self._reserve = Reserve(run_dir)
        self._tell = tell
        self._told: tuple[Notice, ...] = ()
        self._checkpoint = 0  # bytes
        self._results = 0
        self._folder: os.stat_result | None = None

    def hold(self, model: Any, spec: RunSpec, *, has_checkpoint: bool) -> None:
        """Raise ``NoSpace`` where the disk cannot hold what the run will leave; hold the space for it otherwise."""
        state = nbytes(model.module.state_dict())
        trained = sum(one.nbytes for one in model.module.parameters() if one.requires_grad)
        n_obs, n_vars = model.adata.shape
        self._checkpoint = state + 2 * trained + 400 * spec.max_epochs  # Adam's two averages; the history
        names = 8 * n_obs + 64 * n_vars  # which cells trained, the genes
        self._results = state + names + 400 * spec.max_epochs + 4 * n_obs * spec.n_latent
        first = 0 if has_checkpoint else self._checkpoint
        self._folder = self._run_dir.stat()
        self._reserve.hold(first + self._later, "what this run will save (checkpoint and model)")

    @property
    def in_place(self) -> bool:
        """Whether the folder of the run is the one it had at the start."""
        try:
            return self._folder is not None and os.path.samestat(self._run_dir.stat(), self._folder)
        except OSError:
            return False

    @property
    def _later(self) -> int:
        """What is needed from the first checkpoint on: a second one beside it, or the results."""
        return max(self._checkpoint, self._results) + _MARGIN

    def save_checkpoint(self, size: int, epoch: int, write: Callable[[], bool]) -> bool:
        """``write`` a checkpoint of about ``size`` bytes, where that can be done now.

        Parameters
        ----------
        epoch
            The last one on disk.
        write
            Returns False where it must not be written yet.
        """
        self._checkpoint = max(self._checkpoint, size)
        try:
            if self._reserve.available < size:
                raise NoSpace("", missing=size - self._reserve.available)
            with self._reserve.lent(size=self._later):
                saved = write()
        except (NoSpace, Unwritable, OSError) as error:
            if isinstance(error, OSError) and not is_full(error) and self.in_place:
                raise
            saved = False
            logger.warning("a checkpoint could not be written: %s", error)
        if saved:
            self._say()
        else:
            self._say(notice("not_saved", epoch=epoch, missing=self._missing(size), severity="warning"))
        return saved

    def save_results(
        self,
        save: Callable[[], None],
        epoch: Callable[[], int],
        look: Callable[[], object],
        *,
        on_wait: Callable[[bool], object],
    ) -> None:
        """``save`` what the run leaves, as often as that takes.

        Parameters
        ----------
        epoch
            The last one on disk.
        look
            Called meanwhile; raises where the wait is to end.
        on_wait
            Called with True before a wait and with False after it.
        """
        while True:
            self._reserve.release()
            try:
                save()
            except (NoSpace, Unwritable) as error:
                logger.warning("the model could not be saved and waits in memory: %s", error)
            else:
                break
            on_wait(True)
            self._wait(epoch, look)
            on_wait(False)
        self._say()

    def release(self) -> None:
        self._reserve.release()

    # --- inside ---

    def _wait(self, epoch: Callable[[], int], look: Callable[[], object]) -> None:
        tried = time.monotonic()
        while time.monotonic() - tried < _TRY_SECONDS:
            missing = self._missing(self._later)
            self._say(notice("waiting_for_space", epoch=epoch(), missing=missing, severity="warning"))
            look()
            time.sleep(_LOOK_SECONDS)
            if missing and not self._missing(self._later):
                return

    def _missing(self, size: int) -> int:
        """Megabytes, rounded up, so that it does not change with every look; 0 where that is not known."""
        try:
            return max(0, math.ceil((size - self._reserve.available) / 1e6))
        except OSError:
            return 0

    def _say(self, *notices: Notice) -> None:
        if notices != self._told:
            self._told = notices
            self._tell(notices)


def nbytes(value: Any) -> int:
    """Bytes of all tensors in nested containers."""
    if isinstance(value, torch.Tensor):
        return value.nbytes
    if isinstance(value, Mapping):
        return sum(map(nbytes, value.values()))
    if isinstance(value, (list, tuple)):
        return sum(map(nbytes, value))
    return 0
