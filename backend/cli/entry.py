"""The command line: ``python -m backend train --demo`` and ``python -m backend runs``.

Works through the same services and registry as the dashboard, which may run at the same time: it shows the
runs started here, live, and can stop them. Bad input is one line on stderr and exit code 2.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Sequence

from ..errors import StudioError
from ..settings import Settings
from ..storage import is_full
from .args import command, parse
from .terminal import TERMINATED

ABORTED = 130  # what a shell reports for Ctrl-C
_LAST_SECONDS = 1.5
NOBODY_READS = 141  # and for a program whose reader has gone, as in `… runs | head`


def main(argv: Sequence[str] | None = None) -> int:
    try:
        args = parse(sys.argv[1:] if argv is None else argv)
        settings = Settings.from_env(workspace=args.workspace or "")
        exit_code: int = command(args.command).run(settings, args)
        sys.stdout.flush()
        return exit_code
    except StudioError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("Aborted.", file=sys.stderr)
        return ABORTED
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - what is still buffered goes there at the end
        return NOBODY_READS
    except OSError as error:
        full = is_full(error)
        where = f" ({error.filename})" if error.filename else ""
        remedy = "Free some space and try again." if full else "Check the folder, then try again."
        print(f"error: {error.strerror or error}{where}. {remedy}", file=sys.stderr)
        return 1
    except Exception as error:
        print(f"error: {_unexpected(error)}", file=sys.stderr)
        return 1


def _unexpected(error: Exception) -> str:
    """One line for a mistake of ours; the traceback goes to a file that can be sent to somebody."""
    line = " ".join(str(error).split())[:200]
    said = f"Something unexpected went wrong ({type(error).__name__}{': ' if line else ''}{line})"
    try:
        with tempfile.NamedTemporaryFile("w", prefix="scvi-studio-", suffix=".log", delete=False) as log:
            log.write("".join(traceback.format_exception(error)))
    except OSError:
        return f"{said}."
    return f"{said}. The details are in {log.name}."


def as_process() -> int:
    """``main`` as a program of its own: told to end, it ends at once, whatever a minibatch still computes."""
    _hush()
    _end_soon_when_told()
    try:
        return main()
    except SystemExit as left:
        if left.code != TERMINATED:
            raise
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(
            TERMINATED
        )  # the run is written as interrupted; an exit in good order would wait for the minibatch


def _end_soon_when_told() -> None:
    """SIGTERM ends this process in time, whatever holds up its main thread; the next start finds the run dead."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)

    def watch() -> None:
        while os.read(reader, 1) != bytes([signal.SIGTERM]):
            pass
        time.sleep(_LAST_SECONDS)
        os._exit(TERMINATED)

    threading.Thread(target=watch, name="end", daemon=True).start()


def _hush() -> None:
    """Third parties' warnings and log lines belong into the run's log, not onto the terminal."""
    logging.getLogger().addHandler(logging.NullHandler())  # before Lightning looks for one and adds its own
    logging.captureWarnings(True)
