"""Where a training runs: a ``TrainJob`` goes to a worker, ``Events`` come back, and nothing else crosses.

    worker = LocalWorker(make_executor("thread")); worker.start(job)
    events = worker.events(job.run_id, cursor); worker.ask(job.run_id, "stop"); worker.close(1.0)

``LocalWorker`` trains in this process, on the executor that also does other heavy work, one piece after another:
``thread`` is one background thread, ``inline`` the caller's own. ``ProcessWorker`` trains several runs at once, each
in a process. No worker knows the registry.
"""

from ._executor import Executor, make_executor
from ._processes import Desk, Link, ProcessLink, ProcessWorker, desks
from ._worker import LOST, WORKER_LOST, LocalWorker, RunLog, Train, Worker

__all__ = [
    "LOST",
    "WORKER_LOST",
    "Desk",
    "Executor",
    "Link",
    "LocalWorker",
    "ProcessLink",
    "ProcessWorker",
    "RunLog",
    "Train",
    "Worker",
    "desks",
    "make_executor",
]
