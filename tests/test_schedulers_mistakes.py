"""Mistakes that are known from other tuners, one test or more for each.

Their numbers are those of the project's list. Here are those that a scheduler can make; the engine
has its own.
"""

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.scheduler_loop import ended, play, trains, waiting, waits

from search.rungs import hyperband_brackets, rungs
from search.schedulers.asha import Asha
from search.schedulers.median_stopping import MedianStopping
from search.schedulers.pbt import Pbt
from search.schedulers.registry import SCHEDULERS, make_scheduler
from search.schedulers.scheduler import Decision
from search.schedulers.successive_halving import halving, hyperband

NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(("eta", "most", "count"), [(3, 243, 6), (3, 3**10, 11), (9, 9**5, 6)])
def test_mistake_1_logarithms_in_floats(eta: int, most: int, count: int) -> None:
    """Optuna builds 5 brackets for R=243 (PR 6835); SMAC3 and scikit-learn share the mistake."""
    assert math.floor(math.log(243) / math.log(3)) == 4  # what they compute
    assert len(Asha(9, 1, most, eta).budgets) == len(rungs(9, 1, most, eta)) == count
    assert len(hyperband(None, 1, most, eta).brackets) == count
    assert len(hyperband(None, 1, 1000, 10).brackets) == 4


@pytest.mark.parametrize("capacity", [1, 5, 1000])
def test_mistake_2_wrong_numbers_in_rungs(capacity: int) -> None:
    """SMAC3 ran 11/1/1 for 9/3/1; KerasTuner and scikit-learn round up: 34, 12, 4, 2."""
    result = play(halving([34], 3, 81, 3), lambda id, epochs: float(id), capacity)
    assert [len(result.scored(epochs)) for epochs in (3, 9, 27, 81)] == [34, 11, 3, 1]
    result = play(halving([9], 1, 9, 3), lambda id, epochs: float(-id), capacity)
    assert [len(result.scored(epochs)) for epochs in (1, 3, 9)] == [9, 3, 1]


@given(low=st.integers(1, 4), more=st.integers(0, 30), eta=st.integers(2, 4))
def test_mistake_3_later_brackets_never_reach_the_end(low: int, more: int, eta: int) -> None:
    """Ray's HyperBand; it also hangs where few can train at a time."""
    player = hyperband(None, low, low + more, eta)
    result = play(player, lambda id, epochs: (id * 7 % 13) / epochs, capacity=1)
    for bracket, plan in enumerate(player.brackets):
        assert len(result.scored(low + more, bracket)) == plan[-1].trials


def test_mistake_4_best_so_far_or_off_by_one() -> None:
    """W&B compared the best so far in place of the score at the band, and bands one off."""
    trials = [waits(0, {1: 0.0, 3: 9.0}), waits(1, {1: 1.0, 3: 8.0}), waits(2, {1: 2.0, 3: 7.0})]
    trials += [ended(k, {1: 5.0}) for k in range(3, 9)]
    assert halving([9], 1, 9, 3).decide(trials, 0) == Decision(promote={2: 9}, prune=(0, 1))
    assert Asha(9, 1, 9, 3).decide(trials, 1) == Decision(promote={2: 9})
    for player in (halving([3], 3, 27, 3), Asha(3, 3, 27, 3)):
        beside = [
            waits(0, {2: 0.0, 4: 0.0}),
            waits(1, {2: 1.0, 4: 1.0}),
            waits(2, {2: 2.0, 4: 2.0}),
        ]
        assert not player.decide(beside, 0).promote


def test_mistake_4_the_first_always_passes_then_always_dies() -> None:
    """A trial's luck does not hang on being the first: all wait, then the best one goes on."""
    for first in (0.0, 9.0):
        trials = waiting([first, 1.0, 2.0])
        for player in (halving([3], 1, 9, 3), Asha(3, 1, 9, 3)):
            assert (
                not player.decide(trials[:1], 0).promote and not player.decide(trials[:1], 0).prune
            )
            assert list(player.decide(trials, 1).promote) == [0 if first == 0 else 1]
        assert MedianStopping(3, 1, 9).decide(trials[:1], 0).promote == {0: 2}


