"""Training: from a spec and prepared cells to a plain scvi-tools model, with everything said on the way.

``train(spec, dataset, run_dir, ...)`` does one run in the calling thread and leaves ``model/``,
``checkpoint/``, ``split.npz`` and ``latent.npy`` in ``run_dir``. The rest answers questions before a run:
which engines there are, what rate goes with a minibatch size, how long and how much memory. Importing this
is cheap; torch and scvi-tools are imported when training or measuring begins.
"""

from ._check import check_settings
from ._device_check import check_device
from ._engines import available_engines
from ._estimates import calibrate, estimate_memory
from ._failures import translate
from ._frame_files import FrameFiles
from ._notebook import SETTINGS as NOTEBOOK_SETTINGS
from ._notebook import train_model
from ._precision import measure_precision
from ._presets import (
    FORMER_PRESETS,
    PRESETS,
    QUICK_LOOK,
    USEFUL,
    former_preset,
    kl_warmup,
    lagging_steps,
    learning_rate,
    max_epochs_heuristic,
    preset,
    share_of_rate,
    training_cells,
)
from ._process import (
    compiled_threads,
    give_back_memory,
    keep_compiled_code,
    let_idle_threads_sleep,
    tune_allocator,
    use_threads,
)
from ._recalibration import recalibration_source
from ._resuming import checkpoint_epoch
from ._train import train

__all__ = [
    "FORMER_PRESETS",
    "NOTEBOOK_SETTINGS",
    "PRESETS",
    "QUICK_LOOK",
    "USEFUL",
    "FrameFiles",
    "available_engines",
    "calibrate",
    "check_device",
    "check_settings",
    "checkpoint_epoch",
    "compiled_threads",
    "estimate_memory",
    "former_preset",
    "give_back_memory",
    "keep_compiled_code",
    "kl_warmup",
    "lagging_steps",
    "learning_rate",
    "let_idle_threads_sleep",
    "max_epochs_heuristic",
    "measure_precision",
    "preset",
    "recalibration_source",
    "share_of_rate",
    "train",
    "train_model",
    "training_cells",
    "translate",
    "tune_allocator",
    "use_threads",
]
