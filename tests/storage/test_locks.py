"""A file is locked by one at a time, and anybody can ask whether it is."""

from __future__ import annotations

from pathlib import Path

from backend.storage import FileLock


def test_a_lock_is_held_by_one_at_a_time(tmp_path: Path) -> None:
    first, second = FileLock(tmp_path / "locks" / "a"), FileLock(tmp_path / "locks" / "a")
    assert not first.held_by_someone
    assert first.acquire("the first")
    assert not second.acquire("the second")
    assert second.held_by_someone
    assert second.read_note() == "the first"
    first.release()
    assert not second.held_by_someone
    assert second.acquire()
    second.release()


def test_a_lock_that_was_removed_is_taken_anew_and_excludes_others(tmp_path: Path) -> None:
    first, second = FileLock(tmp_path / "a"), FileLock(tmp_path / "a")
    assert first.acquire()
    first.remove()
    assert not (tmp_path / "a").exists()
    assert second.acquire()
    assert not FileLock(tmp_path / "a").acquire()
