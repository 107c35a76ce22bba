"""The only place that turns data into English: amounts, names, and what a notice says.

    counted(1234, "cell") -> "1,234 cells"      duration(75) -> "1 min 15 s"      file_size(3e9) -> "3.0 GB"

Everything else passes codes and numbers. Plain text, never markup; British spelling.
"""

from ._amounts import (
    about,
    ago,
    count,
    counted,
    duration,
    factor,
    file_size,
    in_seconds,
    listed,
    loss_value,
    memory_size,
    moment,
    number,
    or_dash,
    percent,
    plural,
    short,
    training_time,
)
from ._findings import FINDINGS, agreement_sentences, finding_sentence
from ._integration import SAME, integration_sentences
from ._names import (
    LOSS_TITLE,
    METRICS,
    WEIGHTED_TITLE,
    Metric,
    device_title,
    device_word,
    engine_title,
    loss_words,
    one_line,
    sentence_case,
    setting_rows,
    status_word,
    visible,
)
from ._notices import SENTENCES, rule_reasons, sentence

__all__ = [
    "FINDINGS",
    "LOSS_TITLE",
    "METRICS",
    "SAME",
    "SENTENCES",
    "WEIGHTED_TITLE",
    "Metric",
    "about",
    "ago",
    "agreement_sentences",
    "count",
    "counted",
    "device_title",
    "device_word",
    "duration",
    "engine_title",
    "factor",
    "file_size",
    "finding_sentence",
    "in_seconds",
    "integration_sentences",
    "listed",
    "loss_value",
    "loss_words",
    "memory_size",
    "moment",
    "number",
    "one_line",
    "or_dash",
    "percent",
    "plural",
    "rule_reasons",
    "sentence",
    "sentence_case",
    "setting_rows",
    "short",
    "status_word",
    "training_time",
    "visible",
]
