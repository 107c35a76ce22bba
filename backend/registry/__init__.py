"""The run registry: every run and every number it produced, in one SQLite file of the workspace."""

from ._store import RunRegistry

__all__ = ["RunRegistry"]
