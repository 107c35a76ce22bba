"""What was tried on this computer before it is trusted: accelerators, and bfloat16 on the data at hand.

``Checks`` does one check at a time on the compute thread, with progress and cancel, and keeps what it found in the
registry, for as long as device and versions stay the same.
"""

from ._checks import Checks

__all__ = ["Checks"]
