"""What each notice says: a function a code, whose parameters are those of the notice.

sentence(notice("empty_cells_dropped", n=12))   # "12 empty cells were dropped."
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..types import Notice
from ._amounts import count, counted, duration, listed, moment, plural
from ._names import device_title, device_word

# --- preparing a data set


def _other_features_left_out(n: int) -> str:
    return f"Only gene expression was kept; {counted(n, 'other feature')} {_was(n)} left out."


def _genes_dropped(n: int, min_cells: int) -> str:
    return f"{counted(n, 'gene')} detected in fewer than {counted(min_cells, 'cell')} {_was(n)} dropped."


def _empty_cells_dropped(n: int) -> str:
    return f"{counted(n, 'empty cell')} {_was(n)} dropped."


def _emptied_cells_dropped(n: int) -> str:
    return f"{counted(n, 'cell')} without counts in the genes that are kept {_was(n)} dropped."


def _selection_emptied_cells(n: int) -> str:
    return f"{counted(n, 'cell')} without counts in the selected genes {_was(n)} dropped."


def _cells_filtered(
    n: int,
    of: int,
    rules: list[str],
    limits: list[str],
    each: list[int],
    within: str,
    symbols: str,
    mitochondrial: bool,
) -> str:
    reasons = rule_reasons(rules, limits, within, mitochondrial)
    told = [f"{count(number)} {reason}" for number, reason in zip(each, reasons, strict=True)]
    return f"Quality control removed {count(n)} of {counted(of, 'cell')}: {listed(told)}."


def rule_reasons(
    rules: Sequence[str], limits: Sequence[str], within: str = "", mitochondrial: bool = True
) -> list[str]:
    """What each limit removes cells for, as the end of a sentence: "with fewer than 200 detected genes"."""
    sample = f"its {within}" if within else "all cells"
    above = ", or above it in mitochondrial share" if mitochondrial else ""
    forms = {
        "min_counts": "with fewer than {} counts",
        "max_counts": "with more than {} counts",
        "min_genes": "with fewer than {} detected genes",
        "max_genes": "with more than {} detected genes",
        "max_pct_mt": "with more than {} % mitochondrial counts",
        "max_mads": f"more than {{}} MADs from the median of {sample} in counts or genes{above}",
        "max_doublet_score": "with a doublet score above {}",
    }
    return [
        forms.get(rule, f"beyond {rule} {{}}").format(limit)
        for rule, limit in zip(rules, limits, strict=True)
    ]


def _samples_unscored(n: int, names: list[str]) -> str:
    return f"{counted(n, 'sample')} {_was(n)} too small to score doublets in: {', '.join(names)}."


def _missing_filled(n: int, column: str, level: str) -> str:
    return f"{counted(n, 'missing value')} of {column} {_was(n)} set to “{level}”."


def _names_made_unique(n: int, of: str) -> str:
    return f"{counted(n, f'repeated {of} name')} {_was(n)} made unique."


def _read_as_latin_1() -> str:
    return "Some names are not UTF-8; they were read as Latin-1."


def _values_rounded(largest: float) -> str:
    return f"Values were rounded to whole numbers; the largest difference was {largest:.1g}."


def _fractions_rounded(n: int, of: int, zero: int) -> str:
    text = f"{counted(n, 'value')} of {count(of)} {plural(n, 'was', 'were')} not whole and {_was(n)} rounded"
    return f"{text}; {count(zero)} became zero." if zero else f"{text}."


def _columns_renamed(old: list[str], new: list[str]) -> str:
    pairs = [f"{before} → {after}" for before, after in zip(old, new, strict=True)]
    return f"Columns whose names an h5ad file cannot store were renamed: {', '.join(pairs[:5])}."


def _unreadable_left_out(names: list[str]) -> str:
    return f"Parts that cannot be read were left out: {', '.join(names)}."


def _unstorable_left_out(names: list[str]) -> str:
    return f"Parts that an h5ad file cannot store were left out: {', '.join(names)}."


def _all_genes_kept(n: int, asked: int) -> str:
    return f"All {count(n)} genes were kept: {count(asked)} were requested."


def _genes_selected(
    n: int, method: str, per_batch: bool, fell_back: bool, batches: int, wider_fits: int, left_out: int
) -> str:
    genes = f"{counted(n, 'highly variable gene')} {_was(n)} selected"
    if method == "variance_to_mean":
        return f"{genes} by variance to mean; the curve fit of seurat_v3 failed on these cells."
    text = f"{genes} by seurat_v3{' within each batch' if per_batch else ''}"
    if wider_fits:
        text += ", with a wider curve fit"
        text += f" in {wider_fits} of {counted(batches, 'batch', 'batches')}" if per_batch else ""
    if left_out:
        text += f", without {left_out} of {counted(batches, 'batch', 'batches')}, too small for a curve fit"
    return (
        f"{text}{'; the curve fit per batch failed, as it does when batches are small' if fell_back else ''}."
    )


# --- columns as batch key and covariates


def _one_level(column: str, role: str) -> str:
    return f"The column {column} has the same value in all cells, so as {role} it changes nothing."


def _names_cells(column: str, levels: int, cells: int) -> str:
    return (
        f"The column {column} has {count(levels)} levels for {counted(cells, 'cell')}, as the name of each cell does: "
        "the model cannot learn an effect for each, and correcting for it removes what the cells differ in."
    )


def _number_as_category(column: str, levels: int) -> str:
    return (
        f"The column {column} holds numbers on a scale, and each of its {count(levels)} values is taken as a group of "
        "its own. As a continuous covariate it is one number."
    )


def _small_levels(column: str, n: int, fewest: int, levels: list[str]) -> str:
    some = listed(levels) if n == len(levels) else f"{', '.join(levels)}, …"
    return (
        f"{counted(n, 'level')} of {column} {plural(n, 'has', 'have')} fewer than {counted(fewest, 'cell')} ({some}): "
        "too few to learn an effect from, and the model may not train properly."
    )


def _large_covariate(column: str, largest: float) -> str:
    return (
        f"The column {column} reaches {largest:,.0f}. Continuous covariates enter the network as they are, beside "
        "values near 1: scale it, or take its logarithm, or it may dominate and training may diverge."
    )


# --- the device and the engine


def _gpu_only_by_hand() -> str:
    return "Runs on the CPU: the Apple GPU is used only when you choose it."


def _no_gpu() -> str:
    return "Runs on the CPU: no usable GPU was found."


def _device_chosen(device: str) -> str:
    return f"The device was chosen automatically: {device_word(device)}."


def _device_differs(meant: str, device: str) -> str:
    return f"The run was meant for the {device_title(meant)} and is on the {device_title(device)}."


def _device_unchecked(device: str) -> str:
    return (
        f"The {device_title(device)} has not been checked on this computer. The Devices page compares its numbers with "
        "the CPU's in half a minute."
    )


def _device_failed_check(device: str, checked_at: float, wrong: list[str]) -> str:
    day = moment(checked_at, "%d %B %Y")
    return (
        f"The {device_title(device)} failed its self-check of {day}: {', '.join(wrong)} came out wrong. "
        "Do not rely on the results of this run."
    )


def _engine_fell_back(option: str) -> str:
    why = f"does not support {option}" if option else "needs the counts as a CSR matrix"
    return f"Trained with the stock engine: the fused engine {why}."


def _kernels_not_compiled() -> str:
    return "Trained with the stock engine: the fused engine's kernels could not be compiled on this computer."


def _bfloat16_unsupported() -> str:
    return "This device cannot compute in bfloat16; the run uses 32-bit precision."


# --- training


def _tail_moved(n: int, to: str) -> str:
    where = "to validation" if to == "validation" else "aside"
    return f"{counted(n, 'cell')} {_was(n)} moved {where}, so that no minibatch is too small to train on."


def _averages_lag(steps: int, momentum: float) -> str:
    return (
        f"With {counted(steps, 'optimiser step')} in all, the running averages of batch normalisation (momentum "
        f"{momentum:g}) lag behind the weights, so validation loss and latent space look worse than the model is. "
        "Switch batch-norm recalibration on."
    )


def _early_stopping_left_out() -> str:
    return "Early stopping was left out: with all cells in training, none are left to validate."


def _stopped_early(epoch: int, patience: int) -> str:
    return (
        f"Stopped early after epoch {epoch}: the validation loss had not improved for "
        f"{counted(patience, 'validation')}."
    )


def _stopped_before_model() -> str:
    return "Stopped before there was a model."


def _written_late(seconds: float) -> str:
    waited = duration(seconds)
    return (
        f"The disk could not be written to for {waited} during this run. Its metrics were written afterwards."
    )


def _not_saved(epoch: int, missing: int) -> str:
    since = f"Not saved since epoch {count(epoch)}" if epoch else "Not saved yet"
    return f"{since}, because {_room(missing)}. Training goes on meanwhile."


def _waiting_for_space(epoch: int, missing: int) -> str:
    since = f"not saved since epoch {count(epoch)}" if epoch else "not saved yet"
    return (
        f"Training is over, but the model is {since}, because {_room(missing)}. It is kept in memory, and saved as "
        "soon as there is room."
    )


def _on_hold(why: str) -> str:
    return f"On hold: {why.removesuffix('.')}."


def _suspended(seconds: float) -> str:
    return f"The computer slept, or the program was suspended, for {duration(seconds)}; that is not training time."


def _worker_lost(worker: str, signal: int) -> str:
    how = f"crashed (signal {signal})" if signal else "ended unexpectedly"
    if signal == 9:
        how = "was ended by the system or by somebody, most often because memory ran out"
    return f"The process that trained this run ({worker}) {how}. Training went on from its last checkpoint, once."


# --- a sweep


def _sizes_left_out(sizes: list[int], cells: int) -> str:
    what = f"{plural(len(sizes), 'Minibatch size')} {listed([count(size) for size in sizes])}"
    return f"{what} {plural(len(sizes), 'is', 'are')} left out: there are only {counted(cells, 'cell')} to train on."


def _text(text: str) -> str:
    """Of a version before notices had codes."""
    return text


SENTENCES: dict[str, Callable[..., str]] = {
    say.__name__[1:]: say
    for say in (
        *(_cells_filtered, _samples_unscored),
        *(_other_features_left_out, _genes_dropped, _empty_cells_dropped, _emptied_cells_dropped),
        *(_selection_emptied_cells, _missing_filled, _names_made_unique, _unreadable_left_out),
        *(_read_as_latin_1, _values_rounded, _fractions_rounded, _columns_renamed),
        *(_unstorable_left_out, _all_genes_kept, _genes_selected),
        *(_one_level, _names_cells, _number_as_category, _small_levels, _large_covariate),
        *(
            _gpu_only_by_hand,
            _no_gpu,
            _device_chosen,
            _device_differs,
            _device_unchecked,
            _device_failed_check,
        ),
        *(_engine_fell_back, _kernels_not_compiled, _bfloat16_unsupported),
        *(_averages_lag, _tail_moved, _early_stopping_left_out, _stopped_early, _stopped_before_model),
        *(_written_late, _not_saved, _waiting_for_space, _on_hold, _suspended, _worker_lost),
        *(_sizes_left_out, _text),
    )
}


def sentence(notice: Notice) -> str:
    """What ``notice`` says. One of a newer version, or of a damaged file, is named by its code."""
    try:
        return SENTENCES[notice.code](**notice.params)
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError):
        return f"{notice.code.replace('_', ' ').capitalize()}."


def _room(missing: int) -> str:
    return f"the disk is full: free {count(missing)} MB" if missing else "the disk cannot be written now"


def _was(n: int) -> str:
    return plural(n, "was", "were")
