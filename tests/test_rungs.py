"""The plans of successive halving and Hyperband, against numbers written here."""

import itertools
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.rungs import Rung, hyperband_brackets, rungs, trial_epochs

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

BRACKETS = [
    # min_epochs, max_epochs, eta: (trials, epochs) of every rung of every bracket
    (
        (1, 81, 3),  # Algorithm 1; some prints of the paper's table have 27, 9 and 6 instead
        [
            [(81, 1), (27, 3), (9, 9), (3, 27), (1, 81)],
            [(34, 3), (11, 9), (3, 27), (1, 81)],
            [(15, 9), (5, 27), (1, 81)],
            [(8, 27), (2, 81)],
            [(5, 81)],
        ],
    ),
    (
        (1, 243, 3),  # six brackets, where logarithms in floats make five
        [
            [(243, 1), (81, 3), (27, 9), (9, 27), (3, 81), (1, 243)],
            [(98, 3), (32, 9), (10, 27), (3, 81), (1, 243)],
            [(41, 9), (13, 27), (4, 81), (1, 243)],
            [(18, 27), (6, 81), (2, 243)],
            [(9, 81), (3, 243)],
            [(6, 243)],
        ],
    ),
    (
        (1, 1000, 10),
        [
            [(1000, 1), (100, 10), (10, 100), (1, 1000)],
            [(134, 10), (13, 100), (1, 1000)],
            [(20, 100), (2, 1000)],
            [(4, 1000)],
        ],
    ),
    (
        (1, 100, 3),  # no power of eta: budgets are rounded down from the end
        [
            [(81, 1), (27, 3), (9, 11), (3, 33), (1, 100)],
            [(34, 3), (11, 11), (3, 33), (1, 100)],
            [(15, 11), (5, 33), (1, 100)],
            [(8, 33), (2, 100)],
            [(5, 100)],
        ],
    ),
    (
        (3, 81, 3),  # r_min above 1: the brackets of R / r_min = 27
        [
            [(27, 3), (9, 9), (3, 27), (1, 81)],
            [(12, 9), (4, 27), (1, 81)],
            [(6, 27), (2, 81)],
            [(4, 81)],
        ],
    ),
    (
        (2, 27, 2),
        [
            [(8, 3), (4, 6), (2, 13), (1, 27)],
            [(6, 6), (3, 13), (1, 27)],
            [(4, 13), (2, 27)],
            [(4, 27)],
        ],
    ),
    ((5, 9, 3), [[(1, 9)]]),  # no room for a comparison
    ((4, 4, 2), [[(1, 4)]]),
]


@pytest.mark.parametrize(("arguments", "expected"), TABLES)
def test_tables(arguments: tuple[int, ...], expected: list[tuple[int, int]]) -> None:
    assert rungs(*arguments) == tuple(Rung(*row) for row in expected)


@pytest.mark.parametrize(("arguments", "expected"), BRACKETS)
def test_brackets(arguments: tuple[int, ...], expected: list[list[tuple[int, int]]]) -> None:
    plans = hyperband_brackets(*arguments)
    assert [[(rung.trials, rung.epochs) for rung in plan] for plan in plans] == expected


@pytest.mark.parametrize(("eta", "power"), [(3, 5), (3, 10), (9, 5), (10, 3), (10, 6), (2, 29)])
def test_powers_are_exact(eta: int, power: int) -> None:
    """Logarithms in floats lose a rung at 3**5, 3**10, 9**5 and 10**3."""
    for most, count in ((eta**power - 1, power), (eta**power, power + 1)):
        assert len(rungs(1, 1, most, eta)) == count
        plans = hyperband_brackets(1, most, eta)
        assert [len(plan) for plan in plans] == list(range(count, 0, -1))
        assert plans[0][0].trials == eta ** (count - 1)


def test_survivors_go_on() -> None:
    """What brackets cost if survivors go on, and if they start again: 1581 against 1902."""
    plans = hyperband_brackets(1, 81, 3)
    assert plans[0] == rungs(81, 1, 81, 3)
    assert [trial_epochs(plan) for plan in plans] == [297, 276, 279, 324, 405]
    again = [sum(rung.trials * rung.epochs for rung in plan) for plan in plans]
    assert again == [405, 363, 351, 378, 405]
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


@given(low=st.integers(1, 100), more=st.integers(0, 10**6), eta=st.integers(2, 50))
def test_every_bracket(low: int, more: int, eta: int) -> None:
    most = low + more
    plans = hyperband_brackets(low, most, eta)
    count = len(rungs(1, low, most, eta))
    assert [len(plan) for plan in plans] == list(range(count, 0, -1))
    shared = [rung.epochs for rung in plans[0]]
    assert shared[0] >= low and shared == sorted(set(shared))
    for plan in plans:
        s = len(plan) - 1
        assert plan[-1].epochs == most
        assert [rung.epochs for rung in plan] == shared[-s - 1 :]
        assert 0 <= plan[0].trials * (s + 1) - count * eta**s <= s
        for rung, following in itertools.pairwise(plan):
            assert following.trials == rung.trials // eta >= 1
            assert following.epochs // eta == rung.epochs


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
    calls: list[tuple[Callable, tuple]] = [(rungs, arguments)]
    if "trials" not in message:
        calls.append((hyperband_brackets, arguments[1:]))
    for function, given_ones in calls:
        with pytest.raises(ValueError) as error:
            function(*given_ones)
        assert message in str(error.value)
