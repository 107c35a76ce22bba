"""``make chaos``: long trials of what must never lose anything (ONLY=kills runs one of them, SHORT=1 a smaller one).

Each prints one line of figures; the exit code is 0 only where nothing was lost and nothing could not be tried.
"""

from __future__ import annotations

import argparse
import importlib
import os
import random
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.trial import Trial

TRIALS = {
    "kills": "kill -9 at random moments: runs resume, curves are exact",
    "full_disk": "a 60 MB disk that fills up at eight stages of a run",
    "sessions": "20 sessions at once, over and over, while a model trains",
    "descriptors": "200 page loads under a limit of 256 open files",
    "attacks": "hostile requests, half-open connections, foreign pages",
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(TRIALS))
    parser.add_argument("--short", action="store_true", help="about a tenth, for a busy machine")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    args = parser.parse_args()
    if unknown := [name for name in args.names if name not in TRIALS]:
        parser.error(f"there is no trial {unknown[0]!r}; there are: {', '.join(TRIALS)}")
    # compiled once for all trials: what a kill meets there is the business of tests of kernels
    os.environ.setdefault("NUMBA_CACHE_DIR", str(Path(tempfile.gettempdir()) / "scvi-studio-chaos-kernels"))
    print(f"seed {args.seed}{', short' if args.short else ''}", flush=True)
    lost = 0
    for name in args.names or TRIALS:
        with tempfile.TemporaryDirectory(prefix=f"chaos-{name}-") as folder:
            trial = Trial(Path(folder), random.Random(args.seed), short=args.short)
            began = time.monotonic()
            try:
                importlib.import_module(f"tests.chaos.{name}").run(trial)
            except Exception as error:  # one that breaks must not hide the others
                trial.lose(f"the trial itself broke: {error!r}")
            verdict = "LOST" if trial.losses else "ok"
            print(f"{name}: {verdict}. {trial.figures} ({time.monotonic() - began:.0f} s)", flush=True)
            for loss in trial.losses[:20]:
                print(f"  - {loss}", flush=True)
            lost += bool(trial.losses)
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
