"""Where messages go: all to ``server.log`` in the workspace, only what a person must know to the console.

The console never shows a traceback; the file, which is kept below 20 MB, has them all.
"""

from __future__ import annotations

import logging
import sys
from logging.handlers import RotatingFileHandler
from pathlib import Path

import streamlit as st
import streamlit.logger

from backend.errors import StudioError
from pages.shared.literal import literal

log = logging.getLogger(__name__)

_LIBRARIES = ("streamlit", "uvicorn", "websockets")  # they bring console handlers of their own
_NOT_FOR_PEOPLE = (*_LIBRARIES, "py.warnings")  # libraries' advice to programmers


class _OneLine(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        message = record.getMessage().strip().splitlines()
        detail = " (details in server.log)" if record.exc_info else ""
        return f"{record.levelname.capitalize()}: {message[0] if message else ''}{detail}"


def _for_people(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.WARNING and not record.name.startswith(_NOT_FOR_PEOPLE)


def write_server_log(workspace: Path) -> Path:
    """Send the process's log messages to ``workspace/server.log``; calling again changes nothing."""
    workspace.mkdir(parents=True, exist_ok=True)
    path = workspace / "server.log"
    root = logging.getLogger()
    if not any(handler.get_name() == "studio" for handler in root.handlers):
        file = RotatingFileHandler(path, maxBytes=5 * 1024**2, backupCount=3, encoding="utf-8", delay=True)
        file.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s"))
        console = logging.StreamHandler(sys.stderr)
        console.setFormatter(_OneLine())
        console.addFilter(_for_people)
        for handler in (file, console):
            handler.set_name("studio")
            root.addHandler(handler)
        root.setLevel(logging.INFO)
        logging.captureWarnings(True)  # a run's log has those of its own thread as well
    # Streamlit gives its loggers console handlers again when config.toml changes: take them off its list.
    getattr(streamlit.logger, "_loggers", {}).clear()
    for name in list(logging.root.manager.loggerDict):
        if name.startswith(_LIBRARIES):
            logger = logging.getLogger(name)
            logger.handlers.clear()
            logger.propagate = True
    logging.getLogger("uvicorn.access").disabled = True  # a line per request would bury everything else
    logging.getLogger("streamlit.error_util").disabled = True  # ``show_script_error`` logs the same
    return path


def show_script_error(error: Exception) -> bool:
    """Show ``error`` as a sentence and log its traceback; True tells Streamlit to show nothing itself."""
    if isinstance(error, StudioError):
        log.info("A page shows: %s", error, exc_info=error)
        st.error(literal(error, limit=1000), icon=":material/error:")
    else:
        log.error("A page failed with %s", type(error).__name__, exc_info=error)
        st.error(
            "Something unexpected went wrong on this page. Your data and runs are safe. Reload the page; if it "
            "happens again, the details are in the file `server.log` in the workspace.",
            icon=":material/error:",
        )
    return True
