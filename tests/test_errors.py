"""What a user can cause or mend: a code that pages and scripts rely on, an exit code, and buttons to mend it."""

from __future__ import annotations

import pytest

from backend import errors
from backend.errors import BadInput, NoSpace, StudioError
from backend.types import Remedy

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, StudioError)]
ASKED_WRONGLY = {"BadInput", "BadFile", "NoCounts", "DeviceUnavailable", "NotAllowed", "NotFound"}


def test_every_kind_of_error_has_a_code_of_its_own() -> None:
    assert len({kind.code for kind in KINDS}) == len(KINDS) == 16


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_what_was_asked_wrongly_ends_a_command_with_2_and_what_went_wrong_with_1(
    kind: type[StudioError],
) -> None:
    assert kind.exit_code == (2 if kind.__name__ in ASKED_WRONGLY else 1)


def test_an_error_takes_its_remedies_to_the_page() -> None:
    remedy = Remedy("Round them", "prepare", {"round_counts": True})
    problem = BadInput("These are not counts.", remedies=(remedy,)).as_problem()
    assert (problem.code, problem.severity, problem.message) == (
        "bad_input",
        "error",
        "These are not counts.",
    )
    assert problem.remedies == (remedy,)


def test_a_full_disk_says_how_much_is_missing() -> None:
    error = NoSpace("The disk is full.", missing=12)
    assert (error.missing, error.as_problem().remedies) == (12, ())
