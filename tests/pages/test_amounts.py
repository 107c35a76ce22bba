"""Amounts read the way people say them."""

from __future__ import annotations

import pytest

from pages.shared.amounts import about, ago, count, duration, size


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.2, "under a second"),
        (1, "1 s"),
        (3.26, "3.3 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (75, "1 min 15 s"),
        (1800, "30 min"),
        (3590, "1 h"),
        (7260, "2 h 1 min"),
        (400_000, "5 days"),
    ],
)
def test_duration(seconds: float, said: str) -> None:
    assert duration(seconds) == said


@pytest.mark.parametrize(
    ("n_bytes", "said"),
    [(500, "500 bytes"), (2048, "2.0 kB"), (30 * 1024**2, "30 MB"), (3e9, "2.8 GB"), (5e12, "4.5 TB")],
)
def test_size(n_bytes: float, said: str) -> None:
    assert size(n_bytes) == said


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
