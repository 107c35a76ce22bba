"""Numbers of a run -> figures. Pure: no disk, no Streamlit, no plotly import; a figure is a plain dictionary.

    curves = Curves(); curves.add(batch.points)              # gather as the points come
    chart = loss_chart([Trail("my run", "cpu", curves)])     # a Chart: .data, .layout, .words
    plotly.graph_objects.Figure(chart.figure)                # where plotly itself is wanted

Names that come from people or files are shown as text, never as markup. Series are thinned to what a screen
can show, so that a long run stays as light as a short one.
"""

from backend.charts._accent import ACCENTS, ACCENTS_DARK, accent
from backend.charts._cells import CellLook, cell_look
from backend.charts._compare import METRICS, Metric, compare_chart
from backend.charts._curves import Curves, Series
from backend.charts._figure import Chart, Trail, plain
from backend.charts._looks import Look, run_looks
from backend.charts._loss import best_point, loss_chart, steps_chart
from backend.charts._outcome import looks_of, pareto_chart, target_chart, time_chart
from backend.charts._parts import parts_chart
from backend.charts._speed import epoch_seconds_chart, speed_chart, steady_seconds

__all__ = [
    "ACCENTS",
    "ACCENTS_DARK",
    "METRICS",
    "CellLook",
    "Chart",
    "Curves",
    "Look",
    "Metric",
    "Series",
    "Trail",
    "accent",
    "best_point",
    "cell_look",
    "compare_chart",
    "epoch_seconds_chart",
    "looks_of",
    "loss_chart",
    "pareto_chart",
    "parts_chart",
    "plain",
    "run_looks",
    "speed_chart",
    "steady_seconds",
    "steps_chart",
    "target_chart",
    "time_chart",
]
