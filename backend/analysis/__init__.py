"""Looking into a run that was trained: ``Analyses``, the jobs and results; and ``Cells``, what is quick.

    job = analyses.request(run_id, "umap")           # on the compute thread, between training runs
    found = analyses.result(run_id, "umap")          # None until it is there
    found.array("xy"); found.options["min_dist"]     # what it was made with

A kind of analysis is a ``Kind``, listed in ``KINDS``.
"""

from ._analyses import Analyses
from ._cells import Cells
from ._cluster_names import ClusterNames
from ._first_look import FirstLook
from ._kind import Context, Kind
from ._kinds import KINDS
from ._results import AnalysisResult

__all__ = ["KINDS", "Analyses", "AnalysisResult", "Cells", "ClusterNames", "Context", "FirstLook", "Kind"]
