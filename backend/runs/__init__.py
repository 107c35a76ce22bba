"""Runs from submission to a model on disk: queue, worker, stop, cancel, resume, recovery."""

from ._pictures import Pictures
from ._service import RunService
from ._submission import clean_name

__all__ = ["Pictures", "RunService", "clean_name"]
