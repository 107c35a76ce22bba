"""One contract for every executor: work in order, errors kept in the future, an end that drops what waits."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.workers import Executor, make_executor

PROJECT = Path(__file__).parents[2]


@pytest.fixture(params=["inline", "thread"])
def executor(request: pytest.FixtureRequest) -> Iterator[Executor]:
    executor = make_executor(request.param)
    yield executor
    executor.close()


def test_work_is_done_in_the_order_it_came(executor: Executor) -> None:
    done: list[int] = []
    futures = [executor.submit(lambda n=n: done.append(n)) for n in range(5)]
    futures[-1].result(5)
    assert done == [0, 1, 2, 3, 4]


def test_the_future_carries_the_result(executor: Executor) -> None:
    assert executor.submit(lambda: 6 * 7).result(5) == 42


def test_an_error_stays_with_its_work_and_is_logged(
    executor: Executor, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise ValueError("broken")

    with caplog.at_level(logging.ERROR):
        failed = executor.submit(fail)
        assert executor.submit(lambda: "next").result(5) == "next"
    assert isinstance(failed.exception(5), ValueError)
    assert "broken" in caplog.text
    assert executor.alive


def test_work_submitted_by_work_comes_after_it(executor: Executor) -> None:
    order: list[str] = []

    def outer() -> None:
        executor.submit(lambda: order.append("inner"))
        order.append("outer")

    executor.submit(outer).result(5)
    executor.submit(lambda: None).result(5)
    assert order == ["outer", "inner"]


def test_busy_while_working_and_idle_after(executor: Executor) -> None:
    seen = executor.submit(lambda: executor.idle).result(5)
    assert seen is False
    executor.close()
    assert executor.idle


def test_all_work_shares_one_thread(executor: Executor) -> None:
    threads = {executor.submit(threading.get_ident).result(5) for _ in range(3)}
    assert len(threads) == 1


def test_a_closed_executor_takes_no_work(executor: Executor) -> None:
    executor.submit(lambda: None).result(5)
    assert executor.close()
    assert not executor.alive
    assert executor.submit(lambda: pytest.fail("must not run")).cancelled()


def test_closing_drops_what_waits_and_reports_what_does_not_end() -> None:
    executor = make_executor("thread")
    began, release = threading.Event(), threading.Event()

    def long() -> None:
        began.set()
        release.wait(10)

    running = executor.submit(long)
    began.wait(5)
    waiting = executor.submit(lambda: pytest.fail("must not run"))
    assert not executor.close(timeout=0.01)
    assert waiting.cancelled()
    release.set()
    running.result(5)
    assert executor.close(timeout=5)


def test_work_that_outlives_its_executor_ends_before_the_process_does() -> None:
    """An interpreter that goes away under running C++ code aborts; a minibatch is waited for instead."""
    program = """
import threading
from backend.workers import make_executor
executor = make_executor("thread")
began = threading.Event()
executor.submit(lambda: (began.set(), threading.Event().wait(0.3), print("done", flush=True)))
began.wait()
assert not executor.close(timeout=0)
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, timeout=60
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "done\n", "")
