"""On network file systems without shared memory, or without one kind of locks: it works, or one sentence says why not.

``badfs.c`` is preloaded into a real command and makes the calls fail that such file systems do not have.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
COMPILER = shutil.which("cc")
# opens, writes from two connections and a second process, and reads it all
WORK = """
import subprocess, sys
from pathlib import Path
from backend.registry import RunRegistry
from backend.types import MetricPoint, RunRecord, RunSpec, RunStatus
from backend.storage import FileLock
path = Path(sys.argv[1]) / "registry.sqlite3"
registry = RunRegistry(path)
registry.open()
if len(sys.argv) > 2:
    registry.add(RunRecord("second", RunSpec("d"), RunStatus.FINISHED, "b", 2.0))
    assert FileLock(path.with_name("lock")).acquire() is False
    raise SystemExit
lock = FileLock(path.with_name("lock"))
assert lock.acquire()
assert FileLock(path.with_name("lock")).held_by_someone
registry.add(RunRecord("first", RunSpec("d"), RunStatus.FINISHED, "a", 1.0))
before = registry.revision()
subprocess.run([sys.executable, __file__, sys.argv[1], "again"], check=True)
assert registry.revision() != before
registry.append("first", *(MetricPoint("loss", epoch, 1.0, 0.0) for epoch in range(1, 100)))
assert {run.run_id for run in registry.list()} == {"first", "second"}
registry.close()
lock.release()
assert not FileLock(path.with_name("lock")).held_by_someone
print("all of it")
"""


@pytest.fixture(scope="module")
def preload(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if COMPILER is None or sys.platform != "linux":
        pytest.skip("no C compiler (cc) on Linux to make the failing file system with")
    library = tmp_path_factory.mktemp("badfs") / "badfs.so"
    source = str(Path(__file__).with_name("badfs.c"))
    subprocess.run([COMPILER, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    return library


def run(command: list[str], folder: Path, preload: Path, bad: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "LD_PRELOAD": str(preload), "BADFS_PREFIX": str(folder), "BADFS": bad}
    environment["PYTHONPATH"] = str(PROJECT)
    return subprocess.run(
        [sys.executable, *command], env=environment, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.parametrize("bad", ["shm", "data", "flock", "flock_enosys flock", "shm flock"])
def test_without_shared_memory_or_flock_all_works(tmp_path: Path, preload: Path, bad: str) -> None:
    script = tmp_path.with_name(f"{tmp_path.name}-work.py")
    script.write_text(WORK)
    done = run([str(script), str(tmp_path)], tmp_path, preload, bad)
    assert done.stdout.strip() == "all of it", done.stderr
    assert done.stderr.count("cannot share memory") == (2 if "shm" in bad else 0)  # once in each process
    with sqlite3.connect(tmp_path / "registry.sqlite3") as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert db.execute("PRAGMA journal_mode").fetchone() == (("delete" if "shm" in bad else "wal"),)
    db.close()


def test_a_workspace_from_a_better_file_system_opens(tmp_path: Path, preload: Path) -> None:
    with sqlite3.connect(tmp_path / "registry.sqlite3") as db:
        db.execute("PRAGMA journal_mode = WAL")
    db.close()
    script = tmp_path.with_name(f"{tmp_path.name}-work.py")
    script.write_text(WORK)
    done = run([str(script), str(tmp_path)], tmp_path, preload, "shm")
    assert done.stdout.strip() == "all of it", done.stderr


def test_without_any_lock_one_sentence_names_the_file_system(tmp_path: Path, preload: Path) -> None:
    done = run(["-m", "backend", "runs", "--workspace", str(tmp_path)], tmp_path, preload, "fcntl flock")
    assert done.returncode not in (0, None)
    assert "has no file locks" in done.stderr
    assert "SCVI_STUDIO_WORKSPACE" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
