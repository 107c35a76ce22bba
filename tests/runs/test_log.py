"""The log of a run has what was logged while it trained, in its thread, once."""

from __future__ import annotations

import logging
import threading
import warnings
from pathlib import Path

from backend.runs._folders import read_tail
from backend.workers import RunLog
from tests.runs.conftest import Room


def test_logging_during_training_goes_to_the_runs_log_only_once(room: Room) -> None:
    def chatter() -> None:
        logging.getLogger("backend.training").info("from ours")
        logging.getLogger("some.library").warning("from a library")
        closed = logging.getLogger("lightning.pytorch.some")
        closed.error("from lightning")  # its warnings are silenced once a model was trained

    room.train.at[1] = chatter
    record = room.submit()
    logging.getLogger("backend.training").warning("after the run")
    log = room.runs.log(record.run_id)
    for line in ("from ours", "from a library", "from lightning"):
        assert log.count(line) == 1
    assert "after the run" not in log
    assert record.name in log
    assert '"batch_size": 128' in log


def test_other_threads_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    with RunLog(path):
        other = threading.Thread(target=lambda: logging.getLogger("elsewhere").warning("not mine"))
        other.start()
        other.join()
        logging.getLogger("here").warning("mine")
    assert "mine" in path.read_text()
    assert "not mine" not in path.read_text()


def test_warnings_of_libraries_land_in_the_log(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    logging.captureWarnings(True)  # as the server and the command line do at their start
    try:
        with RunLog(path), warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn("this will change in a later version", FutureWarning, stacklevel=1)
    finally:
        logging.captureWarnings(False)
    assert "this will change in a later version" in path.read_text()


def test_a_log_that_cannot_be_written_disturbs_nobody(tmp_path: Path) -> None:
    with RunLog(tmp_path / "no such folder" / "log.txt") as log:
        log.line("lost")


def test_only_the_end_of_a_long_log_is_read(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_text("".join(f"line {n}\n" for n in range(1000)))
    tail = read_tail(path, limit=50)
    assert tail.startswith("…\nline ")
    assert tail.endswith("line 999\n")
    assert len(tail) < 60
    assert read_tail(tmp_path / "none.txt") == ""