@pytest.mark.parametrize("bad", [NAN, INF, -INF], ids=str)
def test_mistake_5_nan_is_the_best_or_stops_nothing(bad: float) -> None:
    """NaN was chosen as the best, as the threshold, and passed every `nan < threshold`."""
    values = [bad, 5.0, bad, 1.0, bad, 7.0]
    trials = waiting(values)
    assert halving([6], 1, 9, 3).decide(trials, 0) == Decision(
        promote={3: 3, 1: 3}, prune=(0, 2, 4, 5)
    )
    assert Asha(6, 1, 9, 3).decide(trials, 9).promote == {3: 3, 1: 3}
    assert Asha(6, 1, 9, 2).decide(waiting([bad, bad, 1.0, bad]), 1).promote == {2: 2}
    assert MedianStopping(6, 1, 9, startup=1).decide(trials, 0).prune == (0, 2, 4)
    healthy = [waits(k, {1: float(k)}) for k in range(6, 12)]
    assert MedianStopping(12, 1, 9).decide([*trials, *healthy], 0).prune == (0, 2, 4, 9, 10, 11)
    copies = Pbt(6, 1, 9).decide(trials, 0).exploit
    assert [(copy.loser, copy.winner) for copy in copies] == [(0, 3), (2, 3), (4, 3)]
    assert Asha(6, 1, 9, 3).decide(waiting([bad] * 6), 9) == Decision(prune=tuple(range(6)))
    assert MedianStopping(6, 1, 9).decide(waiting([bad] * 6), 9) == Decision(prune=tuple(range(6)))


def test_mistake_7_scores_from_later_fill_lower_rungs() -> None:
    """Ray and Syne Tune file a later score under a milestone that was skipped."""
    skipped = waits(0, {2: 0.0})
    trials = [skipped, waits(1, {1: 1.0}), waits(2, {1: 2.0})]
    assert halving([3], 1, 9, 3).decide(trials, 0) == Decision()
    assert Asha(4, 1, 9, 3).decide(trials, 0).promote == {}
    assert MedianStopping(4, 1, 9, startup=2).decide(trials, 0).prune == ()
    trials = [waits(0, {3: 0.0}), waits(1, {1: 1.0, 3: 1.0}), waits(2, {1: 2.0, 3: 2.0})]
    assert halving([3], 1, 9, 3).decide(trials, 0) == Decision()
    # A trial that has gone further is ranked below by its score there.
    gone = ended(0, {1: 3.0, 3: 0.0})
    trials = [gone, waits(1, {1: 2.0}), waits(2, {1: 1.0})]
    assert halving([3], 1, 9, 3).decide(trials, 0) == Decision(promote={2: 3}, prune=(1,))
    assert Asha(3, 1, 9, 3).decide(trials, 1).promote == {2: 3}


@pytest.mark.parametrize("name", ["none", "halving", "asha", "median"])
def test_mistake_8_the_first_trials_survive(name: str) -> None:
    """Optuna lets the first ones pass. Turned round, the same curves have the same fate here."""
    fates = []
    for turn in (1, -1):
        scores = [k * 7 % 27 + 0.5 for k in range(27)][::turn]
        result = play(make_scheduler(name, 27, 1, 9), lambda id, epochs, s=scores: s[id] / epochs)
        fates.append({scores[trial.id]: trial.epochs for trial in result.trials})
    assert fates[0] == fates[1]


