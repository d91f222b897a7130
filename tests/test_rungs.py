"""The plan of successive halving, against numbers written here."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search import Rung, rungs, trial_epochs

TABLES = [
    # trials, min_epochs, max_epochs, eta: (epochs, trials) of every rung
    ((256, 1, 27, 3), [(1, 256), (3, 85), (9, 28), (27, 9)]),
    ((81, 1, 81, 3), [(1, 81), (3, 27), (9, 9), (27, 3), (81, 1)]),
    # floor(log(243) / log(3)) is 4 in floats; there are 6 rungs
    ((243, 1, 243, 3), [(1, 243), (3, 81), (9, 27), (27, 9), (81, 3), (243, 1)]),
    ((1000, 1, 1000, 10), [(1, 1000), (10, 100), (100, 10), (1000, 1)]),
    ((100, 1, 3**10, 3), [(3**k, max(100 // 3**k, 1)) for k in range(11)]),
    ((9**5, 1, 9**5, 9), [(9**k, 9 ** (5 - k)) for k in range(6)]),
    # R is no power of eta: the last rung is stretched to R
    ((100, 1, 100, 3), [(1, 100), (3, 33), (9, 11), (27, 3), (100, 1)]),
    ((27, 1, 26, 3), [(1, 27), (3, 9), (26, 3)]),
    ((10, 1, 2, 3), [(2, 10)]),
    # min_epochs above 1
    ((27, 2, 54, 3), [(2, 27), (6, 9), (18, 3), (54, 1)]),
    ((34, 3, 81, 3), [(3, 34), (9, 11), (27, 3), (81, 1)]),
    ((16, 5, 27, 2), [(5, 16), (10, 8), (27, 4)]),
    # fewer trials than eta, or than rungs: one goes on to the end
    ((2, 1, 27, 3), [(1, 2), (3, 1), (9, 1), (27, 1)]),
    ((1, 1, 9, 3), [(1, 1), (3, 1), (9, 1)]),
    ((10, 1, 27, 3), [(1, 10), (3, 3), (9, 1), (27, 1)]),
    # nothing to prune
    ((7, 4, 4, 2), [(4, 7)]),
]


@pytest.mark.parametrize(("arguments", "expected"), TABLES)
def test_tables(arguments: tuple[int, ...], expected: list[tuple[int, int]]) -> None:
    assert rungs(*arguments) == tuple(Rung(*row) for row in expected)


def test_survivors_go_on() -> None:
    """Hyperband's bracket s=4 for R=81 costs 297 if survivors go on, 405 if they start again."""
    plan = rungs(81, 1, 81, 3)
    assert trial_epochs(plan) == 297
    assert sum(rung.trials * rung.epochs for rung in plan) == 405
    assert trial_epochs(rungs(256, 1, 27, 3)) == 256 + 85 * 2 + 28 * 6 + 9 * 18


@given(
    trials=st.integers(1, 10**6),
    low=st.integers(1, 100),
    more=st.integers(0, 10**6),
    eta=st.integers(2, 50),
)
def test_every_plan(trials: int, low: int, more: int, eta: int) -> None:
    plan = rungs(trials, low, low + more, eta)
    assert plan[0].trials == trials
    assert plan[-1].epochs == low + more
    for k, rung in enumerate(plan):
        assert rung.trials == max(trials // eta**k, 1)
        assert rung.epochs == low * eta**k or rung is plan[-1]
    epochs = [rung.epochs for rung in plan]
    assert epochs == sorted(set(epochs))
    assert low * eta ** len(plan) > low + more  # no rung is missing


BAD = [
    ((0, 1, 27, 3), "`trials` is 0, but must be a whole number of at least 1."),
    ((2.5, 1, 27, 3), "`trials` is 2.5, but must be a whole number"),
    ((True, 1, 27, 3), "`trials` is True"),
    ((9, 0, 27, 3), "`min_epochs` is 0"),
    ((9, 1, 0, 3), "`max_epochs` is 0"),
    ((9, 1, 27, 1), "`eta` is 1, but must be a whole number of at least 2."),
    ((9, 28, 27, 3), "`min_epochs` is 28, but must be at most `max_epochs`, 27."),
]


@pytest.mark.parametrize(("arguments", "message"), BAD)
def test_bad_arguments(arguments: tuple, message: str) -> None:
    with pytest.raises(ValueError) as error:
        rungs(*arguments)
    assert message in str(error.value)
