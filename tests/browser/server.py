"""A real dashboard for tests and benchmarks: ``streamlit run app.py`` in a child process.

    server = Server(workspace)
    server.start(); server.url; server.kill(); server.start(); server.stop()

Every server gets a free port and a log file. ``start`` returns when the dashboard answers, and raises
``ServerError`` with the end of the log when it does not come up.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]


class ServerError(RuntimeError):
    """The server did not come up; the message carries the end of its log."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """One dashboard on its own workspace. Constructing starts nothing."""

    def __init__(
        self,
        workspace: Path,
        *,
        environment: dict[str, str] | None = None,
        script: str = "app.py",
        options: dict[str, str] | None = None,
    ) -> None:
        self.workspace = workspace
        self.script = script
        self.options = options or {}  # Streamlit's, such as "server.address"
        self.environment = environment or {}
        self.port = free_port()
        self.log_path = workspace.with_name(workspace.name + "-server.log")
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        base = self.options.get("server.baseUrlPath", "").strip("/")
        return f"http://127.0.0.1:{self.port}{'/' if base else ''}{base}"

    @property
    def token(self) -> str:
        """What the log-in asks for, where there is one."""
        kept = self.workspace / "token"
        return self.environment.get("SCVI_STUDIO_TOKEN") or (kept.read_text() if kept.exists() else "")

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def spawn(self) -> None:
        """Start the process without waiting for it."""
        command = [sys.executable, "-m", "streamlit", "run", self.script]
        options = {
            "server.port": self.port,
            "server.headless": "true",
            "server.fileWatcherType": "none",
            "browser.gatherUsageStats": "false",
            **self.options,
        }
        for name, value in options.items():
            command += [f"--{name}", str(value)]
        environment = {
            **os.environ,
            "SCVI_STUDIO_WORKSPACE": str(self.workspace),
            "PYTHONUNBUFFERED": "1",
            "PYTHONPATH": str(PROJECT),  # for scripts that are not at the top
            # servers and the browser share two cores with the tests themselves
            "SCVI_STUDIO_THREADS": "1",
            **self.environment,
        }
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=PROJECT, env=environment, stdout=log, stderr=log, start_new_session=True
            )

    def start(self, seconds: float = 120) -> Server:
        self.spawn()
        self.wait_healthy(seconds)
        return self

    def wait_healthy(self, seconds: float = 120) -> None:
        assert self.process is not None
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise ServerError(
                    f"the server ended with code {self.process.returncode}:\n{self.log[-4000:]}"
                )
            try:
                asked = urllib.request.Request(f"{self.url}/_stcore/health")
                if self.token:
                    asked.add_header("Authorization", f"Bearer {self.token}")
                with urllib.request.urlopen(asked, timeout=2) as answer:
                    if answer.status == 200:
                        return
            except (urllib.error.URLError, OSError):
                pass
            time.sleep(0.1)
        self.kill()
        raise ServerError(f"the server did not answer within {seconds:.0f} s:\n{self.log[-4000:]}")

    def wait_ended(self, seconds: float = 60) -> int:
        """Wait for a server that is expected to give up by itself; its exit code."""
        assert self.process is not None
        return self.process.wait(seconds)

    def kill(self) -> None:
        """kill -9, children included: what a crash or a lost machine looks like."""
        self._signal(signal.SIGKILL)

    def stop(self, seconds: float = 30) -> int | None:
        """SIGTERM, as Ctrl+C or a service manager would; killed when it does not obey in time."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return None

    def _signal(self, number: int) -> None:
        assert self.process is not None
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            return
        self.process.wait(30)
