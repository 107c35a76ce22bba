"""What holds for every test: a workspace that is not the user's, few threads, and browser tests last."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest

# before torch and BLAS are imported: in small tests, starting threads costs more than they save
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "2")

# compiled once for all tests, not once for the workspace of each
os.environ.setdefault("NUMBA_CACHE_DIR", str(Path(__file__).parents[1] / ".pytest_cache" / "numba"))

# read when triton is imported: its kernels are interpreted, on the processor
os.environ.setdefault("TRITON_INTERPRET", "1")

BROWSER = Path(__file__).parent / "browser"
NOWHERE = Path(__file__) / "not a folder"  # where nothing can be written


@pytest.fixture(autouse=True)
def own_workspace(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever reads the environment finds a workspace of the test's own and no settings of this machine."""
    for name in [name for name in os.environ if name.startswith("SCVI_STUDIO_")]:
        if name != "SCVI_STUDIO_CHROMIUM":
            monkeypatch.delenv(name)
    if "tmp_path" in request.fixturenames:
        workspace = request.getfixturevalue("tmp_path") / "workspace"
    else:  # a folder for each of thousands of tests takes longer than most of them
        workspace = NOWHERE / "workspace"
    monkeypatch.setenv("SCVI_STUDIO_WORKSPACE", str(workspace))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if BROWSER in item.path.parents:
            item.add_marker(pytest.mark.browser)
    # they are slow, and a unit test that fails says more about the same mistake
    items.sort(key=lambda item: BROWSER in item.path.parents)


def pytest_collection_finish() -> None:
    """Libraries stay: a collection, and every training ends with one, need not walk them each time (0.4 s)."""
    gc.collect()
    gc.freeze()
