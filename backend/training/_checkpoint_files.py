"""Where checkpoints lie: ``run_dir/checkpoint/epoch-000012.ckpt``, one at a time, written beside and renamed.

The epoch is in the name so that it can be told without reading the file (and without torch).
"""

from __future__ import annotations

from pathlib import Path

FOLDER = "checkpoint"


def checkpoint_path(run_dir: Path, epoch: int) -> Path:
    return run_dir / FOLDER / f"epoch-{epoch:06d}.ckpt"


def latest_checkpoint(run_dir: Path) -> Path | None:
    found = sorted((run_dir / FOLDER).glob("epoch-*.ckpt"), key=epoch_of)
    return found[-1] if found else None


def epoch_of(path: Path) -> int:
    return int(path.stem.removeprefix("epoch-"))


def checkpoint_epoch(run_dir: Path) -> int:
    """Epochs a resumed run would not repeat; 0 where there is no checkpoint."""
    path = latest_checkpoint(run_dir)
    return epoch_of(path) if path else 0
