"""Kernels are compiled in a process of their own: who trains computes with the code that is kept on disk.

    if compiled_apart(folder): ...      # read it from ``folder``

LLVM rounds some sums otherwise in a process that has just compiled the kernels than in one that reads them, by about
1e-7. A run that began in the one and was resumed in the other would not end at the same numbers. Where nothing can be
kept, or the child fails, the caller compiles.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numba

logger = logging.getLogger("backend.kernels")

DONE = "*.done"
_LONGEST = 600.0  # seconds; a minute on a slow machine, and another server's child may be waited for
_ROOM = 64 << 20  # bytes on the disk; what is kept takes a few MB

_asked: set[Path] = set()


def compiled_apart(folder: Path, target: str) -> bool:
    """Whether a child has compiled the kernels into ``folder`` just now; at most once in a process.

    ``target`` says what they are compiled for.
    """
    if folder in _asked:
        return False
    _asked.add(folder)
    try:
        if _done(folder, target).exists() or shutil.disk_usage(folder).free < _ROOM:
            return False
        logger.info("compiling the kernels")
        here = Path(__file__)
        package = __package__ or ""
        root = here.parents[package.count(".") + 1]
        code = (
            f"import sys; sys.path.insert(0, {str(root)!r})\n"
            f"from {package}._apart import alone\n"
            f"from {package} import compile_kernels\n"
            f"with alone({str(folder)!r}, {target!r}): compile_kernels()"
        )
        subprocess.run(
            [sys.executable, "-c", code],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for us
            timeout=_LONGEST,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", None) or b""
        logger.warning(
            "the kernels are compiled in this process: %s %s", error, said.decode(errors="replace")[-2000:]
        )
        return False
    return True


@contextmanager
def alone(folder: str, target: str) -> Iterator[None]:
    """Compile within it: no other process does so for ``folder`` meanwhile, and none has to afterwards."""
    place = Path(folder)
    _asked.add(place)
    descriptor = os.open(place / "compiling.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with suppress(OSError):  # a network folder without locks: then two may compile the same
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    yield
    _done(place, target).touch()
    os.close(descriptor)


def _done(folder: Path, target: str) -> Path:
    """Its presence says that all kernels are kept, as numba looks for them: by the time of their source as well."""
    sources = sorted(Path(__file__).parent.glob("*.py"))
    stated = [(file.name, file.stat().st_mtime_ns, file.stat().st_size) for file in sources]
    known = repr((stated, target, numba.__version__, sys.version_info[:2]))
    return folder / f"{hashlib.sha256(known.encode()).hexdigest()[:16]}{DONE[1:]}"