def test_mistake_8_chance_without_a_seed() -> None:
    """KerasTuner's `seed or random` ignores seed 0; brackets of others hang on global chance."""
    trials = waiting([float(k) for k in range(40)])
    exploits = [Pbt(40, 1, 9, 0.5, seed).decide(trials, 0).exploit for seed in (0, 0, 1, 2)]
    assert exploits[0] == exploits[1]
    assert len(set(exploits)) == 3
    # Known numbers, so that another process or machine draws the same.
    assert [copy.winner for copy in exploits[0]][:8] == [13, 13, 7, 4, 1, 12, 0, 8]


def test_mistake_9_copies_of_what_is_not_there() -> None:
    """Ray's PBT copied from trials that had no checkpoint yet, or an old one: here all wait."""
    trials = waiting([float(k) for k in range(8)], epochs=4)
    player = Pbt(8, 2, 10)
    for other in (trains(0, 4, {2: 0.0}), waits(0, {2: 0.0}), waits(0, {4: 0.0, 6: 0.0})):
        assert player.decide([other, *trials[1:]], 8) == Decision()
    assert player.decide(trials, 8).exploit


def test_mistake_11_scores_of_different_rungs_are_compared() -> None:
    """Better at a lower rung is nothing at a higher one, and the other way round."""
    player = Asha(9, 1, 9, 3)
    high = [waits(k, {1: 50.0, 3: 40.0 + k}) for k in range(3)]
    low = [waits(k, {1: 10.0 + k}) for k in range(3, 9)]
    assert list(player.decide([*high, *low], 9).promote.items()) == [(0, 9), (3, 3), (4, 3), (5, 3)]
    halves = [waits(0, {1: 0.0}, bracket=0), waits(1, {3: 9.0}, bracket=1)]
    two = replace(hyperband(None, 1, 9, 3), brackets=(rungs(1, 1, 9, 3), rungs(1, 3, 9, 3)))
    assert two.decide(halves, 0).promote == {0: 3, 1: 9}


@pytest.mark.parametrize("lost", [0, 1, 5, 8, 9])
def test_mistake_12_failures_shrink_a_rung(lost: int) -> None:
    """Those that diverged rank last and fill the rungs where there are too few others."""
    result = play(halving([9], 1, 9, 3), lambda id, epochs: INF if id < lost else -float(id))
    assert [len(result.scored(epochs)) for epochs in (1, 3, 9)] == [9, 3, 1]
    alive = list(range(lost, 9))[-3:]
    assert result.scored(3) == sorted([*alive, *range(3 - len(alive))])
    assert result.scored(9) == [8 if lost < 9 else 0]


def test_mistake_12_failures_count_in_asha() -> None:
    """One of three goes on, although the two others diverged."""
    assert Asha(9, 1, 9, 3).decide(waiting([INF, 4.0, INF]), 1).promote == {1: 3}
    assert Asha(9, 1, 9, 3).decide(waiting([INF, 4.0]), 1).promote == {}


rows_of_any = st.lists(
    st.tuples(st.sampled_from([1, 3, 9]), st.sampled_from([0.0, 1.0, 2.0, INF]), st.booleans()),
    min_size=1,
    max_size=27,
)


@pytest.mark.parametrize("name", list(SCHEDULERS))
@given(what=rows_of_any, free_slots=st.integers(0, 9), random=st.randoms(use_true_random=False))
def test_mistake_8_order_of_arrival(
    name: str, what: list[tuple[int, float, bool]], free_slots: int, random: Any
) -> None:
    """Any table, in any order, gives the same decision; asking changes nothing."""
    trials = []
    for id, (epochs, score, trained) in enumerate(what):
        history = {at: score + at for at in (1, 3, 9) if at <= epochs}
        make = ended if trained or epochs == 9 else waits
        trials.append(make(id, history))
    player = make_scheduler(name, None if name == "hyperband" else max(27, len(trials)), 1, 9)
    if name == "hyperband":
        trials = trials[: hyperband_brackets(1, 9, 3)[0][0].trials]
    decision = player.decide(trials, free_slots)
    assert player.decide(random.sample(trials, len(trials)), free_slots) == decision
    assert player.decide(trials, free_slots) == decision
