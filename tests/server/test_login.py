"""The token, the cookie that stands for it, and how often it may be guessed."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import pytest

from pages.server.login import Login, kept_secret, login_page, token_of_form

SECRET = "s" * 43


def cookie_of(login: Login) -> str:
    return login.set_cookie(secure=False, path="").split(";")[0]


def test_the_cookie_stands_for_the_token_and_holds_neither_it_nor_the_secret() -> None:
    login = Login("the-token", SECRET)
    assert login.knows(cookie_of(login))
    assert login.knows(f"other=1; {cookie_of(login)}; more=2")
    assert "the-token" not in cookie_of(login)
    assert SECRET not in cookie_of(login)


@pytest.mark.parametrize("other", [Login("another", SECRET), Login("the-token", "x" * 43)])
def test_another_token_or_workspace_makes_another_cookie(other: Login) -> None:
    assert not Login("the-token", SECRET).knows(cookie_of(other))


@pytest.mark.parametrize("header", ["", "=", ";;;", "scvi-studio=1", "é=ü", "a" * 10_000])
def test_any_other_cookie_is_none(header: str) -> None:
    login = Login("the-token", SECRET)
    assert not login.knows(header)
    assert not login.knows(f"{login.cookie}={header}")


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites() -> None:
    told = Login("the-token", SECRET).set_cookie(secure=True, path="/node/host/1/")
    assert {"HttpOnly", "SameSite=Lax", "Secure", "Path=/node/host/1/"} <= set(told.split("; "))
    assert "Path" not in Login("the-token", SECRET).set_cookie(secure=False, path="")


def test_who_guesses_waits_and_others_do_not() -> None:
    now = [0.0]
    login = Login("the-token", SECRET, clock=lambda: now[0])
    for _ in range(10):
        assert not login.waits("10.0.0.1")
        assert not login.admits("guess", "10.0.0.1")
    assert login.waits("10.0.0.1")
    assert not login.waits("10.0.0.2")
    assert login.admits("the-token", "10.0.0.2")
    now[0] = 61.0
    assert not login.waits("10.0.0.1")


def test_guesses_from_many_addresses_are_limited_too() -> None:
    login = Login("the-token", SECRET, clock=lambda: 0.0)
    for number in range(100):
        login.admits("guess", f"10.0.1.{number}")
    assert login.waits("10.9.9.9")


def test_the_secret_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    secret = kept_secret(tmp_path)
    assert kept_secret(tmp_path) == secret
    assert len(secret) >= 40
    file = tmp_path / "token"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.chmod(0o644)
    kept_secret(tmp_path)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("left", ["", "half", "\n"])
def test_a_secret_that_was_lost_is_made_anew(tmp_path: Path, left: str) -> None:
    (tmp_path / "token").write_text(left)
    assert len(kept_secret(tmp_path)) >= 40


@pytest.mark.parametrize(
    ("body", "token"),
    [(b"token=abc", "abc"), (b"token=+a%2Bb+", "a+b"), (b"", ""), (b"\xff\xfe=1", ""), (b"token", "")],
)
def test_what_was_typed(body: bytes, token: str) -> None:
    assert token_of_form(body) == token


def test_the_page_shows_a_problem_as_text_and_posts_to_itself() -> None:
    page = bytes(login_page("<script>1</script>").body).decode()
    assert "<script>" not in page
    assert 'action=""' in page
    assert "<svg" in page


def test_the_page_has_the_colours_of_the_theme() -> None:
    page = bytes(login_page().body).decode()
    config = (Path(__file__).parents[2] / ".streamlit" / "config.toml").read_text()
    for name in ("page", "card", "text", "quiet", "line", "primary"):
        light, dark = re.findall(rf"--{name}: (#\w+)", page)
        assert light in config.split("[theme.light]")[1].split("[theme.dark]")[0], name
        assert dark in config.split("[theme.dark]")[1], name
