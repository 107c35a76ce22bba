"""scVI Studio as an installed package: the command ``scvi-studio`` and what a notebook gets.

    studio = scvi_studio.open_workspace("my-workspace")       # the same runs that the dashboard shows
    spec = scvi_studio.RunSpec(dataset_id=studio.datasets.prepared()[0].dataset_id, max_epochs=10)
    run = studio.runs.submit(spec, hold=True)
    studio.runs.run_here(run.run_id)
    studio.close()

    scvi_studio.train(model, course="recommended")           # an SCVI of your own, see docs/NOTEBOOK.md

In the repository the same code is started with ``python -m backend`` and ``streamlit run app.py``.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from .backend.cli import as_process
from .backend.services import Services, build_services
from .backend.settings import Settings
from .backend.training import train_model as train
from .backend.types import PrepareSpec, RunSpec

__all__ = ["PrepareSpec", "RunSpec", "Services", "Settings", "main", "open_workspace", "train"]


def open_workspace(folder: str | Path | None = None) -> Services:
    """The services of a workspace, started beside a dashboard that may use it; ``close()`` them in the end.

    ``folder`` left out: the one the dashboard uses (``SCVI_STUDIO_WORKSPACE``).
    """
    settings = Settings.from_env()
    if folder is not None:
        settings = replace(settings, workspace=Path(folder).expanduser().absolute())
    services = build_services(settings)
    services.start(server=False)
    return services


def main() -> int:
    """The command ``scvi-studio``."""
    return as_process()
