"""How a setting is declared: once, beside its field. Everything else that deals with settings reads it from here.

    n_latent: int = setting(10, "Latent dimensions (n_latent)", "...", ge=1, le=1000, section=Section.MODEL, ...)

    settings_of(RunSpec)["n_latent"].problem_with(0)       # a sentence, or "" where the value is fine
    settings_of(RunSpec)["n_latent"].read("20")            # from an address, a command line; ValueError with a sentence
    settings_of(RunSpec)["n_latent"].said(20)              # "20"

Values are judged by msgspec against the field's type with its bounds; the sentences are ours.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, Literal

import msgspec

# The value of a setting is ``Any`` of int, float, bool, str, a tuple of texts, or None.

_DECLARED = "setting"


class Section(StrEnum):
    """Where a setting stands in the interface."""

    PREPARE = "prepare"  # on the Data page
    DATA = "data"  # on the Train page, seen by everybody
    DEVICE = "device"
    TRAINING = "training"
    COVARIATES = "covariates"  # on the Train page, among the advanced settings
    MODEL = "model"
    OPTIMISATION = "optimisation"
    NOT_IN_FORM = "not in the form"


class Effect(StrEnum):
    """What becomes of a comparison when two runs differ in a setting; ``comparison`` has a rule for each."""

    NAME = "name"  # only what something is called: not compared
    NOTHING = "nothing"  # losses and times of the runs can be compared
    DATA = "data"  # neither can: other cells or genes
    HELD_OUT = "train_size"  # neither can: another number of cells is validated on
    SPLIT = "split"  # losses cannot: other cells are validated on
    LIKELIHOOD = "likelihood"  # losses cannot: they measure something else
    KL_WEIGHT = "kl_warm_up"  # losses that the KL weight enters cannot
    LENGTH = "epochs"  # final losses and total times cannot, the time to one loss can
    MODEL = "covariates"  # the models answer different questions
    VALIDATION = "validation"  # validating takes time
    ENDING = "early_stopping"  # runs may end after different numbers of epochs


@dataclass(frozen=True, slots=True)
class Setting:
    """One field of ``RunSpec`` or ``PrepareSpec``, as declared."""

    label: str  # the standard term: "Minibatch size (batch_size)"
    help: str  # a plain sentence or two
    section: Section
    effect: Effect
    script: str = (
        ""  # what takes it in an exported script: "SCVI", "train" ..., or "code" for lines of its own
    )
    unscripted: str = ""  # why a script has no line for it
    not_in_form: str = ""  # why the form leaves it out
    ge: float | None = None
    le: float | None = None
    choices: Mapping[Any, str] = field(default_factory=dict)  # value: its label
    among: str = ""  # where a free value is taken from: "columns of the data set"
    unit: str = ""
    none: str = "none"  # what no value is called
    short: str = "{said}"  # in the label of a run, from ``said`` and ``value``
    # --- from the field itself ---
    name: str = ""
    default: Any = None
    kind: Any = str  # int, float, bool, str or tuple
    optional: bool = False

    @property
    def noun(self) -> str:
        """The label within a sentence: "minibatch size (batch_size)"."""
        return self.label if self.label[:2].isupper() else self.label[0].lower() + self.label[1:]

    @property
    def is_number(self) -> bool:
        return self.kind in (int, float)

    def problem_with(self, value: Any) -> str:
        """What is wrong with a value, as a sentence; empty where nothing is."""
        try:
            msgspec.convert(getattr(value, "item", lambda: value)(), self._bounded)
        except (msgspec.ValidationError, TypeError):
            return self._refusal(value)
        return ""

    def read(self, text: str) -> Any:
        """A value as people type it. Raises ``ValueError`` with a sentence."""
        text = text.strip()
        if self.optional and (text == "" or (self.is_number and text.lower() == "none")):
            return None
        try:
            if self.kind is tuple:
                return tuple(part.strip() for part in text.split(",") if part.strip())
            if by_label := [value for value, label in self.choices.items() if label == text]:
                return by_label[0]
            return msgspec.convert(_typed(text) if self.is_number else text, self._bounded, strict=False)
        except (msgspec.ValidationError, ValueError):
            raise ValueError(self._refusal(text)) from None

    def nearest(self, value: Any) -> Any:
        """``value`` where it is allowed, else the nearest that is: for what an address or an older run says."""
        if not self.problem_with(value):
            return value
        if isinstance(value, (int, float)) and self.is_number and value == value:
            assert self.ge is not None
            assert self.le is not None
            return self.kind(min(max(value, self.ge), self.le))
        return self.default

    def said(self, value: Any) -> str:
        """The value in words. Plain text, never markup."""
        if value in (None, "", ()) or (self.optional and value == 0):
            return self.none
        if self.choices and value in self.choices:
            return self.choices[value]
        if isinstance(value, bool):
            return "on" if value else "off"
        if isinstance(value, (tuple, list)):
            return ", ".join(map(str, value))
        if self.unit == "%":
            return f"{100 * value:.6g} %"
        if isinstance(value, float):
            return f"{value:.6g}"
        return f"{value:,}" if isinstance(value, int) and self.unit else str(value)

    def in_label(self, value: Any, said: str = "") -> str:
        """The value as a part of a run's label: "minibatch 512". ``said``: in words, where those are other ones."""
        return self.short.format(said=said or self.said(value), value=value)

    @property
    def range(self) -> str:
        """What is allowed, within a sentence."""
        if self.choices:
            return f"one of: {', '.join(map(str, self.choices))}"
        if self.is_number:
            return (
                f"a {'whole ' * (self.kind is int)}number between {_number(self.ge)} and {_number(self.le)}"
            )
        return {bool: "True or False", tuple: "a list of texts"}.get(self.kind, "a text")

    @property
    def _bounded(self) -> Any:
        kind: Any = self.kind
        if self.choices and not self.among:
            kind = Literal[tuple(self.choices)]
        elif self.is_number:
            kind = Annotated[kind, msgspec.Meta(ge=self.ge, le=self.le)]
        elif kind is tuple:
            kind = tuple[str, ...]
        return kind | None if self.optional else kind

    def _refusal(self, value: Any) -> str:
        if self.choices:
            return f"The {self.noun} {_shown(value)} is unknown. Choose {self.range}."
        return f"The {self.noun} must be {self.range}, and is {_shown(value)}."


