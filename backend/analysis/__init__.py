"""Looking into a run that was trained: ``Analyses``, the jobs and results; and ``Cells``, what is quick.

    job = analyses.request(run_id, "umap")           # on the compute thread, between training runs
    found = analyses.result(run_id, "umap")          # None until it is there
    found.array("xy")

A kind of analysis is one file with a ``Kind``, listed in ``_kinds.py``.
"""

from ._analyses import Analyses
from ._cells import Cells
from ._results import AnalysisResult

__all__ = ["Analyses", "AnalysisResult", "Cells"]
