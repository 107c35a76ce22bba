"""What a benchmark's own process says, how it fails, and what a computer's bounds are reckoned from."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import pytest

from backend.bench import _engines, _roofline, measure_engines
from backend.errors import TrainingFailed

RUN = """{"engine": "fused", "n_vars": 20, "spec": {"batch_size": 512, "lr": 0.004}, "history":
{"cells_per_second": [10.0, 100.0, 120.0], "epoch_seconds": [63.0, 6.3, 5.25], "validation_loss": [9.0, 8.0, 7.0]}}"""


def python(folder: Path, monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    """Stands in for the interpreter that trains."""
    path = folder / "python"
    path.write_text(f"#!{sys.executable}\nimport sys\n{program}\n")
    path.chmod(0o755)
    monkeypatch.setattr(_engines.sys, "executable", str(path))


def test_a_run_is_told_by_the_command_that_trains_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = tmp_path / "arguments"
    python(tmp_path, monkeypatch, f"open({str(arguments)!r}, 'a').write(repr(sys.argv[1:])); print({RUN!r})")
    (row,) = measure_engines(["--demo"], tmp_path, engines=("fused",), batch_sizes=(512,), max_epochs=3)
    asked = arguments.read_text()
    assert "'train', '--demo', '--json', '--accelerator', 'cpu'" in asked
    assert "'--batch-size', '512', '--max-epochs', '3'" in asked
    assert (row.cells_per_second, row.n_train, row.speed_up) == (110.0, 630, None)
    own = (
        1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    )  # Linux lets a child begin with its parent's peak
    assert 1e6 < row.peak_memory < max(1e9, 1.1 * own)  # of that small process, in bytes


@pytest.mark.parametrize(
    ("program", "says"),
    [
        (
            "print('warning', file=sys.stderr); print('error: No such file.', file=sys.stderr); sys.exit(2)",
            "No such",
        ),
        ("sys.exit(1)", "A run ended early"),
        ("import os; os.kill(os.getpid(), 9)", "A run ended early"),
    ],
)
def test_a_run_that_fails_ends_the_benchmark_with_its_last_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, says: str
) -> None:
    python(tmp_path, monkeypatch, program)
    with pytest.raises(TrainingFailed, match=f"^{says}"):
        measure_engines(["--demo"], tmp_path, engines=("fused",), batch_sizes=(512,), max_epochs=3)


def test_the_bounds_of_a_computer_are_work_by_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_roofline, "_best", lambda calls: [call() for call in calls] and 0.5)
    assert _roofline._matmul_bound() == pytest.approx(2 * 4096**3 / 0.5 / 1e9)
    assert _roofline._copy_bound() == pytest.approx(2 * 4 * 64 * 1024**2 / 0.5 / 1e9)  # read and written
