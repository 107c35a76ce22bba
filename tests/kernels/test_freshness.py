"""Compiled kernels outlive the process, not their sources."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.kernels._freshness import STAMP, forget_stale
from backend.kernels._gather import gather_rows


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    folder = tmp_path / "kernels"
    folder.mkdir()
    (folder / "_rows.py").write_text("from _math import softplus")
    (folder / "_math.py").write_text("softplus = 1")
    return folder


@pytest.fixture
def compiled(sources: Path) -> Path:
    folder = sources / "__pycache__"
    folder.mkdir()
    forget_stale(folder, sources)
    (folder / "_rows.loss-1.py311.nbi").write_text("index")
    (folder / "_rows.loss-1.py311.1.nbc").write_text("code")
    (folder / "_rows.cpython-311.pyc").write_text("python")
    return folder


def test_what_was_compiled_stays_for_the_next_start(sources: Path, compiled: Path) -> None:
    before = sorted(compiled.iterdir())
    forget_stale(compiled, sources)
    assert sorted(compiled.iterdir()) == before


@pytest.mark.parametrize("change", ["changed", "new", "gone"])
def test_a_change_in_a_file_that_a_kernel_calls_makes_it_compile_again(
    sources: Path, compiled: Path, change: str
) -> None:
    if change == "changed":
        (sources / "_math.py").write_text("softplus = 2")
    elif change == "new":
        (sources / "_more.py").write_text("")
    else:
        (sources / "_math.py").unlink()
    forget_stale(compiled, sources)
    assert [path.name for path in sorted(compiled.iterdir())] == ["_rows.cpython-311.pyc", STAMP]


def test_kernels_compiled_before_there_was_a_stamp_are_not_trusted(sources: Path, compiled: Path) -> None:
    (compiled / STAMP).unlink()
    forget_stale(compiled, sources)
    assert not [*compiled.glob("*.nb?")]


def test_the_kernels_of_this_process_are_stamped() -> None:
    assert gather_rows.stats.cache_path
    assert (Path(gather_rows.stats.cache_path) / STAMP).exists()
