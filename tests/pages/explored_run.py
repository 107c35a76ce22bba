"""A small trained run in a workspace of its own, with real services that do their work at once.

with explored(trained, workspace) as small: open_explore(small, see="markers")
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import numpy as np
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

from backend import services
from backend.analysis import Analyses, Cells
from backend.comparison import Comparer
from backend.datasets import DatasetLibrary
from backend.jobs import JobBoard
from backend.services import build_services
from backend.settings import Settings
from backend.types import DatasetRef, MetricPoint
from backend.workers import make_executor
from tests.analysis.small_run import RUN, SmallRun, on_copy
from tests.pages.scene import SHELL


@contextmanager
def explored(trained: tuple[Path, DatasetRef], workspace: Path) -> Iterator[SmallRun]:
    small = on_copy(trained, workspace)
    small.registry.close()
    made = build_services(Settings(workspace=workspace, threads=1), executor="inline")
    made.registry.open()
    jobs = JobBoard(workspace / "jobs-of-pages", make_executor("inline"))
    made.analyses = Analyses(
        made.settings, made.registry, made.datasets, jobs, children=False, kinds=small.kinds
    )
    made.cells = Cells(made.datasets, made.analyses, made.registry)
    made.comparer = Comparer(made.registry, made.analyses)
    for epoch in range(1, 21):
        level = 120 + 80 * np.exp(-epoch)
        for name, value in (("train", level), ("validation", level + 2)):
            made.registry.append(RUN, MetricPoint(f"reconstruction_loss_{name}", epoch, value, float(epoch)))
            made.registry.append(RUN, MetricPoint(f"{name}_loss", epoch, value + 5, float(epoch)))
    before = services.install(made)
    try:
        with patch.object(DatasetLibrary, "dataset", lambda self, dataset_id: small.ref):
            yield SmallRun(made.settings, made.registry, made.analyses, small.ref, small.kinds, jobs)
    finally:
        services.install(before)
        made.registry.close()


def open_explore(see: str, **params: str) -> AppTest:
    app = AppTest.from_file(SHELL, default_timeout=60)
    app.query_params["run"] = RUN
    app.query_params["see"] = see
    for name, value in params.items():
        app.query_params[name] = value
    app._page_hash = calc_hash("explore")
    return app.run()
