"""A part of the exported code, and data inside code."""

from __future__ import annotations

import base64
import textwrap
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

WIDTH = 100


@dataclass(frozen=True, slots=True)
class Part:
    title: str
    words: str  # what it does and why, in a sentence or two, without any name from the data
    code: str


def packed(numbers: npt.NDArray[np.integer[Any]], name: str) -> str:
    """Code that defines an array of whole numbers."""
    text = base64_lines(numbers.astype("<i4").tobytes())
    return (
        "import base64, zlib\n\n"
        f'{name} = np.frombuffer(zlib.decompress(base64.b64decode("""\n{text}\n""")), "<i4").astype(int)'
    )


def base64_lines(data: bytes) -> str:
    return "\n".join(textwrap.wrap(base64.b64encode(zlib.compress(data, 9)).decode(), WIDTH))
