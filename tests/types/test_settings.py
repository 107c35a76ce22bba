"""Every field of ``RunSpec`` and ``PrepareSpec`` is declared whole, and a value is judged in one place."""

from __future__ import annotations

import math
from typing import Any

import pytest

from backend.training import available_engines
from backend.types import Effect, PrepareSpec, RunSpec, Section, Setting, first_problem, settings_of

EVERY = [
    pytest.param(one, id=f"{spec.__name__}.{name}")
    for spec in (RunSpec, PrepareSpec)
    for name, one in settings_of(spec).items()
]
NUMBERS = [param for param in EVERY if param.values[0].is_number]
S = settings_of(RunSpec)


@pytest.mark.parametrize("one", EVERY)
def test_a_setting_is_declared_whole(one: Setting) -> None:
    assert one.label
    assert one.label[0].isupper()
    assert one.help.endswith(".")
    assert (one.section is Section.NOT_IN_FORM) == bool(one.not_in_form), "a place in the form, or why not"
    assert isinstance(one.effect, Effect)
    assert bool(one.script) != bool(one.unscripted), "a line in the script, or why not"
    if one.is_number:
        assert one.ge is not None
        assert one.le is not None
        assert one.ge < one.le
    elif one.kind is not bool:
        assert one.choices or one.among, "choices, or where values come from"
    assert one.name in ("dataset_id", "dataset_name") or not one.problem_with(one.default)


def test_labels_are_told_apart() -> None:
    for spec in (RunSpec, PrepareSpec):
        labels = [one.label for one in settings_of(spec).values()]
        assert len(set(labels)) == len(labels)


def test_every_engine_is_a_choice() -> None:
    assert set(available_engines()) == set(S["engine"].choices)


@pytest.mark.parametrize("one", NUMBERS)
def test_a_number_outside_its_bounds_is_refused_in_a_sentence(one: Setting) -> None:
    assert one.ge is not None
    assert one.le is not None
    for value in (one.ge - 1, one.le * 2 + 1, math.nan, math.inf, -math.inf, 10**400, 10**5000, True, "7"):
        said = one.problem_with(value)
        assert said.startswith("The "), value
        assert len(said) < 250
        assert first_problem_of(one, value) == said
    for text in ("inf", "nan", "1e400", "-inf", "9" * 5000, "many"):
        with pytest.raises(ValueError, match="must be a "):
            one.read(text)
    assert not one.problem_with(one.kind(one.ge))
    assert not one.problem_with(one.kind(one.le))
    assert one.nearest(math.inf) == one.le
    assert one.nearest(-math.inf) == one.ge
    assert one.nearest(math.nan) == one.default


def first_problem_of(one: Setting, value: Any) -> str:
    spec = RunSpec("d") if one.name in S else PrepareSpec()
    return first_problem(spec.replace(**{one.name: value}))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("batch_size", 2),
        ("precision", "16-mixed"),
        ("precision", "64-true"),
        ("engine", "warp"),
        ("early_stopping", 1),
        ("batch_key", 3),
        ("categorical_covariate_keys", "donor"),
        ("n_latent", 10.0),
        ("lr", None),
    ],
)
def test_what_does_not_train_is_refused(name: str, value: Any) -> None:
    assert first_problem(RunSpec("d").replace(**{name: value})).startswith(f"The {S[name].noun} ")


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("n_latent", " 20 ", 20),
        ("n_latent", "2e1", 20),
        ("lr", ".002", 0.002),
        ("lr", "1", 1.0),
        ("early_stopping", "True", True),
        ("batch_key", "", None),
        ("batch_key", "none", "none"),
        ("n_epochs_kl_warmup", "none", None),
        ("categorical_covariate_keys", "a, b", ("a", "b")),
        ("precision", "bfloat16", "bf16-mixed"),
    ],
)
def test_a_value_is_read_as_people_type_it(name: str, text: str, value: Any) -> None:
    assert S[name].read(text) == value
    assert type(S[name].read(text)) is type(value)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("batch_size", 4096, "4,096"),
        ("lr", 0.00012345, "0.00012345"),
        ("train_size", 0.905, "90.5 %"),
        ("n_epochs_kl_warmup", None, "none"),
        ("n_epochs_kl_warmup", 0, "none"),
        ("batch_key", None, "none"),
        ("categorical_covariate_keys", ("a", "b"), "a, b"),
        ("early_stopping", False, "off"),
        ("accelerator", "cpu", "CPU"),
        ("seed", 0, "0"),
        ("dropout_rate", 0.0, "0"),
        ("lr_warmup", 0.0, "0 %"),
    ],
)
def test_a_value_is_said_in_words(name: str, value: Any, said: str) -> None:
    assert S[name].said(value) == said


def test_a_field_without_a_declaration_is_refused() -> None:
    from dataclasses import dataclass

    @dataclass(frozen=True)
    class Spec:
        undeclared: int = 0

    with pytest.raises(AssertionError, match="undeclared is not declared"):
        settings_of(Spec)
