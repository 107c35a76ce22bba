"""Before scvi-tools is used: its and Lightning's chatter off the console, and no look for a cluster.

Filters and levels are set for good rather than within a ``with``: that would change and restore them for
every thread of the server, in the wrong order.
"""

from __future__ import annotations

import logging
import warnings

from ..devices import no_cluster


def silence() -> None:
    import scvi
    from lightning.fabric.utilities.warnings import PossibleUserWarning

    no_cluster()

    warnings.filterwarnings("ignore", category=PossibleUserWarning)  # advice on workers and logging intervals
    for module in (r"lightning\.", r"scvi\.", r"torch\.", r"torchmetrics\.", r"pyro\."):
        for category in (UserWarning, FutureWarning, DeprecationWarning):
            warnings.filterwarnings("ignore", category=category, module=module)
    for message in (
        "`accelerator` has been",  # scvi-tools on MPS; our device page says it
        "Last batch will have a small size",  # the split has seen to it
        "User provided device_type of",  # autocast on a machine without CUDA
    ):
        warnings.filterwarnings("ignore", message=message)
    for name in ("lightning.pytorch", "lightning.fabric", "lightning"):
        logging.getLogger(name).setLevel(logging.ERROR)
    if scvi.settings.verbosity != logging.ERROR:
        scvi.settings.verbosity = logging.ERROR
