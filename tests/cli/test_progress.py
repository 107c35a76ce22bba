"""The progress bar on a terminal: the data first, then the epochs; silence where nobody looks."""

from __future__ import annotations

import io
from types import SimpleNamespace

import pytest

from backend.cli import terminal as terminal_module
from backend.cli.terminal import Progress
from backend.types import MetricPoint, RunRecord, RunSpec, RunStatus, notice


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


RECORD = RunRecord(
    "r", RunSpec("d", max_epochs=4, batch_size=100, train_size=0.9), RunStatus.QUEUED, "Run", 0.0, n_obs=1000
)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    made = Terminal()
    monkeypatch.setattr(terminal_module, "sys", SimpleNamespace(stderr=made))
    return made


def shown(terminal: Terminal) -> str:
    """The last state of the bar."""
    return terminal.getvalue().rsplit("\r", 1)[-1]


def test_work_on_the_data_is_shown_in_percent(terminal: Terminal) -> None:
    with Progress() as progress:
        progress.phase("checking the matrix", 0.42)
        assert "checking the matrix" in shown(terminal)
        assert " 42%|" in shown(terminal)
        progress.phase("writing")
        assert "  0%|" in shown(terminal)


def test_epochs_follow_minibatches_and_never_go_back(terminal: Terminal) -> None:
    with Progress() as progress:
        progress.expect(RECORD)  # 9 minibatches an epoch, 36 in all
        progress.follow(MetricPoint("train_loss_step", 1, 5.0, 0.1, step=9))
        progress.follow("saving")
        assert " 25%|" in shown(terminal)
        progress.follow(MetricPoint("elbo_train", 2, 321.06, 1.0))
        progress.follow(MetricPoint("cells_per_second", 2, 12_345.0, 1.0))
        progress.follow(MetricPoint("train_loss_step", 2, 5.0, 0.1, step=4))
        progress.follow("saving")
        assert " 50%|" in shown(terminal)
        assert "train ELBO=321.1, cells/s=12,345" in shown(terminal)


def test_what_happened_is_said_above_the_bar(terminal: Terminal) -> None:
    with Progress() as progress:
        progress.expect(RECORD.replace(notices=(notice("no_gpu"),)))
        progress.follow(notice("stopped_before_model"))
    assert "no usable GPU was found.\n" in terminal.getvalue()
    assert "Stopped before there was a model.\n" in terminal.getvalue()


@pytest.mark.parametrize("quiet", [True, False])
def test_without_a_terminal_there_are_lines_or_nothing(
    capsys: pytest.CaptureFixture[str], quiet: bool
) -> None:
    with Progress(quiet=quiet) as progress:
        progress.phase("checking", 0.5)
        progress.expect(RECORD)
        progress.follow(MetricPoint("elbo_train", 2, 321.06, 1.0))
        progress.say("hello")
    assert capsys.readouterr().err == ("" if quiet else "hello\n")
