"""How an analysis that was asked to end says so."""

from __future__ import annotations


class AnalysisCanceled(Exception):
    """The job was asked to end before it was done."""
