"""``python -m backend``: the command line."""

import sys

from .cli import hush, main

if __name__ == "__main__":
    hush()
    sys.exit(main())