def setting(
    default: Any = dataclasses.MISSING,
    label: str = "",
    help: str = "",
    *,
    section: Section,
    effect: Effect,
    **more: Any,
) -> Any:
    """A dataclass field with its declaration. ``more`` is named in ``Setting``."""
    declared = Setting(label, help, section, effect, **more)
    return field(default=default, metadata={_DECLARED: declared})


@cache
def settings_of(spec: type) -> Mapping[str, Setting]:
    """Every field of ``RunSpec`` or ``PrepareSpec``, in the order of declaration. A field without one is refused."""
    hints = typing.get_type_hints(spec)
    found = {}
    for one in dataclasses.fields(spec):
        assert _DECLARED in one.metadata, f"{spec.__name__}.{one.name} is not declared with setting(...)"
        hint = hints[one.name]
        options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
        kind = next(option for option in options if option is not type(None))
        found[one.name] = dataclasses.replace(
            one.metadata[_DECLARED],
            name=one.name,
            default=None if one.default is dataclasses.MISSING else one.default,
            kind=typing.get_origin(kind) or kind,
            optional=type(None) in options,
        )
    return types.MappingProxyType(found)


def first_problem(spec: object) -> str:
    """The first setting of ``spec`` that is not allowed, as a sentence; empty where all are."""
    kind: type = type(spec)
    problems = (one.problem_with(getattr(spec, name)) for name, one in settings_of(kind).items())
    return next(filter(None, problems), "")


def _typed(text: str) -> float | int:
    try:
        return int(text)
    except ValueError:
        number = float(text)
        return int(number) if number.is_integer() else number


def _number(value: float | None) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def _shown(value: Any) -> str:
    try:
        text = repr(value) if isinstance(value, str) else str(value)
    except ValueError:  # thousands of digits
        return "a number with thousands of digits"
    return text if len(text) <= 60 else text[:57] + "..."
