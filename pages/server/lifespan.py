"""What happens around the server's life: services start before the first page and close after the last.

A workspace that is in use, or other trouble at the start, becomes one line on the console and exit code 3.
"""

from __future__ import annotations

import contextlib
import logging
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import FrameType

import anyio.to_thread
import streamlit as st
from streamlit import config

from backend.errors import StudioError
from backend.services import build_services, install
from backend.settings import Settings
from pages.server.address import base_path, bound_to, printed_address
from pages.server.departed import end_departed_sessions
from pages.server.gate import Rules, keep
from pages.server.hosts import hosts_of, is_loopback, is_wildcard
from pages.server.log import write_server_log
from pages.server.login import Login, kept_secret
from pages.server.patience import limit_waiting
from pages.server.transfers import abort_transfers

try:
    import resource
except ImportError:  # not on Windows
    resource = None  # type: ignore[assignment]

log = logging.getLogger(__name__)
OPEN_FILES = 8192
Handler = Callable[[int, FrameType | None], object] | int | None


@asynccontextmanager
async def lifespan(_app: st.App) -> AsyncIterator[None]:
    allow_open_files()
    try:
        settings = Settings.from_env()
        path = write_server_log(settings.workspace)
        hosts = hosts_of(bound_to(), config.get_option("server.allowedHosts"), settings.allowed_hosts)
        services = build_services(settings)
        await anyio.to_thread.run_sync(services.start)
        login = log_in(settings)
    except StudioError as error:
        _give_up(str(error))
    except OSError as error:
        _give_up(f"The workspace {settings.workspace} cannot be used: {error.strerror or error}.")
    install(services)
    keep(Rules(hosts, login, base_path()))
    config.set_option("server.allowedHosts", ["*"])  # the gate has looked, for every path
    limit_waiting()
    end_departed_sessions()
    _end_transfers_on_signals()
    _say(f"scVI Studio is ready at {printed_address(login.token if login else '')}  (Ctrl+C stops it)")
    if login:
        if is_wildcard(bound_to()):
            _say(f"or, from this computer, at {printed_address(login.token, here=True)}")
        _say("Whoever has this address can use it with all that is in the workspace: keep it to yourself.")
    _say(f"Workspace {settings.workspace}, log {path.name}")
    try:
        yield
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(services.close)
        log.info("The server stopped")


def log_in(settings: Settings) -> Login | None:
    """The log-in of this server: where others can reach it, and where a token is set."""
    if is_loopback(bound_to()) and not settings.token:
        return None
    secret = kept_secret(settings.workspace)
    return Login(settings.token or secret, secret)


def allow_open_files(wanted: int = OPEN_FILES) -> None:
    """Raise the soft limit of open files as far as the hard one: macOS starts with 256, and a page takes several."""
    if resource is None:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        with contextlib.suppress(OSError, ValueError):  # the system allows less than it says
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _say(line: str) -> None:
    print(f"  {line}", file=sys.stderr, flush=True)


def _give_up(reason: str) -> None:
    """Leave with one line. The web server would add a traceback of its own, so it is silenced first."""
    _say(f"scVI Studio cannot start. {reason}")
    logging.getLogger("uvicorn.error").disabled = True
    raise SystemExit(1)


def _end_transfers_on_signals() -> None:
    """Ctrl+C and SIGTERM break off transfers; the web server by itself would wait for them."""
    for number in (signal.SIGINT, signal.SIGTERM):
        before = signal.getsignal(number)

        def handle(received: int, frame: FrameType | None, before: Handler = before) -> None:
            abort_transfers()
            if callable(before):
                before(received, frame)

        signal.signal(number, handle)
