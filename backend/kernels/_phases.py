"""The phases of a training step, told to whoever measures them; with nobody listening a phase is a plain call.

    result = phase("kernel", function, *arguments)   # function(*arguments)
    with listening(heard): ...                        # heard(name, seconds, again) after each phase, on its thread

``again`` calls the same function with the same arguments once more. For the CPU: an accelerator is not waited for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from time import perf_counter
from typing import Any, TypeVar

T = TypeVar("T")
Listener = Callable[[str, float, Callable[[], Any]], object]

_listener: Listener | None = None


def phase(name: str, function: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
    heard = _listener
    if heard is None:
        return function(*args, **kwargs)
    start = perf_counter()
    result = function(*args, **kwargs)
    heard(name, perf_counter() - start, partial(function, *args, **kwargs))
    return result


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Within the block, ``listener`` hears every phase of this process."""
    global _listener
    before, _listener = _listener, listener
    try:
        yield
    finally:
        _listener = before
