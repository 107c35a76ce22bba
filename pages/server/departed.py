"""Sessions whose browser went away: kept for whoever comes back, and ended after a while.

Streamlit forgets such a session when the next one departs, does not end it, and keeps 128. Each has an event loop with
three open files, which only a collection of garbage closes: a server that may open 256 soon has none left.
"""

from __future__ import annotations

import asyncio

from streamlit import config, runtime
from streamlit.runtime.session_manager import SessionInfo, SessionStorage

try:
    import resource
except ImportError:  # not on Windows
    resource = None  # type: ignore[assignment]

_MOST = 128  # as Streamlit does
_RESERVED = 128  # open files for all else: the workspace, transfers, connections
_EACH = 4  # open files of a session, with its connection


class Departed(SessionStorage):
    """The last ``most`` sessions, each for ``seconds``. Used from the thread of the running event loop."""

    def __init__(self, most: int, seconds: float) -> None:
        self._most = most
        self._seconds = seconds
        self._kept: dict[str, tuple[SessionInfo, asyncio.TimerHandle]] = {}

    def get(self, session_id: str) -> SessionInfo | None:
        kept = self._kept.get(session_id)
        return kept[0] if kept else None

    def save(self, session_info: SessionInfo) -> None:
        session_id = session_info.session.id
        self.delete(session_id)
        end = asyncio.get_running_loop().call_later(self._seconds, self._end, session_id)
        self._kept[session_id] = session_info, end
        while len(self._kept) > self._most:
            self._end(next(iter(self._kept)))

    def delete(self, session_id: str) -> None:
        if kept := self._kept.pop(session_id, None):
            kept[1].cancel()

    def list(self) -> list[SessionInfo]:
        return [info for info, _ in self._kept.values()]

    def _end(self, session_id: str) -> None:
        info = self.get(session_id)
        self.delete(session_id)
        if info:
            info.session.shutdown()


def most_departed(open_files: int) -> int:
    """How many sessions may be kept where that many files may be open."""
    return max(8, min(_MOST, (open_files - _RESERVED) // _EACH))


def end_departed_sessions() -> None:
    """Have the server that runs in this process keep its sessions here."""
    open_files = 2**20 if resource is None else resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if resource is not None and open_files == resource.RLIM_INFINITY:
        open_files = 2**20
    storage = Departed(most_departed(open_files), config.get_option("server.disconnectedSessionTTL"))
    # the one place where Streamlit takes a storage is a constructor that it calls itself
    runtime.get_instance()._session_mgr._session_storage = storage  # type: ignore[attr-defined]
