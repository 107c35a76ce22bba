"""One training run, from a spec to the files in ``run_dir``, in the calling thread.

Validates, chooses device and engine, builds the model, lets scvi-tools train it under our callbacks, and
saves. Raises ``StudioError`` for anything that went wrong; a stop and a divergence are results, not errors.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from pathlib import Path

from ..types import DatasetRef, MetricPoint, Notice, RunSpec, StartInfo, TrainingResult
from ._check import check_columns, check_settings
from ._clock import AwakeClock
from ._engines import make_engine
from ._failures import translate
from ._process import set_libraries_aside
from ._resuming import Split, load_split, save_split, split_cells

logger = logging.getLogger("backend.training")


def train(
    spec: RunSpec,
    dataset: DatasetRef,
    run_dir: Path,
    *,
    on_metric: Callable[[MetricPoint], None],
    on_phase: Callable[[str], None],
    on_start: Callable[[StartInfo], None],
    should_stop: Callable[[], bool],
    resume: bool = False,
    checkpoint_seconds: float = 30,
    before_checkpoint: Callable[[], object] = lambda: None,
    on_standing: Callable[[tuple[Notice, ...]], object] = lambda notices: None,
    clock: AwakeClock | None = None,
    pictures: bool = True,
) -> TrainingResult:
    """Train ``spec`` on ``dataset`` and leave the results in ``run_dir``.

    Parameters
    ----------
    on_metric
        Gets every ``MetricPoint``. What it raises is logged once and does not disturb the run.
    on_phase
        Gets what the run is doing: "loading data", "building the model", "training", "saving".
    on_start
        Gets the ``StartInfo`` just before the first minibatch, when the device is certain.
    should_stop
        Asked after every minibatch, so it should be quick; True ends the run there, with a usable model.
    resume
        Go on from the checkpoint in ``run_dir`` to ``spec.max_epochs``; also extends a finished run.
    checkpoint_seconds
        The least time between two checkpoints, which are taken at the end of an epoch.
    before_checkpoint
        Called before a checkpoint is written: what ``on_metric`` got so far must outlive the process from then
        on, because a resumed run does not tell those epochs again. Returns False where that cannot be had now.
    on_standing
        Gets the notices that hold until the next ones: a checkpoint that does not fit on the disk, a model that waits
        in memory for room.
    pictures
        Keep pictures of a sample of the cells in ``run_dir/frames`` now and then, for 3 % of the time at most.

    Raises
    ------
    BadInput
        The spec cannot be trained on this data set.
    DeviceUnavailable
        The accelerator is not there.
    NoSpace
        The disk cannot hold what the run would leave.
    OutOfMemory, TrainingFailed
        Anything else, as a sentence; the traceback goes to the logger ``backend.training``.
    """
    from ..devices import resolve_accelerator

    check_settings(spec)
    engine = make_engine(spec.engine)
    accelerator, notices = resolve_accelerator(spec.accelerator)
    run_dir.mkdir(parents=True, exist_ok=True)
    try:
        on_phase("loading data")
        from ..datasets import open_prepared

        set_libraries_aside()
        adata = open_prepared(dataset)
        check_columns(spec, adata)
        split, checkpoint = _where_to_begin(spec, adata.n_obs, run_dir, resume)

        on_phase("building the model")
        from ._session import Hooks, Session  # torch and scvi-tools: seconds to import

        with clock or AwakeClock() as awake:
            return Session(
                spec=spec,
                adata=adata,
                run_dir=run_dir,
                split=split,
                checkpoint=checkpoint,
                engine=engine,
                accelerator=accelerator,
                notices=notices + split.notices,
                hooks=Hooks(on_metric, on_phase, on_start, should_stop, before_checkpoint, on_standing),
                checkpoint_seconds=checkpoint_seconds,
                clock=awake,
                pictures=pictures,
            ).run()
    except Exception as error:
        ours = translate(error, spec, accelerator.name)
        if ours is error:
            raise
        logger.error("%s", ours, exc_info=error)
        raise ours from error


def _where_to_begin(spec: RunSpec, n_obs: int, run_dir: Path, resume: bool) -> tuple[Split, Path | None]:
    """The split and the checkpoint to go on from; a fresh start clears what an earlier attempt left."""
    if resume:
        from ._checkpoint import find_to_resume

        path = find_to_resume(run_dir, spec)
        split = load_split(run_dir, n_obs)
        if split is not None:
            return split, path
    from ._resuming import CHECKPOINTS

    shutil.rmtree(run_dir / CHECKPOINTS, ignore_errors=True)
    split = split_cells(n_obs, spec.train_size, spec.batch_size, spec.seed)
    save_split(split, run_dir)
    return split, None
