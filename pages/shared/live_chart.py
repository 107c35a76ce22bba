"""A Plotly chart that is updated in place: zoom, hover and legend choices survive every update.

    live_chart(loss_chart([trail]), key="loss", height=380)     # a Chart from backend.charts
    live_chart({"data": [...], "layout": {...}}, key="loss")    # or a plain figure

Streamlit's own ``st.plotly_chart`` mounts anew whenever the data changes. What survives is steered by
``uirevision`` in the layout. A chart that is drawn again travels as what changed. plotly.js comes from this server,
once per page load; colours of page, text and grid are the theme's. A screen reader hears the present values in words.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import streamlit as st

from backend.charts import Chart
from pages.server.routes import PLOTLY_JS_URL
from pages.shared.component import component
from pages.shared.increments import whole_or_changes

_mount = component(
    "studio_live_chart",
    "live_chart",
    __file__,
    html='<div class="live-chart" role="figure"></div>',
    isolate_styles=False,  # Plotly writes its style rules into the document's head
)


def live_chart(
    figure_or_spec: Chart | dict[str, Any],
    key: str,
    height: int = 360,
    *,
    around: int = 0,
    words: str = "",
    name: str = "",
    on_drag: Callable[[int, float], None] | None = None,
) -> None:
    """Draw or update the chart ``key``.

    Parameters
    ----------
    figure_or_spec
        A ``Chart``, or a Plotly figure as a dictionary with ``data`` and ``layout``.
    height
        In pixels. The width is the container's, and follows it.
    around
        Pixels that stand above and below: the chart then takes what is left of the window, and ``height`` at least.
    words
        What a screen reader says; a ``Chart`` brings its own.
    name
        File name, without ending, when the reader saves the picture.
    on_drag
        Makes the lines among the figure's shapes movable: called with the number of the line and its new height.
    """

    def moved() -> None:
        found = getattr(st.session_state.get(key), "dragged", None)
        if on_drag is not None and isinstance(found, dict):
            on_drag(int(found["line"]), float(found["height"]))

    chart = figure_or_spec
    figure = chart.figure if isinstance(chart, Chart) else chart
    said = chart.words if isinstance(chart, Chart) else words
    _mount(
        key=key,
        height="content" if around else height,
        data={
            **whole_or_changes(key, figure),
            "words": words or said or "Chart",
            "height": height,
            "around": around,
            "plotly": PLOTLY_JS_URL,
            "draggable": on_drag is not None,
            "name": re.sub(r"[^\w-]+", "-", name or key, flags=re.ASCII).strip("-") or "chart",
        },
        on_dragged_change=moved,
    )
