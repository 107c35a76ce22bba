"""Numbers of a run -> figures. Pure: no disk, no Streamlit, no plotly import; a figure is a plain dictionary.

    chart = loss_chart([Trail("my run", "cpu", curves)])     # Curves in, a Chart out: .data, .layout, .words
    plotly.graph_objects.Figure(chart.figure)                # where plotly itself is wanted

Names that come from people or files are shown as text, never as markup. Series are thinned to what a screen
can show, so that a long run stays as light as a short one.
"""

from ._accent import ACCENTS, ACCENTS_DARK, accent
from ._cells import CellLook, cell_look
from ._compare import compare_chart
from ._dataset import histogram, short
from ._device import device_chart
from ._figure import Chart, Trail, plain
from ._judgement import (
    Judgement,
    judge_gap,
    judge_groups,
    judge_plateau,
    judge_predictive,
    judge_reencoding,
)
from ._looks import Look, run_looks
from ._loss import loss_chart, steps_chart
from ._markers import dot_chart, volcano_chart
from ._outcome import looks_of, pareto_chart, target_chart, time_chart
from ._overlap import overlap_chart
from ._parts import parts_chart
from ._speed import epoch_seconds_chart, speed_chart
from ._sweep import sweep_loss_chart, sweep_pareto_chart, sweep_time_chart
from ._sweep_table import PUBLISHED, PUBLISHED_NOTE, SweepRow, SweepTable, sweep_tables
from ._trust import excess_chart, gap_chart, observed_chart

__all__ = [
    "ACCENTS",
    "ACCENTS_DARK",
    "PUBLISHED",
    "PUBLISHED_NOTE",
    "CellLook",
    "Chart",
    "Judgement",
    "Look",
    "SweepRow",
    "SweepTable",
    "Trail",
    "accent",
    "cell_look",
    "compare_chart",
    "device_chart",
    "dot_chart",
    "epoch_seconds_chart",
    "excess_chart",
    "gap_chart",
    "histogram",
    "judge_gap",
    "judge_groups",
    "judge_plateau",
    "judge_predictive",
    "judge_reencoding",
    "looks_of",
    "loss_chart",
    "observed_chart",
    "overlap_chart",
    "pareto_chart",
    "parts_chart",
    "plain",
    "run_looks",
    "short",
    "speed_chart",
    "steps_chart",
    "sweep_loss_chart",
    "sweep_pareto_chart",
    "sweep_tables",
    "sweep_time_chart",
    "target_chart",
    "time_chart",
    "volcano_chart",
]
