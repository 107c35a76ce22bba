"""``python -m backend``: the command line."""

import sys

from .cli import as_process

if __name__ == "__main__":
    sys.exit(as_process())
