"""Where heavy work is done, one piece after another: ``make_executor("thread")`` or ``("inline")``."""

from ._make import Executor, make_executor

__all__ = ["Executor", "make_executor"]
