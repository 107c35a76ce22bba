"""What a run keeps so that it can go on: which cells train, and its checkpoint.

The split into training and validation is the one that scvi-tools' ``DataSplitter`` would make, written down. It is
computed once, kept in ``run_dir/split.npz`` and handed to scvi-tools as ``external_indexing``, so that a resumed or
extended run continues with the same cells. It draws from its own generator and leaves the global ones alone.

Checkpoints lie in ``run_dir/checkpoint/epoch-000012.ckpt``, one at a time. The epoch is in the name so that it can
be told without reading the file (and without torch).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import BadInput
from ..storage import write_arrays
from ..types import Notice, notice
from ._presets import training_cells

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

SPLIT = "split.npz"
CHECKPOINTS = "checkpoint"
_SMALLEST_TAIL = 3  # DataSplitter's own rule; BatchNorm cannot train on a minibatch of one


@dataclass(frozen=True)
class Split:
    """Positions of the cells among the prepared ones, shuffled."""

    train: npt.NDArray[np.intp]
    validation: npt.NDArray[np.intp]
    test: npt.NDArray[np.intp]  # left out; only where train_size is 1 and a tail had to go
    notices: tuple[Notice, ...] = ()

    def as_external_indexing(self) -> list[npt.NDArray[np.intp]]:
        return [self.train, self.validation, self.test]


def split_cells(n_obs: int, train_size: float, batch_size: int, seed: int | None) -> Split:
    """Shuffle and cut as ``DataSplitter(train_size=None)`` does.

    scvi-tools moves a last training minibatch of one or two cells to validation only where ``train_size`` was
    left at its default, and otherwise crashes on a tail of one. Here it is moved in either case.
    """
    import numpy as np

    n_train = training_cells(train_size, n_obs)
    n_validation = n_obs - n_train
    notices: tuple[Notice, ...] = ()
    tail = n_train % batch_size
    if 0 < tail < _SMALLEST_TAIL:
        n_train -= tail
        if n_validation:
            n_validation += tail
        notices = (notice("tail_moved", n=tail, to="validation" if n_validation else "aside"),)
    if n_train < _SMALLEST_TAIL:
        raise BadInput(f"{n_obs} cells are too few to train on: only {max(n_train, 0)} would be trained.")
    indices = np.random.RandomState(seed=seed).permutation(np.arange(n_obs))
    return Split(
        train=indices[n_validation : n_validation + n_train],
        validation=indices[:n_validation],
        test=indices[n_validation + n_train :],
        notices=notices,
    )


def save_split(split: Split, run_dir: Path) -> None:
    parts = {"train": split.train, "validation": split.validation, "test": split.test}
    write_arrays(run_dir / SPLIT, parts)


def load_split(run_dir: Path, n_obs: int) -> Split | None:
    """The split a run began with, or None where it never got so far."""
    import numpy as np

    path = run_dir / SPLIT
    if not path.exists():
        return None
    with np.load(path, allow_pickle=False) as stored:
        split = Split(stored["train"], stored["validation"], stored["test"])
    if sum(map(len, split.as_external_indexing())) != n_obs:
        raise BadInput("The data set is not the one this run was started with, so it cannot be resumed.")
    return split


# --- the checkpoint


def checkpoint_path(run_dir: Path, epoch: int) -> Path:
    return run_dir / CHECKPOINTS / f"epoch-{epoch:06d}.ckpt"


def latest_checkpoint(run_dir: Path) -> Path | None:
    found = sorted((run_dir / CHECKPOINTS).glob("epoch-*.ckpt"), key=epoch_of)
    return found[-1] if found else None


def epoch_of(path: Path) -> int:
    return int(path.stem.removeprefix("epoch-"))


def checkpoint_epoch(run_dir: Path) -> int:
    """Epochs a resumed run would not repeat; 0 where there is no checkpoint."""
    path = latest_checkpoint(run_dir)
    return epoch_of(path) if path else 0
