"""The display of a search: its standing while it runs, the leaderboard at its end."""

import io
import math
from importlib.util import find_spec
from typing import Any

import pytest
from rich.console import Console

from search import Progress, Space, Trial, TrialStatus, make_sampler
from search.display import Display, describe, describe_speed, leaderboard_table
from search.trial import Proposal


def trial(id: int, configuration: dict[str, Any], state: TrialStatus, **more: Any) -> Trial:
    return Trial(id, 7, configuration, Proposal(configuration), state=state, **more)


TRIALS = [
    trial(
        1,
        {"cell": "gru", "rate": 1e-3},
        TrialStatus.DIVERGED,
        epochs=3,
        metrics={3: {"loss": math.nan}},
    ),
    trial(
        0,
        {"cell": "lstm", "rate": 0.5},
        TrialStatus.COMPLETE,
        epochs=9,
        metrics={3: {"loss": 2.5}, 9: {"loss": 1.25}},
    ),
    trial(2, {"cell": "gru"}, TrialStatus.INTERRUPTED),
]


def standing(**changes: Any) -> Progress:
    first = Progress(30, 40, 30, 0, 27, 0.0, 50, 0.0, 0.0, None, False)
    return first._replace(**changes)


def test_the_line_people_read() -> None:
    assert describe(standing(), "loss") == (
        "epoch 0/27: 30 of 30 trials training | best validation loss none yet | 0 trial-epochs/s"
    )
    later = standing(training=10, epochs=3, trained=40, seconds=20.0, best=TRIALS[1])
    assert describe(later, "loss") == (
        "epoch 3/27: 10 of 30 trials training | best validation loss 1.25 (trial 0) | "
        "2.0 trial-epochs/s | 5 s left"
    )
    resumed = describe(later._replace(before=30), "loss")
    assert "| 2.0 s a trial-epoch | 20 s left" in resumed  # what was done before took other time
    assert "left" not in describe(later._replace(total=None), "loss")


SPEEDS = [
    (0.0, "0 trial-epochs/s"),
    (27.4, "27 trial-epochs/s"),
    (9.96, "10 trial-epochs/s"),
    (9.94, "9.9 trial-epochs/s"),
    (1.0, "1.0 trial-epochs/s"),
    (0.98, "1.0 s a trial-epoch"),
    (0.4, "2.5 s a trial-epoch"),
    (0.1, "10 s a trial-epoch"),
    (0.007, "143 s a trial-epoch"),
]


@pytest.mark.parametrize(("speed", "text"), SPEEDS)
def test_slow_training_is_shown_by_the_seconds_of_an_epoch(speed: float, text: str) -> None:
    assert describe_speed(speed) == text


@pytest.mark.parametrize("terminal", [True, False])
def test_display(terminal: bool) -> None:
    file = io.StringIO()
    console = Console(record=True, force_terminal=terminal, width=160, file=file)
    with Display(console, "loss") as display:
        display(standing(trained=10, seconds=1.0))
        display(standing(epochs=1, trained=30, seconds=2.0, best=TRIALS[1], scored=True))
    text = console.export_text()
    assert "compiling" in file.getvalue()
    assert "epoch 1/27: 30 of 30 trials training | best validation loss 1.25 (trial 0)" in text
    if not terminal:
        assert text.count("epoch ") == 1  # plain lines: one a rung, no escape codes
    console.print(leaderboard_table(TRIALS, ["loss"], "min"))
    lines = [line.split() for line in console.export_text().splitlines() if line.strip()]
    assert [line[0] for line in lines[-3:]] == ["0", "2", "1"]  # best, unfinished, diverged


@pytest.mark.skipif(find_spec("ipywidgets") is not None, reason="is about notebooks without")
def test_a_notebook_without_widgets_gets_plain_lines() -> None:
    console = Console(record=True, force_jupyter=True, width=160, file=io.StringIO())
    with Display(console, "loss") as display:
        display(standing(epochs=1, trained=30, seconds=2.0, best=TRIALS[1], scored=True))
    assert console.export_text().count("epoch ") == 1


@pytest.mark.parametrize("terminal", [True, False])
def test_a_quiet_display(terminal: bool) -> None:
    file = io.StringIO()
    console = Console(quiet=True, force_terminal=terminal, file=file)
    with Display(console, "loss") as display:
        display(standing(epochs=1, trained=30, seconds=2.0, best=TRIALS[1], scored=True))
    assert file.getvalue() == ""


def test_means_show_their_errors() -> None:
    scored = {9: {"loss": 1.25}}
    one = trial(0, {}, TrialStatus.COMPLETE, metrics=scored, errors={3: {}, 9: {"loss": 0.03125}})
    console = Console(record=True, width=80, file=io.StringIO())
    console.print(leaderboard_table([one], ["loss"], "min"))
    assert "1.2500±0.0312" in console.export_text()


def many(count: int) -> list[Trial]:
    """Trials with more entries than a line holds: some fixed, some not in all of them."""
    entries: dict[str, Any] = {f"fixed_{k}": k for k in range(3)}
    entries |= {"forget": {"low": 0.0, "high": 1.0, "when": {"cell": "lstm"}}}
    entries |= {f"long_name_{k}": {"low": 0.0, "high": 1.0} for k in range(20)}
    entries |= {"cell": ["lstm", "gru"], "text": ["x" * 200, "y" * 200]}
    proposed = make_sampler("random", Space(entries), 2).ask(count, [])
    assert "forget" in proposed[0].configuration
    trials = [Trial(id, 0, one.configuration, one) for id, one in enumerate(proposed)]
    for trial in trials:
        trial.epochs, trial.metrics = 9, {9: {"loss": trial.id / 7, "accuracy": 0.5}}
    return trials


@pytest.mark.parametrize("width", [40, 80, 120, 200])
def test_the_leaderboard_fits_its_console(width: int) -> None:
    """Entries that differ come first, and of these the ones that all trials have."""
    console = Console(record=True, width=width, file=io.StringIO())
    table = leaderboard_table(many(30), ["loss", "accuracy"], "min", console.width)
    console.print(table)
    text = console.export_text()
    names = [str(column.header).replace("\n", "_") for column in table.columns]
    assert names[:4] == ["trial", "search_epochs", "loss", "accuracy"]
    assert len(names) > 4
    assert "text" not in names
    assert width == 200 or set(names).isdisjoint({"fixed_0", "forget"})
    rows = [line.split() for line in text.splitlines() if line.strip()[:1].isdigit()]
    assert [row[0] for row in rows[-10:]] == [str(k) for k in range(10)]
    assert all(len(row) == len(names) for row in rows[-10:])
    assert "…" not in text
    left_out = 4 + 26 - len(names)
    noun = "hyperparameter" if left_out == 1 else "hyperparameters"
    assert table.caption == f"... and {left_out} more {noun} in trials.csv"


def test_a_leaderboard_of_few_hyperparameters_shows_all() -> None:
    table = leaderboard_table(TRIALS[:2], ["loss"], "min")
    assert [column.header for column in table.columns] == [
        "trial",
        "search\nepochs",
        "loss",
        "cell",
        "rate",
    ]
    assert table.caption is None
