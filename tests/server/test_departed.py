"""Sessions of browsers that went away: kept for a while, and then nothing of them is left open."""

from __future__ import annotations

import asyncio
import resource
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
from streamlit.runtime.session_manager import SessionInfo

from pages.server.departed import Departed, most_departed
from tests.browser.server import Server
from tests.chaos.visitor import visiting

FILES, LOADS = 96, 28  # of which the server itself has up to 40


@dataclass
class Session:
    id: str
    ended: int = 0

    def shutdown(self) -> None:
        self.ended += 1


def gone(session: Session) -> SessionInfo:
    return SessionInfo(client=None, session=cast(Any, session), script_run_count=1)


def kept(storage: Departed) -> list[str]:
    return [info.session.id for info in storage.list()]


def test_a_session_is_there_for_whoever_comes_back_in_time_and_ended_after() -> None:
    async def scenario() -> None:
        storage = Departed(most=10, seconds=0.2)
        back, lost = Session("back"), Session("lost")
        for session in (back, lost):
            storage.save(gone(session))
        info = storage.get("back")
        assert info is not None
        assert info.session is cast(Any, back)
        storage.delete("back")  # as the session manager does with one that is resumed
        while not lost.ended:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)
        assert (back.ended, lost.ended) == (0, 1)
        assert storage.get("lost") is None
        storage.delete("lost")

    asyncio.run(scenario())


def test_of_many_the_last_are_kept() -> None:
    async def scenario() -> None:
        storage = Departed(most=3, seconds=60)
        sessions = [Session(str(number)) for number in range(5)]
        for session in sessions:
            storage.save(gone(session))
        assert kept(storage) == ["2", "3", "4"]
        assert [session.ended for session in sessions] == [1, 1, 0, 0, 0]

    asyncio.run(scenario())


def test_how_many_are_kept_follows_from_the_open_files_that_are_allowed() -> None:
    assert most_departed(256) == 32  # macOS, if nobody may raise it
    assert most_departed(8192) == most_departed(10**6) == 128
    assert most_departed(64) > 0


@pytest.mark.skipif(
    not hasattr(resource, "prlimit"), reason="the limit of another process is set on Linux only"
)
def test_pages_come_and_go_where_few_files_may_be_open(tmp_path: Path) -> None:
    server = Server(tmp_path / "workspace")
    server.spawn()
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (FILES, FILES))
    try:
        server.wait_healthy()
        for _ in range(LOADS):  # each session holds three files
            with visiting(server.port) as visitor:
                assert visitor.open("device")[1] == []
        assert "Traceback" not in server.log
    finally:
        server.stop()
