"""Background work: one board for all of it, and processes of their own for what would slow the pages or could crash.

board = JobBoard(folder, executor); board.employ("data", perform, durable=True)
job = board.begin(Work("data", "inspect-ab12", "inspect", "Checking a.h5ad", {...}))

result = run_child("backend.datasets._worker", request, log, context.report, context.cancel)    # here
sys.exit(serve(perform, niceness=5))                                                            # there
"""

from ._board import JobBoard, Perform, Request, Work
from ._child import (
    Child,
    JobCanceled,
    JobContext,
    OnProgress,
    Reporter,
    Say,
    converse,
    error_from,
    part,
    run_child,
    serve,
)

__all__ = [
    "Child",
    "JobBoard",
    "JobCanceled",
    "JobContext",
    "OnProgress",
    "Perform",
    "Reporter",
    "Request",
    "Say",
    "Work",
    "converse",
    "error_from",
    "part",
    "run_child",
    "serve",
]
