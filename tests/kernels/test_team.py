"""Threads that share work: who does a piece does not matter, and what goes wrong in one is heard."""

from __future__ import annotations

import threading

import pytest
import torch

from backend.kernels import one_thread, team_of


def test_every_piece_is_done_once_and_each_takes_one_thread_of_torch() -> None:
    done: list[int] = []
    inside: list[int] = []

    def piece(number: int) -> None:
        inside.append(torch.get_num_threads())
        done.append(number)

    before = torch.get_num_threads()
    with one_thread() as threads:
        assert threads == before
        team_of(3).run([lambda i=i: piece(i) for i in range(20)], lambda: piece(20))
    assert torch.get_num_threads() == before
    assert sorted(done) == list(range(21))
    assert set(inside) == {1}


def test_pieces_are_done_beside_the_callers_own_work() -> None:
    beside = threading.Event()
    team_of(2).run([beside.set], lambda: assert_set(beside))


def assert_set(event: threading.Event) -> None:
    assert event.wait(30)


@pytest.mark.parametrize("size", [1, 3])
def test_what_a_piece_raises_is_raised_once_all_are_over(size: int) -> None:
    done: list[int] = []

    def wrong() -> None:
        raise ArithmeticError("no")

    with pytest.raises(ArithmeticError, match=r"^no$"):
        team_of(size).run([wrong, lambda: done.append(1), lambda: done.append(2)])
    assert sorted(done) == [1, 2]
    team_of(size).run([lambda: done.append(3)])  # and it goes on
    assert done[-1] == 3
