"""Why an analysis failed, as a sentence for the page; the traceback goes to the log."""

from __future__ import annotations

import logging

from ..errors import OutOfMemory, StudioError
from ..types import AnalysisJob, Problem

logger = logging.getLogger(__name__)


def as_problem(job: AnalysisJob, error: Exception) -> Problem:
    logger.error("%s failed", job.title, exc_info=error)
    if isinstance(error, StudioError):
        return error.as_problem()
    if isinstance(error, MemoryError) or "out of memory" in str(error).lower():
        return OutOfMemory("The memory was not enough. Close other programs and try again.").as_problem()
    first_line = str(error).strip().partition("\n")[0][:200]
    return Problem(
        "analysis_failed",
        "error",
        f"This ended with an unexpected error ({type(error).__name__}: {first_line}). The log of the server "
        "(server.log in the workspace) has the details.",
    )
