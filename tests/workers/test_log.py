"""The log of a run has what was logged while it trained, in its thread, once."""

from __future__ import annotations

import logging
import threading
import warnings
from pathlib import Path

import pytest

from backend.workers import LocalWorker, RunLog, make_executor
from tests.runs.fakes import FakeTrain
from tests.workers.watch import Watch, job


@pytest.mark.parametrize("kind", ["inline", "thread"])
def test_logging_during_training_goes_to_the_runs_log_only_once(tmp_path: Path, kind: str) -> None:
    def chatter() -> None:
        logging.getLogger("backend.training").info("from ours")
        logging.getLogger("some.library").warning("from a library")
        closed = logging.getLogger("lightning.pytorch.some")
        closed.error("from lightning")  # its warnings are silenced once a model was trained

    train, executor = FakeTrain(), make_executor(kind)
    train.at[1] = chatter
    watch = Watch(LocalWorker(executor, train))
    watch.start(job(tmp_path, name="my run"))
    watch.until_end()
    executor.close()
    logging.getLogger("backend.training").warning("after the run")
    log = (tmp_path / "r1" / "log.txt").read_text()
    for line in ("from ours", "from a library", "from lightning"):
        assert log.count(line) == 1
    assert "after the run" not in log
    assert "my run (r1), from epoch 1" in log
    assert '"batch_size": 128' in log
    assert "finished after 5 epochs and 5.0 s" in log


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


def test_a_training_whose_log_cannot_be_written_is_trained_all_the_same(tmp_path: Path) -> None:
    asked = job(tmp_path)
    (tmp_path / "r1" / "log.txt").mkdir()  # in the way
    watch = Watch(LocalWorker(make_executor("inline"), FakeTrain()))
    watch.start(asked)
    assert watch.until_end().outcome == "finished"
    assert len(watch.points) == 35
