"""Compiled kernels outlive the process, not their sources; where nothing can be written they work all the same."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import backend
from backend.kernels._compiled import STAMP, forget_stale


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    folder = tmp_path / "kernels"
    folder.mkdir()
    (folder / "_rows.py").write_text("from _math import softplus")
    (folder / "_math.py").write_text("softplus = 1")
    return folder


@pytest.fixture
def kept(sources: Path) -> Path:
    folder = sources / "__pycache__"
    folder.mkdir()
    forget_stale(folder, sources)
    (folder / "_rows.loss-1.py311.nbi").write_text("index")
    (folder / "_rows.loss-1.py311.1.nbc").write_text("code")
    (folder / "_rows.cpython-311.pyc").write_text("python")
    return folder


def test_what_was_compiled_stays_for_the_next_start(sources: Path, kept: Path) -> None:
    before = sorted(kept.iterdir())
    forget_stale(kept, sources)
    assert sorted(kept.iterdir()) == before


@pytest.mark.parametrize("change", ["changed", "new", "gone"])
def test_a_change_in_a_file_that_a_kernel_calls_makes_it_compile_again(
    sources: Path, kept: Path, change: str
) -> None:
    if change == "changed":
        (sources / "_math.py").write_text("softplus = 2")
    elif change == "new":
        (sources / "_more.py").write_text("")
    else:
        (sources / "_math.py").unlink()
    forget_stale(kept, sources)
    assert [path.name for path in sorted(kept.iterdir())] == ["_rows.cpython-311.pyc", STAMP]


def test_kernels_compiled_before_there_was_a_stamp_are_not_trusted(sources: Path, kept: Path) -> None:
    (kept / STAMP).unlink()
    forget_stale(kept, sources)
    assert not [*kept.glob("*.nb?")]


# --- where they are kept

GATHER = """
import numpy as np
from backend.kernels import gather_rows
indptr, indices = np.array([0, 2, 3]), np.array([0, 2, 1], np.int32)
found = np.empty(2, np.int64), np.empty(2, np.int32), np.empty(2, np.float32), np.empty(1, np.float32)
gather_rows(np.array([0]), indptr, indices, np.array([3, 4, 5], np.float32), *found)
print(found[3][0], sum(gather_rows.stats.cache_hits.values()), gather_rows.stats.cache_path)
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The backend where nobody can write: numba finds no folder for its cache beside the sources."""
    folder = tmp_path_factory.mktemp("read-only")
    room = folder / "backend" / "kernels"
    shutil.copytree(
        Path(backend.__file__).parent / "kernels", room, ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copy(backend.__file__, folder / "backend")
    (room / "__pycache__").touch()  # a file, since folders that are read-only are not to root
    return folder


def gather(installed: Path, numba_cache: Path | None = None, before: str = "") -> tuple[float, int, str]:
    """In a process without a home: the library size of a cell, compiled kernels found on disk, and where."""
    env = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    env |= {"HOME": "/dev/null", "XDG_CACHE_HOME": "/dev/null/cache"}
    if numba_cache:
        env["NUMBA_CACHE_DIR"] = str(numba_cache)
    done = subprocess.run(
        [sys.executable, "-c", before + GATHER],
        cwd=installed,
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    library, hits, folder = done.stdout.split(maxsplit=2)
    return float(library), int(hits), folder.strip()


def test_without_a_folder_that_can_be_written_kernels_are_compiled_all_the_same(installed: Path) -> None:
    assert gather(installed) == (7, 0, "None")


def test_kernels_are_kept_in_the_cache_they_are_given_and_made_anew_where_it_is_damaged(
    installed: Path, tmp_path: Path
) -> None:
    """A child compiles all of them, so that the process itself never computes with other code than is kept."""
    library, hits, folder = gather(installed, tmp_path)
    assert (library, hits) == (7, 1)
    assert Path(folder).parent == tmp_path
    assert gather(installed, tmp_path) == (7, 1, folder)
    [index] = Path(folder).glob("*gather_rows*.nbi")
    index.write_bytes(index.read_bytes()[:20])
    assert gather(installed, tmp_path) == (7, 1, folder)
    assert len(index.read_bytes()) > 20


def test_where_no_child_can_be_started_the_process_compiles(installed: Path, tmp_path: Path) -> None:
    library, hits, folder = gather(installed, tmp_path, before="import sys; sys.executable = '/nowhere'")
    assert (library, hits) == (7, 0)
    assert gather(installed, tmp_path, before="import sys; sys.executable = '/nowhere'") == (7, 1, folder)
