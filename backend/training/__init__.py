"""Training: from a spec and prepared cells to a plain scvi-tools model, with everything said on the way.

``train(spec, dataset, run_dir, ...)`` does one run in the calling thread and leaves ``model/``,
``checkpoint/``, ``split.npz`` and ``latent.npy`` in ``run_dir``. The rest answers questions before a run:
which engines there are, what rate goes with a minibatch size, how long and how much memory. Importing this
is cheap; torch and scvi-tools are imported when training or measuring begins.
"""

from backend.training._allocator import give_back_memory, tune_allocator
from backend.training._calibrate import calibrate
from backend.training._checkpoint_files import checkpoint_epoch
from backend.training._device_check import check_device
from backend.training._engines import available_engines
from backend.training._frame_files import FrameFiles
from backend.training._memory import estimate_memory
from backend.training._openmp import let_idle_threads_sleep
from backend.training._precision import measure_precision
from backend.training._presets import PRESETS, QUICK_LOOK, USEFUL, preset
from backend.training._results import StartInfo, TrainingResult
from backend.training._schedule import OUTPUT_STARTS, SCHEDULES, learning_rate, max_epochs_heuristic
from backend.training._threads import compiled_threads, use_threads
from backend.training._train import train

__all__ = [
    "OUTPUT_STARTS",
    "PRESETS",
    "QUICK_LOOK",
    "SCHEDULES",
    "USEFUL",
    "FrameFiles",
    "StartInfo",
    "TrainingResult",
    "available_engines",
    "calibrate",
    "check_device",
    "checkpoint_epoch",
    "compiled_threads",
    "estimate_memory",
    "give_back_memory",
    "learning_rate",
    "let_idle_threads_sleep",
    "max_epochs_heuristic",
    "measure_precision",
    "preset",
    "train",
    "tune_allocator",
    "use_threads",
]
