"""The latent space of a run during training, live or replayed: play, pause, a slider over the epochs, a legend.

    cells_card(run)       # on the run's own page, within what it draws again by itself
    live_section(run)     # in Explore

The browser fetches each frame once (12 kB for 3,000 cells) and draws the movement between two itself; with
"reduce motion" asked for, frames follow each other without it. While a run trains the newest is shown.
"""

from __future__ import annotations

import base64
from collections.abc import Callable

import streamlit as st

from backend import services
from backend.charts import CellLook, cell_look
from backend.errors import StudioError
from backend.types import FrameIndex, RunRecord
from backend.words import count, counted, duration, percent
from pages.server.routes import frame_url
from pages.shared.component import component
from pages.shared.increments import whole_or_changes
from pages.shared.literal import literal

_mount = component(
    "studio_cell_frames",
    "cell_frames",
    __file__,
    html="""<div class="cell-frames">
<div class="cell-frames-stage"><canvas role="img"></canvas><p class="cell-frames-note" role="status"></p>
<div class="cell-frames-tip" hidden></div></div>
<ul class="cell-frames-legend" aria-label="Colours; select one to highlight it"></ul>
<div class="cell-frames-bar"><button type="button" class="cell-frames-play">▶ Play</button>
<input type="range" min="0" step="any" aria-label="Epoch"><output></output></div>
</div>""",
)


def cell_frames(
    run_id: str, index: FrameIndex, look: CellLook, *, key: str, coloured_by: str = "", stage: bool = False
) -> None:
    last = index.frames[-1].epoch if index.frames else 0
    by = f", coloured by {coloured_by}" if coloured_by else ""
    picture = {
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
    }
    _mount(
        key=key,
        data={
            "run": run_id,
            "stage": stage,
            "address": frame_url(run_id, "{name}"),
            "words": f"{counted(index.n_cells, 'cell')} in two dimensions after epoch {last}{by}.",
            **whole_or_changes(key, picture),
        },
    )


def _short(value: float) -> float:
    return float(f"{value:.6g}")


ONE_COLOUR = ""


def cells_card(
    run: RunRecord,
    heading: Callable[[], object] = lambda: st.markdown("**Latent space**", width="content"),
    caption: Callable[[FrameIndex], object] = lambda index: st.caption(explained(index)),
    *,
    stage: bool = False,
) -> None:
    """The frames so far, or in their place why there are none; ``stage``: as high as the window, for a projector."""
    index = services.current().pictures.index(run.run_id)
    with st.container(border=True, height="stretch"):
        if index is None or not index.frames:
            heading()
            st.caption(_no_frames(run))
            return
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            heading()
            column = _colour_by(run.run_id)
        look = _look(run.run_id, index, column)
        cell_frames(run.run_id, index, look, key=f"frames-{run.run_id}", coloured_by=column, stage=stage)
        if not stage:
            caption(index)


def _no_frames(run: RunRecord) -> str:
    if not run.status.is_over:
        return "Your cells appear here when training begins, and separate as the model learns."
    return (
        "No frames were recorded while this run trained: it was trained by an earlier version, or imported "
        "without them. New runs record them."
    )


def live_section(run: RunRecord) -> None:
    """In Explore: the same, looked at again while the run trains."""
    st.fragment(cells_card, run_every=None if run.status.is_over else 2.0)(run)


def _colour_by(run_id: str) -> str:
    columns = services.current().pictures.columns(run_id)
    key = f"frames-colour-{run_id}"
    options = [*columns, ONE_COLOUR]
    if st.session_state.get(key) not in options:
        st.session_state[key] = options[0]
    return st.selectbox(
        "Colour by",
        options,
        format_func=lambda name: name if name != ONE_COLOUR else "Single colour",
        key=key,
        width=220,
        label_visibility="collapsed",
        help="A column of obs. The model does not see it: cells that share a label come together by themselves.",
    )


def _look(run_id: str, index: FrameIndex, column: str) -> CellLook:
    dark = st.context.theme.type == "dark"
    if column == ONE_COLOUR:
        return cell_look(None, index.n_cells, dark=dark)
    try:
        colours = services.current().pictures.colours(run_id, column)
    except StudioError as error:
        st.caption(literal(error, limit=300))
        return cell_look(None, index.n_cells, dark=dark)
    return cell_look(colours, index.n_cells, dark=dark)


def explained(index: FrameIndex) -> str:
    """What is to be seen, and what it cost."""
    drawn = f"**{count(index.n_cells)}** of {count(index.n_obs)} cells, drawn at random"
    if index.n_cells >= index.n_obs:
        drawn = f"all **{count(index.n_obs)}** cells"
    cost = ""
    if index.training_seconds and index.frame_seconds:
        cost = f" Recording the frames took {duration(index.frame_seconds)}, {percent(index.cost)} of the training."
    return (
        f"Each point is a cell: {drawn}. The axes are the first two principal components of the latent space at that "
        "epoch (no units), aligned with the previous frame. The first frame shows the untrained model."
        f"{cost}"
    )
