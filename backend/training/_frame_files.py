"""When pictures of the cells are taken, and where they lie.

    files = FrameFiles(run_dir); files.begin(cells, n_obs, epoch=0); files.add(1, points, ...); files.index()

``run_dir/frames/`` holds an index, the chosen cells and a small file a picture, each of which appears whole or not at
all. More than ``MOST`` pictures are thinned to every second one. Files that the index no longer names go when the next
session begins: a browser may just be asking for one.
"""

from __future__ import annotations

import json
import math
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from ..storage import write_array, write_text
from ..types import Frame, FrameIndex

if TYPE_CHECKING:
    import numpy as np  # imported where it is used: importing the room is cheap
    import numpy.typing as npt

FOLDER = "frames"
MOST = 60
_FULL = 65535
SHARE = 0.03  # of the training time, all pictures together
_EVENLY = 42  # pictures of the even stretch


class FrameFiles:
    def __init__(self, run_dir: Path) -> None:
        self._folder = run_dir / FOLDER
        self._writing: FrameIndex | None = None

    def index(self) -> FrameIndex | None:
        """What there is; None where nothing was taken, or nothing that can be read."""
        try:
            return FrameIndex.from_dict(json.loads((self._folder / "index.json").read_text("utf-8")))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def cells(self) -> npt.NDArray[np.intp]:
        """Positions of the pictured cells among the prepared ones."""
        import numpy as np

        cells: npt.NDArray[np.intp] = np.load(self._folder / "cells.npy", allow_pickle=False)
        return cells

    def values(self, name: str) -> npt.NDArray[np.uint16]:
        """(cells, 2) uint16 of the picture called ``name``."""
        import numpy as np

        if not re.fullmatch(r"\d{6,}-[0-9a-f]{8}", name):
            raise ValueError(f"no picture is called {name!r}")
        values: npt.NDArray[np.uint16] = np.load(self._folder / f"{name}.npy", allow_pickle=False)
        return values

    def points(self, frame: Frame) -> npt.NDArray[np.float64]:
        """(cells, 2) float64."""
        import numpy as np

        low, high = np.array(frame.low), np.array(frame.high)
        points: npt.NDArray[np.float64] = low + self.values(frame.name) / _FULL * (high - low)
        return points

    # --- writing ----------------------------------------------------------------------------------------

    def begin(self, cells: npt.NDArray[np.intp], n_obs: int, *, epoch: int) -> FrameIndex:
        """Keep the pictures up to ``epoch``, of the same cells; drop what a repeated stretch makes anew."""
        known = self.index()
        if known is None or epoch == 0 or not self._same(cells):
            known = FrameIndex(len(cells), n_obs)
            write_array(self._folder / "cells.npy", cells)
        kept = tuple(frame for frame in known.frames if frame.epoch <= epoch)
        seconds = (
            sum(frame.seconds for frame in kept) if len(kept) < len(known.frames) else known.frame_seconds
        )
        index = known.replace(frames=kept, frame_seconds=seconds)
        self._commit(index)
        self._clear()
        return index

    def add(
        self,
        epoch: int,
        points: npt.NDArray[np.float64],
        explained: float,
        *,
        seconds: float = 0.0,
        spent: float = 0.0,
        training_seconds: float = 0.0,
    ) -> FrameIndex:
        """One more picture, in the place of one of the same epoch.

        Parameters
        ----------
        points
            (cells, 2).
        seconds
            What this picture cost.
        spent
            What all of them cost within training, until now.
        """
        import numpy as np

        index = self._writing
        assert index is not None, "begin comes first"
        low, high = points.min(axis=0), points.max(axis=0)
        width = np.where(high > low, high - low, 1.0)
        values = np.round((points - low) / width * _FULL).astype("<u2")
        name = f"{epoch:06d}-{uuid4().hex[:8]}"
        os.stat(self._folder)  # raises where the run was deleted: nothing is made anew for it
        write_array(
            self._folder / f"{name}.npy", values, durable=False
        )  # within training, and only a picture
        frame = Frame(name, epoch, tuple(low.tolist()), tuple((low + width).tolist()), explained, seconds)
        frames = (*(other for other in index.frames if other.epoch < epoch), frame)
        if len(frames) > MOST:
            frames = (*frames[:-1:2], frame)
        index = index.replace(
            frames=frames,
            frame_seconds=max(index.frame_seconds, spent),
            training_seconds=max(index.training_seconds, training_seconds),
        )
        self._commit(index)
        return index

    def settle(self, *, spent: float, training_seconds: float) -> None:
        """At the end: what all pictures cost, to the last."""
        assert self._writing is not None, "begin comes first"
        os.stat(self._folder)
        self._commit(self._writing.replace(frame_seconds=spent, training_seconds=training_seconds))

    def _same(self, cells: npt.NDArray[np.intp]) -> bool:
        import numpy as np

        try:
            return bool(np.array_equal(self.cells(), cells))
        except (OSError, ValueError):
            return False

    def _commit(self, index: FrameIndex) -> None:
        text = json.dumps(index.to_dict(), separators=(",", ":"))
        write_text(self._folder / "index.json", text, durable=False)
        self._writing = index

    def _clear(self) -> None:
        """Remove the files that the index does not name."""
        assert self._writing is not None
        wanted = {f"{frame.name}.npy" for frame in self._writing.frames} | {"cells.npy"}
        for path in self._folder.iterdir():
            if path.name not in wanted and path.suffix == ".npy":
                path.unlink(missing_ok=True)


@dataclass
class FramePlan:
    """When a picture is taken: often at first, then evenly, and never beyond ``SHARE`` of the time.

    A tick of the clock is its caller's.
    """

    max_epochs: int
    spent: float = 0.0  # seconds, within training
    expected: float = 0.0  # seconds the next one will take, by the last one

    def due(self, epoch: int, last: int, elapsed: float) -> bool:
        """Whether to take a picture at the end of ``epoch``; ``last`` is the epoch of the one before."""
        return epoch >= self.next_after(last) and self.affordable(elapsed)

    def next_after(self, last: int) -> int:
        """Epochs 1, 2, 3, 4, 5, 6, 8, 10, 13, ... and then every k-th, so that a long run has some fifty."""
        even = max(1, math.ceil(self.max_epochs / _EVENLY))
        return last + min(even, max(1, last // 3))

    def affordable(self, elapsed: float) -> bool:
        return self.spent + self.expected <= SHARE * elapsed

    def took(self, seconds: float) -> None:
        self.spent += seconds
        self.expected = seconds
