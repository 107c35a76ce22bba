"""The messages that travel between the rooms: frozen dataclasses, no behaviour beyond (de)serialising.

``RunSpec`` says what to train, ``RunRecord`` what became of it, ``MetricPoint`` one number on the way,
``DatasetRef`` which cells, ``PrepareSpec`` how they were made ready, ``DatasetReport`` what was seen.
Everything here survives ``to_dict`` -> JSON -> ``from_dict`` unchanged.
"""

from ._cells import CellColours, CellColumn, Frame, FrameIndex, Groups, Labels, Numbers, default_name
from ._checks import DeviceCheck, Finding, PrecisionEffect, Speed
from ._comparison import (
    Agreement,
    ComparedRun,
    ComparedSetting,
    Comparison,
    FairPlayFinding,
    MetricSummary,
    RunBiology,
    SettingDifference,
)
from ._curves import ELBO, KL_WEIGHTED, Curves, Series, judged_by
from ._datasets import (
    ColumnAdvice,
    DatasetRef,
    DatasetReport,
    Histogram,
    MatrixVerdict,
    PrepareSpec,
    SourceRef,
)
from ._design import Crossed, DesignChoice, DesignReport
from ._groups import GroupProgress, GroupRecord, SweepEstimate, SweepPlan
from ._jobs import Job, JobState
from ._message import Message
from ._notices import Notice, Noticed, find_notice, lasting, notice, with_notices
from ._quality import QualityReport
from ._runs import (
    Accelerator,
    Estimate,
    MetricBatch,
    MetricPoint,
    Pace,
    Problem,
    Remedy,
    RunRecord,
    RunStatus,
)
from ._settings import Effect, Section, Setting, first_problem, setting, settings_of
from ._spec import RunSpec
from ._training import Events, Phase, Place, StartInfo, TrainingResult, TrainJob

__all__ = [
    "ELBO",
    "KL_WEIGHTED",
    "Accelerator",
    "Agreement",
    "CellColours",
    "CellColumn",
    "ColumnAdvice",
    "ComparedRun",
    "ComparedSetting",
    "Comparison",
    "Crossed",
    "Curves",
    "DatasetRef",
    "DatasetReport",
    "DesignChoice",
    "DesignReport",
    "DeviceCheck",
    "Effect",
    "Estimate",
    "Events",
    "FairPlayFinding",
    "Finding",
    "Frame",
    "FrameIndex",
    "GroupProgress",
    "GroupRecord",
    "Groups",
    "Histogram",
    "Job",
    "JobState",
    "Labels",
    "MatrixVerdict",
    "Message",
    "MetricBatch",
    "MetricPoint",
    "MetricSummary",
    "Notice",
    "Noticed",
    "Numbers",
    "Pace",
    "Phase",
    "Place",
    "PrecisionEffect",
    "PrepareSpec",
    "Problem",
    "QualityReport",
    "Remedy",
    "RunBiology",
    "RunRecord",
    "RunSpec",
    "RunStatus",
    "Section",
    "Series",
    "Setting",
    "SettingDifference",
    "SourceRef",
    "Speed",
    "StartInfo",
    "SweepEstimate",
    "SweepPlan",
    "TrainJob",
    "TrainingResult",
    "default_name",
    "find_notice",
    "first_problem",
    "judged_by",
    "lasting",
    "notice",
    "setting",
    "settings_of",
    "with_notices",
]
