"""A child process for tests of children: counts letters, writes a file, and goes wrong as told."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from backend.errors import BadFile
from backend.jobs import OnProgress, serve


def perform(request: dict[str, Any], tell: OnProgress) -> dict[str, Any]:
    print("a library's chatter")
    tell(0.5, str(len(request["text"])))
    if request.get("wrong"):
        raise BadFile(request["wrong"])
    if request.get("full"):
        raise OSError("Can't write data (errno = 28, error message = 'No space left on device')")  # HDF5
    if request.get("large"):
        raise MemoryError
    time.sleep(request.get("sleep", 0))
    if request.get("out"):
        Path(request["out"]).write_text(request["text"])
    return {"length": len(request["text"])}


if __name__ == "__main__":
    sys.exit(serve(perform, niceness=0))
