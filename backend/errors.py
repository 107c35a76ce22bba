"""User-facing errors: what happened, why, and what to do about it, in one sentence or two.

Raise these for anything a user can cause or mend. Pages show ``str(error)`` and nothing else; the command
line prints it and exits with ``error.exit_code``. A plain ``assert`` or built-in error is for our mistakes.
"""

from __future__ import annotations

from .types import Problem, Remedy


class StudioError(Exception):
    """Root of the tree. ``remedies`` become buttons where a page shows the error."""

    code = "error"
    exit_code = 1

    def __init__(self, message: str, *, remedies: tuple[Remedy, ...] = ()) -> None:
        super().__init__(message)
        self.remedies = remedies

    def as_problem(self) -> Problem:
        return Problem(self.code, "error", str(self), self.remedies)


class BadInput(StudioError):
    """A value the user gave cannot be used."""

    code = "bad_input"
    exit_code = 2


class BadFile(BadInput):
    """A file is not what it should be: broken, truncated, of another format."""

    code = "bad_file"


class NoCounts(BadFile):
    """A readable file without raw counts."""

    code = "no_counts"


class NotAllowed(StudioError):
    """Refused for safety: a path outside the allowed folders, a private address, a wrong token."""

    code = "not_allowed"
    exit_code = 2


class NotFound(StudioError):
    code = "not_found"
    exit_code = 2


class NoSpace(StudioError):
    """The disk is full. ``missing`` bytes would have been enough, where that is known."""

    code = "no_space"

    def __init__(
        self, message: str, *, missing: int | None = None, remedies: tuple[Remedy, ...] = ()
    ) -> None:
        super().__init__(message, remedies=remedies)
        self.missing = missing


class Unwritable(StudioError):
    """The registry cannot be written now: another process holds it, or its disk is in trouble."""

    code = "unwritable"


class WorkspaceGone(Unwritable):
    """The workspace was deleted or replaced under a running program."""

    code = "workspace_gone"


class Offline(StudioError):
    """The network or a remote server did not deliver."""

    code = "offline"


class WorkspaceLocked(StudioError):
    """Another server uses this workspace."""

    code = "workspace_locked"


class DeviceUnavailable(BadInput):
    code = "device_unavailable"


class Unexpected(StudioError):
    """A mistake of ours, met in background work; the log has the traceback."""

    code = "unexpected"


class OutOfMemory(StudioError):
    code = "out_of_memory"


class Conflict(StudioError):
    """The thing asked for does not fit the present state, e.g. resuming a run that runs."""

    code = "conflict"


class TrainingFailed(StudioError):
    """An unexpected error during training; the traceback is in the run's log."""

    code = "training_failed"
