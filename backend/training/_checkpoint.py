"""Checkpoints at the end of an epoch, and how a run goes on from one.

The state of the last complete epoch is always in memory (a diverged run falls back on it); it goes to disk
when enough time or epochs have passed, and when the run ends in whatever way. On the CPU a resumed run
gives the same numbers as one that was never interrupted. Files are our own and still loaded without
unpickling code.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.plugins.io import CheckpointIO

from ..errors import BadFile, BadInput, Unwritable
from ..storage import replacing
from ..types import Remedy, RunSpec
from ._resuming import CHECKPOINTS, checkpoint_path, epoch_of, latest_checkpoint
from ._space import Space, nbytes
from ._watch import HistoryLogger, RunWatch

# scvi-tools' models and what Lightning hands over have no types: ``Any``.

KEY = "scvi_studio"  # what is ours in a checkpoint, the rest is as Lightning has it
_EVERY_EPOCHS = 25
_MAY_CHANGE = {"max_epochs", "accelerator", "dataset_name"}


class CheckpointStore(CheckpointIO):
    """Each engine hands its state here; it is copied to the CPU and kept."""

    def __init__(self) -> None:
        self.latest: dict[str, Any] | None = None

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        copied = _copy_to_cpu(checkpoint)
        if all(bool(torch.isfinite(t).all()) for t in copied["state_dict"].values() if t.is_floating_point()):
            self.latest = copied

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> Any:
        return load(Path(path))

    def remove_checkpoint(self, path: Any) -> None:
        Path(path).unlink(missing_ok=True)


class Checkpoints(Callback):
    """Takes the state at the end of every epoch. Must be the last callback: it keeps what the others did."""

    def __init__(
        self,
        store: CheckpointStore,
        watch: RunWatch,
        history: HistoryLogger,
        spec: RunSpec,
        run_dir: Path,
        space: Space,
        every_seconds: float,
        before_write: Callable[[], object],
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._watch = watch
        self._history = history
        self._spec = spec
        self._run_dir = run_dir
        self._space = space
        self._every_seconds = every_seconds
        self._before_write = before_write
        self._clock = clock
        self._written_at = clock()
        self.written_epoch = 0  # the last one on disk
        self._try_again_at = -math.inf
        self._random_state: dict[str, Any] | None = None

    def on_save_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        checkpoint[KEY] = {
            "epoch": self._watch.epochs,
            "elapsed": self._watch.seconds(),
            "spec": self._spec.to_dict(),
            "random": capture_random_state(),
        }

    def on_load_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        ours = checkpoint[KEY]
        self._random_state = ours["random"]
        self._watch.epochs = self.written_epoch = ours["epoch"]
        self._watch.steps = checkpoint["global_step"]
        self._watch.earlier_seconds = ours["elapsed"]
        self._history.series = {name: dict(values) for name, values in ours["history"].items()}

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        if self._random_state is not None:
            restore_random_state(self._random_state)
            self._random_state = None
            if (lightning := getattr(trainer, "fit_loop", None)) is not None:
                # It has made the epoch's iterator already, before the state of that moment was back; an
                # uninterrupted run makes it just after this hook.
                iter(lightning._data_fetcher)
        elif self._store.latest is not None and self._due():
            self.write()

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        if not self._watch.partial and not self._watch.diverged:
            trainer.save_checkpoint(self._run_dir / CHECKPOINTS)
            kept = self._store.latest
            if (
                kept is None or kept[KEY]["epoch"] != self._watch.epochs
            ):  # weights not finite after the last step
                self._watch.epochs -= 1
                self._watch.diverged = self._watch.partial = trainer.should_stop = True

    def _due(self) -> bool:
        now = self._clock()
        return now >= self._try_again_at and (
            now - self._written_at >= self._every_seconds
            or self._watch.epochs - self.written_epoch >= _EVERY_EPOCHS
        )

    def write(self) -> bool:
        """Put the last complete epoch on disk where there is room for it; False where there is none."""
        kept = self._store.latest
        if kept is None or kept[KEY]["epoch"] == self.written_epoch:
            return True
        began = self._clock()
        saved = self._space.save_checkpoint(nbytes(kept), self.written_epoch, partial(self._write, kept))
        if (
            not saved
        ):  # an attempt takes seconds where the registry cannot be written: most of the time is training's
            now = self._clock()
            self._try_again_at = now + max(1.0, 5 * (now - began))
        return saved

    def write_now(self) -> None:
        """The same, raising ``NoSpace`` or ``Unwritable`` where it cannot be done."""
        kept = self._store.latest
        if kept is not None and kept[KEY]["epoch"] != self.written_epoch and not self._write(kept):
            raise Unwritable("The numbers of this run could not be written yet.")

    def _write(self, kept: dict[str, Any]) -> bool:
        """Write, then drop the one before; False where the numbers up to here are not in safe keeping."""
        if not self._space.in_place:
            raise Unwritable(f"The folder {self._run_dir} is gone.")  # and is not made anew
        if self._before_write() is False:
            return False
        epoch = kept[KEY]["epoch"]
        kept[KEY]["history"] = self._history.until(epoch)
        path = checkpoint_path(self._run_dir, epoch)
        with replacing(path, "the checkpoint") as beside:
            torch.save(kept, beside)
        for older in path.parent.glob("epoch-*.ckpt"):
            if epoch_of(older) < epoch:
                older.unlink()
        self._written_at = self._clock()
        self.written_epoch = epoch
        return True


def load(path: Path) -> dict[str, Any]:
    try:
        checkpoint: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        checkpoint[KEY]["epoch"]
    except Exception as error:
        again = Remedy("Start the run again from the beginning", "resubmit")
        raise BadFile("The checkpoint of this run cannot be read.", remedies=(again,)) from error
    return checkpoint


def find_to_resume(run_dir: Path, spec: RunSpec) -> Path | None:
    """The checkpoint to go on from; refuses one made with other settings."""
    path = latest_checkpoint(run_dir)
    if path is None:
        return None
    before = RunSpec.from_dict(load(path)[KEY]["spec"]).to_dict()
    changed = [k for k, v in spec.to_dict().items() if k not in _MAY_CHANGE and before[k] != v]
    if changed:
        raise BadInput(f"A run cannot be resumed with other settings; changed: {', '.join(changed)}.")
    if epoch_of(path) > spec.max_epochs:
        raise BadInput(
            f"The run has {epoch_of(path)} epochs already, more than the {spec.max_epochs} asked for."
        )
    return path


def capture_random_state() -> dict[str, Any]:
    legacy: Any = np.random.get_state(legacy=True)
    name, keys, position, has_gauss, cached = legacy
    state: dict[str, Any] = {
        "torch": torch.get_rng_state(),
        "numpy": (
            name,
            torch.from_numpy(keys.astype(np.int64)),
            int(position),
            int(has_gauss),
            float(cached),
        ),
        "python": random.getstate(),
    }
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state_all()
    if torch.backends.mps.is_available():
        state["mps"] = torch.mps.get_rng_state()
    return state


def restore_random_state(state: Mapping[str, Any]) -> None:
    torch.set_rng_state(state["torch"])
    name, keys, *rest = state["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), *rest))
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))
    if "cuda" in state and torch.cuda.device_count() == len(state["cuda"]):
        torch.cuda.set_rng_state_all(state["cuda"])
    if "mps" in state and torch.backends.mps.is_available():
        torch.mps.set_rng_state(state["mps"])


def _copy_to_cpu(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, Mapping):
        return {key: _copy_to_cpu(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_copy_to_cpu(item) for item in value]
    if isinstance(value, tuple):
        return tuple(_copy_to_cpu(item) for item in value)
    return value
