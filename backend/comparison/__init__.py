"""Runs side by side: which is faster, at what cost, and whether the comparison is fair.

comparer.compare([run_id, other_id])                      # a Comparison
comparer.compare(ids, metric="elbo_validation", target=320.0)
comparer.time_to(run_id, 320.0)                           # seconds, or None
compare_runs(records, curves)                             # the same of what is at hand; reads nothing else
"""

from ._comparer import Comparer, compare_runs

__all__ = ["Comparer", "compare_runs"]
