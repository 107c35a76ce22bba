"""What a run leaves to take away, as files: the model, the annotated data, the history, the spec."""

from ._exporter import Exporter

__all__ = ["Exporter"]
