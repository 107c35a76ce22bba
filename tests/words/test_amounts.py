"""Amounts read the way people say them."""

from __future__ import annotations

import math

import pytest

from backend.words import (
    about,
    ago,
    count,
    counted,
    duration,
    factor,
    file_size,
    in_seconds,
    listed,
    loss_value,
    memory_size,
    percent,
    training_time,
)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.001, "under 0.01 s"),
        (0.415, "0.41 s"),
        (1, "1 s"),
        (3.26, "3.3 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (75, "1 min 15 s"),
        (100, "1 min 40 s"),
        (1800, "30 min"),
        (3590, "1 h"),
        (7260, "2 h 1 min"),
        (400_000, "5 days"),
    ],
)
def test_duration(seconds: float, said: str) -> None:
    assert duration(seconds) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.42, "0.42 s"), (9.99, "9.99 s"), (12.34, "12.3 s"), (999.9, "999.9 s"), (2348.2, "2,348 s")],
)
def test_durations_in_a_column_are_all_in_seconds(seconds: float, said: str) -> None:
    assert in_seconds(seconds) == said


@pytest.mark.parametrize(
    ("n_bytes", "said"),
    [
        (500, "500 bytes"),
        (2000, "2 kB"),
        (2048, "2 kB"),
        (30e6, "30 MB"),
        (3.2e9, "3.2 GB"),
        (20e9, "20 GB"),
        (5e12, "5 TB"),
    ],
)
def test_a_file_is_counted_in_thousands(n_bytes: float, said: str) -> None:
    assert file_size(n_bytes) == said


@pytest.mark.parametrize(("n_bytes", "said"), [(400 * 1024**2, "400 MiB"), (15.6 * 1024**3, "15.6 GiB")])
def test_memory_is_counted_in_powers_of_two(n_bytes: float, said: str) -> None:
    assert memory_size(n_bytes) == said


@pytest.mark.parametrize(
    ("part", "said"),
    [
        (0.9, "90 %"),
        (0.0423, "4.2 %"),
        (0.000423, "0.04 %"),
        (0.00001, "less than 0.01 %"),
        (0.9999, "more than 99.9 %"),
        (1, "100 %"),
        (0, "0 %"),
        (-0.031, "-3.1 %"),
    ],
)
def test_percent(part: float, said: str) -> None:
    assert percent(part) == said


def test_percent_takes_a_number_of_decimals() -> None:
    assert (percent(0.5432, 0), percent(0.00001, 5)) == ("54 %", "0.00100 %")


@pytest.mark.parametrize(("n", "said"), [(0, "0 cells"), (1, "1 cell"), (1234, "1,234 cells")])
def test_what_is_counted_is_in_the_singular_for_one(n: int, said: str) -> None:
    assert counted(n, "cell") == said


@pytest.mark.parametrize(
    ("words", "said"), [((), ""), (("a",), "a"), (("a", "b"), "a and b"), (["a", "b", "c"], "a, b and c")]
)
def test_listed(words: tuple[str, ...], said: str) -> None:
    assert listed(words) == said


@pytest.mark.parametrize(("ratio", "said"), [(1.04, "1.0"), (4.34, "4.3"), (9.96, "10"), (1234, "1,234")])
def test_factor(ratio: float, said: str) -> None:
    assert factor(ratio) == said


@pytest.mark.parametrize(
    ("value", "said"), [(330.5, "330.50"), (5381.2, "5,381.2"), (0.0, "0"), (math.inf, "not a number")]
)
def test_losses(value: float, said: str) -> None:
    assert loss_value(value) == said


def test_count_groups_thousands() -> None:
    assert count(90852) == "90,852"


@pytest.mark.parametrize(
    ("passed", "said"),
    [
        (-5, "just now"),
        (30, "just now"),
        (90, "1 minute ago"),
        (7300, "2 hours ago"),
        (90_000, "1 day ago"),
        (2e6, "3 weeks ago"),
    ],
)
def test_ago(passed: float, said: str) -> None:
    assert ago(1e9 - passed, 1e9) == said


def test_an_estimate_is_about_so_long_but_never_about_under_a_second() -> None:
    assert (about(12.2), about(0.3)) == ("about 12 s", "under a second")


def test_training_and_all_of_a_run_are_both_said() -> None:
    assert training_time(7.6, 13.8) == "about 7.6 s of training, 14 s in all"
    assert training_time(7.6) == training_time(7.6, 7.6) == "about 7.6 s"
    assert training_time(0.3, 4.0) == "under a second of training, 4 s in all"
