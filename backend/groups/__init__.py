"""Runs that belong together: a sweep over settings, a duel of two. Queued as ordinary runs, in order."""

from ._groups import Groups

__all__ = ["Groups"]
