"""Whatever is written is there whole or not at all, and what dead processes left goes."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import pytest

from backend.errors import NoSpace
from backend.storage import (
    building,
    clear_leftovers,
    is_leftover,
    need_space,
    on_full_disk,
    read_json,
    replacing,
    temporary,
    write_array,
    write_arrays,
    write_json,
    write_text,
)

HDF5_FULL = "Can't write data (file write failed: errno = 28, error message = 'No space left on device')"
TORCH_FULL = "[enforce fail at inline_container.cc:672] . unexpected pos 1225216 vs 1225156"


def test_what_is_written_can_be_read(tmp_path: Path) -> None:
    write_json(tmp_path / "new" / "a.json", {"a": [1, "ü", "\udcff"]})
    assert read_json(tmp_path / "new" / "a.json") == {"a": [1, "ü", "\udcff"]}
    write_text(tmp_path / "a.txt", "one\n")
    write_text(tmp_path / "a.txt", "two\n")
    assert (tmp_path / "a.txt").read_text() == "two\n"
    write_array(tmp_path / "a.npy", np.arange(3))
    assert np.load(tmp_path / "a.npy").tolist() == [0, 1, 2]
    write_arrays(tmp_path / "a.npz", {"x": np.arange(2), "y": np.zeros(1)})
    with np.load(tmp_path / "a.npz") as stored:
        assert stored["x"].tolist() == [0, 1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npy", "a.npz", "a.txt", "new"]


def test_what_fails_midway_leaves_what_was_there(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "before")

    def fail() -> None:
        with replacing(tmp_path / "a.txt") as path:
            path.write_text("half")
            raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        fail()
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a.txt", "before")]


def test_a_folder_that_fails_midway_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> None:
        with building(tmp_path / "place") as folder:
            (folder / "half").write_text("x")
            raise OSError("no")

    with pytest.raises(OSError, match="no"):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_whoever_comes_second_keeps_what_is_there(tmp_path: Path) -> None:
    with building(tmp_path / "place") as slow:
        (slow / "who").write_text("slow")
        with building(tmp_path / "place") as fast:
            (fast / "who").write_text("fast")
    assert (tmp_path / "place" / "who").read_text() == "fast"
    assert [path.name for path in tmp_path.iterdir()] == ["place"]


def test_a_folder_takes_the_place_of_an_earlier_one(tmp_path: Path) -> None:
    for who in ("first", "second"):
        with building(tmp_path / "place", replace=True) as folder:
            (folder / who).touch()
    assert [path.name for path in (tmp_path / "place").iterdir()] == ["second"]
    assert [path.name for path in tmp_path.iterdir()] == ["place"]


@pytest.mark.parametrize("durable", [True, False])
def test_the_disk_has_the_bytes_before_the_name_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, durable: bool
) -> None:
    flushed: list[tuple[str, bool]] = []

    def fsync(descriptor: int) -> None:
        name = Path(os.readlink(f"/proc/self/fd/{descriptor}")).name
        flushed.append((name, (tmp_path / "a.txt").exists()))

    monkeypatch.setattr(os, "fsync", fsync)
    write_text(tmp_path / "a.txt", "x", durable=durable)
    if durable:
        (file, named_before), (folder, _) = flushed
        assert file.startswith(".tmp-")
        assert not named_before
        assert folder == tmp_path.name
    else:
        assert not flushed


# --- full disks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOSPC, "x"), OSError(errno.EDQUOT, "x"), OSError(HDF5_FULL), RuntimeError(HDF5_FULL)],
    ids=["ENOSPC", "EDQUOT", "HDF5", "HDF5 by another"],
)
def test_a_full_disk_is_said_in_a_sentence(tmp_path: Path, error: Exception) -> None:
    said = "disk is full: there is no room for the model"
    with pytest.raises(NoSpace, match=said), building(tmp_path / "place", "the model"):
        raise error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("free", "expected"), [(0, NoSpace), (10**9, RuntimeError)])
def test_what_torch_says_of_a_full_disk_counts_where_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, expected: type[Exception]
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=free))
    with pytest.raises(expected), on_full_disk("the model", tmp_path):
        raise RuntimeError(TORCH_FULL)


def test_the_missing_bytes_are_said_where_they_are_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=10**9))
    need_space(tmp_path / "not" / "yet", 10**9, "this file")
    with pytest.raises(NoSpace, match=r"1 GB left, and this file needs 3\.5 GB\. Free at least 2\.5 GB") as e:
        need_space(tmp_path, 3_500_000_000, "this file")
    assert e.value.missing == 2_500_000_000
    table = replacing(tmp_path / "a", "the table", needed=1_500_000_000)
    with pytest.raises(NoSpace, match="Free at least 500 MB") as e, table:
        raise OSError(errno.ENOSPC, "x")
    assert e.value.missing == 500_000_000


# --- what the dead left -------------------------------------------------------------------------------


def test_leftovers_of_dead_processes_go_and_work_of_live_ones_stays(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from backend.storage import temporary;"
        "temporary(Path(sys.argv[1])).mkdir(); temporary(Path(sys.argv[1]), '.part').touch();"
        "temporary(Path(sys.argv[1]) / 'run' / 'exports', '.zip').touch()"
    )
    (tmp_path / "run" / "exports").mkdir(parents=True)
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    mine = temporary(tmp_path, ".part")
    mine.touch()
    (tmp_path / ".tmp-foreign").touch()
    assert len(list(tmp_path.iterdir())) == 5
    clear_leftovers(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {mine.name, ".tmp-foreign", "run"}
    assert len(list((tmp_path / "run" / "exports").iterdir())) == 1
    clear_leftovers(tmp_path, depth=2)
    assert not list((tmp_path / "run" / "exports").iterdir())


DIGITS = "0123456789abcdef" * 2  # as a uuid has them


@pytest.mark.parametrize(
    "name",
    [
        f".tmp-{DIGITS}",
        f".tmp-{DIGITS}.npy",
        f".old-{DIGITS}",
        f".model.zip.{DIGITS}.tmp",
        "before.tmp",
    ],
)
def test_leftovers_of_versions_before_go(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    clear_leftovers(tmp_path)
    assert not list(tmp_path.iterdir())


def test_work_of_another_machine_is_given_up_only_when_it_is_old(tmp_path: Path) -> None:
    for machine in ("0" * 8, "f" * 8):  # before and after this one's name
        elsewhere = tmp_path / f".tmp-1.1000.{machine}-abcdef"
        elsewhere.touch()
        assert not is_leftover(elsewhere)
        old = time.time() - 3 * 86400
        os.utime(elsewhere, (old, old))
        assert is_leftover(elsewhere)


def test_a_process_that_got_the_number_of_a_dead_one_is_not_it(tmp_path: Path) -> None:
    pid, _started, rest = temporary(tmp_path).name.removeprefix(".tmp-").split(".")
    assert not is_leftover(tmp_path / f".tmp-{pid}.{_started}.{rest}")
    assert is_leftover(tmp_path / f".tmp-{pid}.1000.{rest}")


def test_a_process_that_was_killed_and_not_yet_noticed_is_dead(tmp_path: Path) -> None:
    code = "from pathlib import Path; from backend.storage import temporary; print(temporary(Path()))"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    name = process.stdout.read().strip()  # its end has come; nobody has waited for it, so its number is taken
    while psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE:
        pass
    assert is_leftover(tmp_path / name)
    process.communicate()
