"""The folded part of the training form: batch key, covariates, the model's shape, how training goes."""

from __future__ import annotations

import streamlit as st

from backend.types import ColumnAdvice, DatasetRef, DatasetReport, RunSpec
from backend.words import counted, percent
from pages.shared.literal import code, literal
from pages.train.draft import LIKELIHOODS, LIMITS
from pages.train.precision import precision_choice
from pages.train.rate import rate_controls
from pages.train.schedule import schedule_controls
from pages.train.state import key

ADVANCED = "train_advanced"
USUAL_WARMUP = RunSpec(dataset_id="").n_epochs_kl_warmup
NO_BATCH_KEY = "None: all cells are one experiment"
LIKELIHOOD_WORDS = {
    "zinb": "Zero-inflated negative binomial (zinb)",
    "nb": "Negative binomial (nb)",
    "poisson": "Poisson",
}


def advanced_section(dataset: DatasetRef, report: DatasetReport | None) -> None:
    columns = {c.column: c for c in report.columns} if report else {}
    folded = st.expander("Advanced settings", icon=":material/tune:", key=ADVANCED, on_change="rerun")
    if not folded.open:  # two dozen widgets that few look at would make every visit of the page slow
        return
    with folded:
        st.markdown("###### Experiments and covariates")
        _batch_key(dataset, columns)
        _covariates(dataset, columns)
        st.markdown("###### Model")
        _model()
        st.markdown("###### Course of the training")
        rate_controls()
        _course()
        schedule_controls()
        precision_choice()


def _batch_key(dataset: DatasetRef, columns: dict[str, ColumnAdvice]) -> None:
    known = [
        name
        for name in dataset.obs_columns
        if columns.get(name) is None or columns[name].kind != "continuous"
    ]
    known.sort(key=lambda name: -(columns[name].score if name in columns else 0))
    chosen = st.selectbox(
        "Batch key (batch_key)",
        [None, *known],
        format_func=lambda name: NO_BATCH_KEY if name is None else _with_levels(name, columns),
        key=key("batch_key"),
        persist_state="session",
        placeholder=NO_BATCH_KEY,  # what Streamlit shows for None
        help="The column that says which experiment, donor or run a cell is from. "
        "The model evens out differences between its values.",
    )
    advice = columns.get(chosen) if chosen else None
    if advice is None:
        if chosen is None and not any(c.verdict == "recommended" for c in columns.values()):
            st.caption("No column of this data set looks like separate experiments, so none is chosen.")
        return
    sentence = f"{code(advice.column)}: {literal(advice.reason, limit=300)}"
    if advice.verdict == "unsuitable":
        st.warning(sentence, icon=":material/warning:")
    else:
        st.caption(f":material/recommend: {sentence}" if advice.verdict == "recommended" else sentence)


def _with_levels(name: str, columns: dict[str, ColumnAdvice]) -> str:
    advice = columns.get(name)
    if advice is None:
        return name
    mark = {"recommended": ", recommended", "unsuitable": ", not suitable"}.get(advice.verdict, "")
    return f"{name} ({counted(advice.n_levels, 'value')}{mark})"


def _covariates(dataset: DatasetRef, columns: dict[str, ColumnAdvice]) -> None:
    batch_key = st.session_state[key("batch_key")]
    kinds: dict[str, list[str]] = {"categorical": [], "continuous": []}
    for name in dataset.obs_columns:
        if name != batch_key:
            kinds[columns[name].kind if name in columns else "categorical"].append(name)
    texts = {
        "categorical": (
            "Other groups to even out (categorical covariates)",
            "Further columns of labels whose influence should be removed, for example the chemistry used.",
        ),
        "continuous": (
            "Numbers to even out (continuous covariates)",
            "Columns of numbers whose influence should be removed, for example a cell-cycle score.",
        ),
    }
    sides = st.columns(2)
    for side, (kind, names) in zip(sides, kinds.items(), strict=True):
        field = key(f"{kind}_covariate_keys")
        st.session_state[field] = [name for name in st.session_state[field] if name in names]
        label, help_text = texts[kind]
        with side:
            st.multiselect(
                label,
                names,
                key=field,
                persist_state="session",
                placeholder="None" if names else "This data set has no such column",
                disabled=not names,
                help=help_text,
            )


def _model() -> None:
    st.selectbox(
        "How counts are distributed (gene_likelihood)",
        LIKELIHOODS,
        format_func=LIKELIHOOD_WORDS.__getitem__,
        key=key("gene_likelihood"),
        persist_state="session",
        help="The kind of randomness assumed in the counts. Zero-inflated allows extra zeros and suits most "
        "data; negative binomial is simpler and a little faster; Poisson is the simplest.",
    )
    with st.container(horizontal=True):
        _number(
            "n_latent",
            "Numbers per cell (n_latent)",
            "How many numbers describe each cell in the end. 10 suits most data; more for very diverse ones.",
        )
        _number(
            "n_hidden",
            "Network width (n_hidden)",
            "How many units each layer of the network has. More can fit finer detail and takes longer.",
            step=16,
        )
        _number(
            "n_layers",
            "Network depth (n_layers)",
            "How many layers the network has. 1 or 2 is enough for most data.",
        )
    _slider(
        "dropout_rate",
        "Dropout (dropout_rate)",
        "The share of units switched off at random in each step, so that the model does not learn by heart.",
        0.05,
    )


def _course() -> None:
    _slider(
        "train_size",
        "Share of cells to learn from (train_size)",
        "The other cells are kept aside to check the model on cells it has not seen.",
        0.01,
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        _number(
            "seed",
            "Random seed (seed)",
            "Where the random numbers start. The same seed and settings on the CPU give the same model.",
        )
        _number(
            "check_val_every_n_epoch",
            "Check every so many epochs (check_val_every_n_epoch)",
            "How often the model is tested on the cells kept aside. Less often is a little faster.",
        )
        _number(
            "n_epochs_kl_warmup",
            "KL warm-up, in epochs (n_epochs_kl_warmup)",
            "Over this many epochs the model is eased into keeping its description of a cell simple. "
            "0 switches the warm-up off.",
        )
    warmup, epochs = st.session_state[key("n_epochs_kl_warmup")], st.session_state[key("max_epochs")]
    if warmup > epochs:
        st.caption(
            f"The warm-up is longer than the run, so the weight of simplicity ends near "
            f"{percent(epochs / warmup, 0)}."
            + (" That is what scvi-tools does by default." if warmup == USUAL_WARMUP else "")
        )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.toggle(
            "Stop early when it no longer improves (early_stopping)",
            key=key("early_stopping"),
            persist_state="session",
            help="Ends the run once the check on unseen cells has not improved for a number of epochs.",
        )
        _number(
            "early_stopping_patience",
            "Patience, in epochs",
            "How many epochs without improvement to wait before stopping early.",
            disabled=not st.session_state[key("early_stopping")],
        )


def _number(field: str, label: str, help_text: str, *, step: int = 1, disabled: bool = False) -> None:
    low, high = LIMITS[field]
    st.number_input(
        label,
        int(low),
        int(high),
        step=step,
        key=key(field),
        persist_state="session",
        help=help_text,
        disabled=disabled,
        width=220,
    )


def _slider(field: str, label: str, help_text: str, step: float) -> None:
    low, high = LIMITS[field]
    st.slider(label, low, high, step=step, key=key(field), persist_state="session", help=help_text)
