"""The command line: ``python -m backend train --demo``. One file a command, found by ``args``.

Works through the same services and registry as the dashboard, which may run at the same time: it shows the
runs started here, live, and can stop them.
"""

from .entry import as_process, main

__all__ = ["as_process", "main"]
