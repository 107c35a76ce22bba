"""Runs from submission to a model on disk: queue, worker, stop, cancel, resume, recovery."""

from backend.runs._service import RunService

__all__ = ["RunService"]
