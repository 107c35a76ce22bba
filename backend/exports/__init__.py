"""What a run leaves to take away, as files: the model, the annotated data, the history, the script, reports."""

from ._exporter import OF_RUN, TOGETHER, Exporter

__all__ = ["OF_RUN", "TOGETHER", "Exporter"]
