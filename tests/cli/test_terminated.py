"""SIGTERM, as a batch system or a container sends it, ends a command within two seconds and leaves a run to resume."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

PROJECT = Path(__file__).parents[2]
STUCK = """
import sys, time
import backend.cli.entry as entry  # the program proper, with a main thread that does not listen
def stuck():
    from backend.cli.terminal import terminable
    with terminable():
        try:
            print("ready", flush=True)
            while True: time.sleep(0.1)
        finally:
            time.sleep(60)
entry.main = stuck
sys.exit(entry.as_process())
"""


def test_a_command_that_hangs_in_its_end_is_gone_in_time() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STUCK], cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        _, complaint = process.communicate(timeout=30)
        assert time.monotonic() - began < 2.5  # 1.5 s, and some for a busy machine
        assert process.returncode == 143
        assert complaint == ""
