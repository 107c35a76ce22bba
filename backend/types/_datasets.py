"""Files that were brought in, what was found in them, and the cells made ready to train on."""

from __future__ import annotations

from dataclasses import dataclass

from ._message import Message
from ._notices import Notice, Noticed
from ._runs import Problem
from ._settings import Effect, Section, setting


@dataclass(frozen=True, slots=True)
class SourceRef(Message):
    """A file that was brought in, as it came. ``source_id`` is derived from the content hash."""

    source_id: str
    name: str  # shown to people: the file's own name, or a title
    path: str
    size: int  # bytes
    origin: str  # upload, folder, url, public, demo, simulated
    added_at: float
    simulated: bool = False
    note: str = ""  # where it is from, licence, how it was made


@dataclass(frozen=True, slots=True)
class PrepareSpec(Message):
    """How a source becomes a prepared dataset. Together with the source id it decides the dataset id."""

    counts: str = setting(  # "X", "layers/<name>" or "raw/X"
        "X",
        "Counts matrix",
        "The matrix of the file that holds the raw counts. Where several do, the first is usually right.",
        section=Section.PREPARE,
        effect=Effect.DATA,
        script="code",
        among="the matrices of the file",
    )
    drop_empty_cells: bool = setting(
        False,
        "Remove empty cells",
        "Removes cells without any counts: scVI takes the logarithm of their total.",
        section=Section.PREPARE,
        effect=Effect.DATA,
        unscripted="a script always removes them",
    )
    min_cells_per_gene: int = setting(
        0,
        "Minimum cells per gene",
        "Removes genes detected in fewer cells; 0 keeps all.",
        section=Section.PREPARE,
        effect=Effect.DATA,
        script="code",
        ge=0,
        le=1_000_000_000,
        unit="cells",
    )
    make_names_unique: bool = setting(
        False,
        "Make names unique",
        "Adds a number to cell and gene names that occur more than once.",
        section=Section.PREPARE,
        effect=Effect.DATA,
        script="code",
    )
    fill_missing: tuple[str, ...] = setting(
        (),
        "Fill missing values",
        'Obs columns whose missing values become a level of their own, "unknown".',
        section=Section.PREPARE,
        effect=Effect.DATA,
        script="code",
        among="the columns of the file",
    )
    n_top_genes: int | None = setting(
        None,
        "Highly variable genes (n_top_genes)",
        "How many highly variable genes (HVG) to train on; 2,000 to 5,000 is usual. They are ranked by the seurat_v3 "
        "method on the raw counts.",
        section=Section.PREPARE,
        effect=Effect.DATA,
        script="code",
        ge=2,  # one gene has no variation to model
        le=10_000_000,
        unit="genes",
        none="all genes",
    )
    hvg_batch_key: str | None = setting(
        None,
        "Batch of the gene selection",
        "The obs column of the batches within which genes are ranked, so that no single batch dominates.",
        section=Section.PREPARE,
        effect=Effect.DATA,
        unscripted="the selected genes are listed, not selected anew",
        among="the columns of the file",
    )
    round_counts: bool = setting(
        False,
        "Round counts",
        "Takes each value to its nearest whole number, as for counts after ambient-RNA correction; values below 0.5 "
        "become zero. Without it, values that are not whole are trained on as they are.",
        section=Section.PREPARE,
        effect=Effect.DATA,
        script="code",
    )
    min_counts: int = setting(
        0,
        "Minimum counts per cell",
        "Removes cells with fewer counts (UMIs), such as empty droplets; 0 keeps all.",
        section=Section.PREPARE,
        effect=Effect.DATA,
        script="code",
        ge=0,
        le=1_000_000_000,
        unit="counts",
    )
    max_counts: int | None = setting(
        None,
        "Maximum counts per cell",
        "Removes cells with more counts (UMIs), which may be several cells in one droplet.",
        section=Section.PREPARE,
        effect=Effect.DATA,
        script="code",
        ge=1,
        le=1_000_000_000,
        unit="counts",
        none="no limit",
    )
    min_genes: int = setting(
        0,
        "Minimum genes per cell",
        "Removes cells with fewer detected genes; 0 keeps all.",
        section=Section.PREPARE,
        effect=Effect.DATA,
        script="code",
        ge=0,
        le=10_000_000,
        unit="genes",
    )
    max_genes: int | None = setting(
        None,
        "Maximum genes per cell",
        "Removes cells with more detected genes, which may be several cells in one droplet.",
        section=Section.PREPARE,
        effect=Effect.DATA,
        script="code",
        ge=1,
        le=10_000_000,
        unit="genes",
        none="no limit",
    )
    max_pct_mt: float | None = setting(
        None,
        "Maximum mitochondrial share (% of counts)",
        "Removes cells with a larger share of their counts in mitochondrial genes: cells that were damaged or dying. "
        "5 to 20 is usual, by tissue; heart and kidney have more.",
        section=Section.PREPARE,
        effect=Effect.DATA,
        script="code",
        ge=0.1,
        le=100.0,
        none="no limit",
    )
    max_mads: float | None = setting(
        None,
        "Outlier limit (MADs)",
        "Removes cells more than this many median absolute deviations (MADs) from the median of their sample, in log "
        "counts or log genes, or above it in mitochondrial share; 5 is usual, 3 is strict.",
        section=Section.PREPARE,
        effect=Effect.DATA,
        script="code",
        ge=1.0,
        le=100.0,
        none="no limit",
    )
    max_doublet_score: float | None = setting(
        None,
        "Maximum doublet score (Scrublet)",
        "Removes cells with a higher score: two cells in one droplet look like the sum of two others. Each sample has "
        "a threshold of its own; 0.2 to 0.4 is usual.",
        section=Section.PREPARE,
        effect=Effect.DATA,
        script="code",
        ge=0.01,
        le=1.0,
        none="no limit",
    )
    qc_sample_key: str | None = setting(
        None,
        "Sample of quality control",
        "The obs column of the samples (one capture each) within which outliers and doublets are judged.",
        section=Section.PREPARE,
        effect=Effect.DATA,
        unscripted="written where outliers are judged; doublets are listed, not judged anew",
        among="the columns of the file",
        none="all cells together",
    )


