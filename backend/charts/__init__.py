"""Numbers of a run -> figures. Pure: no disk, no Streamlit, no plotly import; a figure is a plain dictionary.

    chart = loss_chart([Trail("my run", "cpu", curves)])     # Curves in, a Chart out: .data, .layout, .words
    plotly.graph_objects.Figure(chart.figure)                # where plotly itself is wanted

Names that come from people or files are shown as text, never as markup. Series are thinned to what a screen
can show, so that a long run stays as light as a short one.
"""

from ._cell_pair import cell_pair_chart
from ._colours import (
    ACCENTS,
    ACCENTS_DARK,
    CELL_SCALE,
    CellLook,
    Look,
    accent,
    cell_look,
    group_colours,
    run_looks,
)
from ._compare import compare_chart
from ._dataset import histogram
from ._figure import Chart, Trail, plain
from ._loss import loss_chart, parts_chart, steps_chart
from ._markers import dot_chart, overlap_chart, volcano_chart
from ._outcome import looks_of, pareto_chart, target_chart, time_chart
from ._speed import device_chart, epoch_seconds_chart, speed_chart
from ._sweep import (
    PUBLISHED,
    PUBLISHED_NOTE,
    SweepRow,
    SweepTable,
    sweep_loss_chart,
    sweep_pareto_chart,
    sweep_tables,
    sweep_time_chart,
)
from ._trust import (
    GOOD,
    UNKNOWN,
    Judgement,
    excess_chart,
    gap_chart,
    judge_gap,
    judge_groups,
    judge_plateau,
    judge_predictive,
    judge_reencoding,
    observed_chart,
)
from ._violins import counts_genes_chart, height_of, value_at, violin_chart

__all__ = [
    "ACCENTS",
    "ACCENTS_DARK",
    "CELL_SCALE",
    "GOOD",
    "PUBLISHED",
    "PUBLISHED_NOTE",
    "UNKNOWN",
    "CellLook",
    "Chart",
    "Judgement",
    "Look",
    "SweepRow",
    "SweepTable",
    "Trail",
    "accent",
    "cell_look",
    "cell_pair_chart",
    "compare_chart",
    "counts_genes_chart",
    "device_chart",
    "dot_chart",
    "epoch_seconds_chart",
    "excess_chart",
    "gap_chart",
    "group_colours",
    "height_of",
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
    "speed_chart",
    "steps_chart",
    "sweep_loss_chart",
    "sweep_pareto_chart",
    "sweep_tables",
    "sweep_time_chart",
    "target_chart",
    "time_chart",
    "value_at",
    "violin_chart",
    "volcano_chart",
]
