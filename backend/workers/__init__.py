"""Where a training runs: a ``TrainJob`` goes to a worker, ``Events`` come back, and nothing else crosses.

    worker = LocalWorker(make_executor("thread")); worker.start(job)
    events = worker.events(job.run_id, cursor); worker.ask(job.run_id, "stop"); worker.close(1.0)

``LocalWorker`` trains in this process, on the executor that also does other heavy work, one piece after another:
``thread`` is one background thread, ``inline`` the caller's own. No worker knows the registry.
"""

from ._executor import Executor, make_executor
from ._worker import LOST, LocalWorker, RunLog, Train, Worker

__all__ = ["LOST", "Executor", "LocalWorker", "RunLog", "Train", "Worker", "make_executor"]