@dataclass(frozen=True, slots=True)
class DatasetRef(Noticed):
    """A prepared dataset: an uncompressed h5ad with counts in X (CSR float32, int32 indices)."""

    dataset_id: str
    source_id: str
    name: str
    path: str
    n_obs: int
    n_vars: int
    nnz: int
    prepare: PrepareSpec
    obs_columns: tuple[str, ...] = ()
    simulated: bool = False
    created_at: float = 0.0
    notices: tuple[Notice, ...] = ()  # what preparing changed
    full_path: str = ""  # the same cells with all genes, where a selection was made; else = path

    @property
    def density(self) -> float:
        return self.nnz / max(1, self.n_obs * self.n_vars)


@dataclass(frozen=True, slots=True)
class MatrixVerdict(Message):
    """What one matrix of a file holds, judged on all its values."""

    where: str  # "X", "layers/counts", "raw/X"
    verdict: str  # counts, log1p, scaled, normalised, unclear, empty
    evidence: str  # one sentence
    n_obs: int
    n_vars: int
    nnz: int
    minimum: float
    maximum: float
    fraction_integer: float  # of the non-zero values
    storage: str  # "CSR float32", "dense float64, gzip"
    log_base: str = ""  # "e", "2", "10" where verdict is log1p
    usable: bool = False  # can be trained on


@dataclass(frozen=True, slots=True)
class ColumnAdvice(Message):
    """How well one obs column would serve as the experimental batch."""

    column: str
    score: float  # higher is better; 0 or less: do not use
    n_levels: int
    n_missing: int
    verdict: str  # recommended, possible, unsuitable
    reason: str  # one sentence
    levels: tuple[str, ...] = ()  # the most frequent, at most 12
    level_counts: tuple[int, ...] = ()
    kind: str = "categorical"  # categorical or continuous


@dataclass(frozen=True, slots=True)
class Histogram(Message):
    """Counts per bin for a small plot. ``edges`` has one more entry than ``counts``."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    median: float
    log10: bool = False  # edges are log10 of the value


@dataclass(frozen=True, slots=True)
class DatasetReport(Message):
    """What inspecting a source found."""

    source_id: str
    n_obs: int
    n_vars: int
    matrices: tuple[MatrixVerdict, ...]
    counts: str | None  # the chosen matrix, None where there is none to train on
    density: float
    counts_per_cell: Histogram | None
    genes_per_cell: Histogram | None
    columns: tuple[ColumnAdvice, ...]
    batch_key: str | None  # the adviser's choice
    problems: tuple[Problem, ...]
    species: str = ""  # "human", "mouse", ... or empty
    genes_in_few_cells: int = 0  # seen in fewer than 3 cells
    empty_cells: int = 0
    recommended: PrepareSpec = PrepareSpec()

    @property
    def trainable(self) -> bool:
        """Nothing stands in the way that ``recommended``, which has every needed remedy, does not mend."""
        lasting = (p for p in self.problems if p.severity == "error" and not p.remedies)
        return self.counts is not None and not any(lasting)
