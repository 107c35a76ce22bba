"""Runs from submission to a model on disk: queue, worker, stop, cancel, resume, recovery."""

from backend.runs._service import RunService
from backend.runs._submission import clean_name

__all__ = ["RunService", "clean_name"]
