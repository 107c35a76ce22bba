"""A replay of the cells of a run as they separated: play, pause, a slider over the epochs, a legend.

    cell_frames(run_id, index, look, key="frames")       # index: FrameIndex, look: CellLook

The browser fetches each picture once (12 kB for 3,000 cells) and draws the movement between two itself; with
"reduce motion" asked for, pictures follow each other without it. While a run trains the newest is shown.
"""

from __future__ import annotations

import base64
from pathlib import Path

import streamlit as st

from backend.charts import CellLook
from backend.types import FrameIndex
from pages.server.routes import frame_url
from pages.shared.live_chart import compact

_HERE = Path(__file__).parent
_mount = st.components.v2.component(
    "studio_cell_frames",
    html="""<div class="cell-frames">
<div class="cell-frames-stage"><canvas role="img"></canvas><p class="cell-frames-note" role="status"></p>
<div class="cell-frames-tip" hidden></div></div>
<ul class="cell-frames-legend" aria-label="Colours; press one to bring it out"></ul>
<div class="cell-frames-bar"><button type="button" class="cell-frames-play">▶ Play</button>
<input type="range" min="0" step="any" aria-label="Epoch"><output></output></div>
</div>""",
    css=compact((_HERE / "cell_frames.css").read_text(encoding="utf-8")),
    js=compact((_HERE / "cell_frames.js").read_text(encoding="utf-8")),
)


def cell_frames(run_id: str, index: FrameIndex, look: CellLook, *, key: str, coloured_by: str = "") -> None:
    last = index.frames[-1].epoch if index.frames else 0
    by = f", coloured by {coloured_by}" if coloured_by else ""
    _mount(
        key=key,
        data={
            "run": run_id,
            "address": frame_url(run_id, "{name}"),
            "frames": [
                {
                    "name": frame.name,
                    "epoch": frame.epoch,
                    "low": [_short(x) for x in frame.low],
                    "high": [_short(x) for x in frame.high],
                    "explained": round(frame.explained, 3),
                }
                for frame in index.frames
            ],
            "codes": base64.b64encode(look.codes.tobytes()).decode(),
            "palette": look.palette,
            "labels": look.labels,
            "continuous": look.continuous,
            "words": f"{index.n_cells:,} cells in two dimensions after epoch {last}{by}.",
        },
    )


def _short(value: float) -> float:
    return float(f"{value:.6g}")
