"""Runs from submission to a model on disk: queue, worker, stop, cancel, resume, recovery."""

from backend.runs._pictures import Pictures
from backend.runs._service import RunService
from backend.runs._submission import clean_name

__all__ = ["Pictures", "RunService", "clean_name"]
