"""Single decisions, against what the papers say and what was worked out by hand."""

import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.scheduler_loop import Play, ended, play, trains, waiting, waits

from search.rungs import Rung, hyperband_brackets
from search.schedulers.asha import Asha
from search.schedulers.median_stopping import MedianStopping
from search.schedulers.no_pruning import NoPruning
from search.schedulers.pbt import Pbt
from search.schedulers.scheduler import Decision, Exploit, NewTrial
from search.schedulers.successive_halving import SuccessiveHalving, halving, hyperband

INF = math.inf


def test_no_pruning() -> None:
    full = NoPruning(5, 7)
    assert full.total == 35
    assert full.decide([], 3) == Decision(start=(NewTrial(0, 7),) * 3)
    assert full.decide([trains(k, 7) for k in range(3)], 3) == Decision(start=(NewTrial(0, 7),) * 2)
    assert full.decide([ended(k, {7: INF}) for k in range(5)], 3) == Decision()


def test_no_pruning_is_a_bracket_of_one_rung() -> None:
    bracket = SuccessiveHalving(((Rung(7, 5),),))
    for capacity in (1, 2, 5):
        plays = [
            play(scheduler, lambda id, epochs: float(id), capacity)
            for scheduler in (NoPruning(5, 7), bracket)
        ]
        assert plays[0] == plays[1]


def test_halving_by_hand() -> None:
    """Nine trials, two that cross: each rung is ranked by the score at exactly its epochs."""
    late = {1: 9.0, 3: 1.0, 9: 1.0}
    early = {1: 5.0, 3: 50.0}
    curves: list[dict[int, float]] = [dict.fromkeys((1, 3, 9), 10.0 + k) for k in range(7)]
    curves += [late, early]
    result = play(halving([9], 1, 9, 3), lambda id, epochs: curves[id][epochs])
    assert [decision for decision, _ in result.decisions] == [
        Decision(start=(NewTrial(0, 1),) * 9),
        Decision(promote={8: 3, 7: 3, 0: 3}, prune=(1, 2, 3, 4, 5, 6)),
        Decision(promote={7: 9}, prune=(0, 8)),
        Decision(),
    ]
    assert [result.scored(epochs) for epochs in (3, 9)] == [[0, 7, 8], [7]]
    assert result.spent == 9 + 6 + 6


def test_a_rung_waits_until_it_is_full() -> None:
    scheduler = halving([3], 1, 9, 3)
    best, other, third = waits(0, {1: 1.0}), waits(1, {1: 2.0}), waits(2, {1: 3.0})
    assert scheduler.decide([best, other], 0) == Decision()
    assert scheduler.decide([best, other], 5) == Decision(start=(NewTrial(0, 1),))
    assert scheduler.decide([best, other, trains(2, 1)], 5) == Decision()
    assert scheduler.decide([best, other, third], 0) == Decision(promote={0: 3}, prune=(1, 2))


def test_brackets_side_by_side() -> None:
    """They are filled one after the other, and do not wait for each other."""
    scheduler = hyperband(None, 1, 9, 3)
    assert [plan[0].trials for plan in scheduler.brackets] == [9, 5, 3]
    assert (scheduler.trials, scheduler.max_epochs, scheduler.total) == (17, 9, 21 + 21 + 27)
    assert scheduler.decide([], 11).start == (NewTrial(0, 1),) * 9 + (NewTrial(1, 3),) * 2
    first = [waits(k, {1: float(k)}) for k in range(9)]
    second = [trains(k, 3, bracket=1) for k in (9, 10)]
    decision = scheduler.decide([*first, *second], 4)
    assert decision.promote == {0: 3, 1: 3, 2: 3}
    assert decision.prune == tuple(range(3, 9))
    assert decision.start == (NewTrial(1, 3),) * 3 + (NewTrial(2, 9),)
    second = [waits(k, {3: float(-k)}, bracket=1) for k in range(9, 14)]
    first = [trains(k, 3, {1: float(k)}) for k in range(3)]
    first += [ended(k, {1: float(k)}) for k in range(3, 9)]
    decision = scheduler.decide([*first, *second], 0)
    assert decision == Decision(promote={13: 9}, prune=(9, 10, 11, 12))


def in_rungs(result: Play, scheduler: SuccessiveHalving) -> list[list[tuple[int, int]]]:
    """How many trials of every bracket were scored at each of its epochs."""
    return [
        [(len(result.scored(rung.epochs, bracket)), rung.epochs) for rung in plan]
        for bracket, plan in enumerate(scheduler.brackets)
    ]


@pytest.mark.parametrize("capacity", [1, 10, 1000])
def test_hyperband_plays_its_table(capacity: int) -> None:
    scheduler = hyperband(None, 1, 81, 3)
    result = play(scheduler, lambda id, epochs: (id * 37 % 143) / epochs, capacity)
    expected = [[(r.trials, r.epochs) for r in plan] for plan in hyperband_brackets(1, 81, 3)]
    assert in_rungs(result, scheduler) == expected
    assert result.spent == scheduler.total == 1581


ASHA = Asha(trials=20, min_epochs=1, max_epochs=9, eta=3)


def test_asha_promotes_the_best_third_so_far() -> None:
    assert ASHA.budgets == [1, 3, 9]
    trials = waiting([5.0, 4.0, 3.0, 2.0, 1.0])
    new = NewTrial(0, 1)
    assert ASHA.decide(trials[:2], 2) == Decision(start=(new, new))
    assert ASHA.decide(trials[:3], 2) == Decision(start=(new,), promote={2: 3})
    assert ASHA.decide(trials, 2) == Decision(start=(new,), promote={4: 3})
    # The best has gone on already, so that one of six is left to go.
    trials = [*trials[:4], trains(4, 3, {1: 1.0}), waits(5, {1: 9.0})]
    assert ASHA.decide(trials, 2) == Decision(start=(new,), promote={3: 3})
    # It makes no difference that it went further or was stopped since.
    for other in (waits(4, {1: 1.0, 3: 1.0}), ended(4, {1: 1.0, 3: 1.0})):
        assert ASHA.decide([*trials[:4], other, trials[5]], 2) == Decision(
            start=(new,), promote={3: 3}
        )


def test_asha_goes_from_the_highest_rung_down() -> None:
    low = waiting([7.0, 8.0, 9.0, 7.5, 8.5, 9.5])
    high = [waits(k, {1: 0.0, 3: float(k)}) for k in (6, 7, 8)]
    # Of nine scored at 1 three may go on, and have gone; of three at 3, one may.
    assert ASHA.decide([*low, *high], 3).promote == {6: 9}
    low += [waits(k, {1: 9.0}) for k in range(9, 15)]
    for room, go in ((0, []), (1, [6]), (2, [6, 0]), (3, [6, 0, 3]), (4, [6, 0, 3])):
        decision = ASHA.decide([*low, *high], room)
        assert list(decision.promote) == go
        assert len(decision.start) == room - len(go)


def test_asha_never_promotes_the_diverged() -> None:
    trials = waiting([INF, INF, 3.0, INF, INF, INF])
    assert ASHA.decide(trials, 1).promote == {2: 3}
    assert ASHA.decide(trials, 2) == Decision(promote={2: 3}, start=(NewTrial(0, 1),))


def test_asha_ends() -> None:
    scheduler = Asha(4, 1, 9, 3)
    done = ended(0, {1: 1.0, 3: 1.0, 9: 1.0})
    rest = [waits(k, {1: 2.0}) for k in (1, 2)]
    assert scheduler.decide([done, *rest], 0) == Decision()
    assert scheduler.decide([done, *rest, trains(3, 1)], 9) == Decision()
    assert scheduler.decide([done, *rest, waits(3, {1: 9.0})], 9) == Decision(prune=(1, 2, 3))


def test_asha_ends_with_a_winner() -> None:
    """Of too few for a promotion, the best goes on alone, and the next one if it fails."""
    scheduler = Asha(4, 1, 9, 3)
    lost = ended(0, {1: 0.5, 3: 0.5, 9: INF})
    trials = [lost, waits(1, {1: 5.0, 3: 4.0}), waits(2, {1: 4.0, 3: 4.0}), waits(3, {1: 0.6})]
    assert scheduler.decide(trials, 0) == Decision()
    assert scheduler.decide(trials, 1) == Decision(promote={1: 9})
    trials[1] = waits(1, {1: 5.0, 3: INF})
    trials[2] = waits(2, {1: 4.0, 3: INF})
    assert scheduler.decide(trials, 1) == Decision(promote={3: 3})
    trials[3] = waits(3, {1: INF})
    assert scheduler.decide(trials, 1) == Decision(prune=(1, 2, 3))
    result = play(Asha(2, 1, 9, 3), lambda id, epochs: -float(id))
    assert [trial.epochs for trial in result.trials] == [1, 9]
    assert result.stopped == {0}
    result = play(
        Asha(2, 1, 9, 3), lambda id, epochs: INF if (id, epochs) == (1, 9) else -float(id)
    )
    assert [trial.epochs for trial in result.trials] == [9, 9]


MEDIAN = MedianStopping(trials=20, min_epochs=2, max_epochs=5, startup=2)


def test_median_by_hand() -> None:
    """Means of the others up to 4 epochs are 2, 3 and 6.5: the median is 3 for whoever is new."""
    others = [
        ended(0, {2: 3.0, 4: 1.0}),
        ended(1, {2: 2.0, 4: 4.0}),
        trains(2, 5, {2: 9.0, 4: 4.0}),
    ]
    for score, stops in ((3.0, False), (math.nextafter(3, 4), True)):
        trial = waits(3, {2: 9.0, 4: score})
        expected = Decision(prune=(3,)) if stops else Decision(promote={3: 5})
        assert MEDIAN.decide([*others, trial], 0) == expected
    # The best so far counts, not the latest.
    assert MEDIAN.decide([*others, waits(3, {2: 3.0, 4: 8.0})], 0).promote == {3: 5}
    # Between two in the middle, the median is their mean: 2.5 of 2 and 3.
    assert MEDIAN.decide([*others[:2], waits(3, {2: 9.0, 4: 2.5})], 0).promote == {3: 5}
    assert MEDIAN.decide([*others[:2], waits(3, {2: 9.0, 4: 2.6})], 0).prune == (3,)


def test_median_compares_at_the_same_epochs_only() -> None:
    """What others did later, and others that have not come so far, mean nothing."""
    early = [trains(k, 4, {2: 5.0}) for k in range(3)]
    late = [trains(k, 5, {2: 5.0, 4: 0.0}) for k in range(3)]
    for others in (early, late):
        assert MEDIAN.decide([*others, waits(3, {2: 5.0})], 0).promote == {3: 4}
        assert MEDIAN.decide([*others, waits(3, {2: 5.1})], 0).prune == (3,)
    assert MEDIAN.decide([*early, waits(3, {2: 5.1, 4: 5.1})], 0).promote == {3: 5}
    assert MEDIAN.decide([*late[:2], *early[:1], waits(3, {2: 5.1, 4: 5.1})], 0).prune == (3,)


def test_median_judges_each_where_it_is() -> None:
    """Worse than those who came later, but judged at the epochs where it waits."""
    trials = [ended(k, {2: 0.0, 4: 9.0}) for k in range(3)]
    assert MEDIAN.decide([*trials, waits(3, {2: 5.0, 4: 4.0}), waits(4, {2: 5.0})], 0) == Decision(
        promote={3: 5}, prune=(4,)
    )


@given(st.lists(st.lists(st.integers(0, 6), min_size=1, max_size=3), min_size=1, max_size=12))
def test_median_against_its_definition(curves: list[list[int]]) -> None:
    trials = [waits(id, {k + 1: float(s) for k, s in enumerate(c)}) for id, c in enumerate(curves)]
    stop = []
    for id, curve in enumerate(curves):
        others = [c[: len(curve)] for k, c in enumerate(curves) if k != id and len(c) >= len(curve)]
        means = [sum(c) / len(c) for c in others]
        if len(means) >= 3 and min(curve) > statistics.median(means):
            stop.append(id)
    decision = MedianStopping(20, 1, 9, startup=3).decide(trials, 0)
    assert decision.prune == tuple(stop)
    assert decision.promote == {k: len(c) + 1 for k, c in enumerate(curves) if k not in stop}


def test_median_needs_others() -> None:
    scheduler = MedianStopping(20, 1, 9)
    trials = waiting([1.0, 2.0, 3.0, 4.0, 5.0])
    assert not scheduler.decide(trials, 0).prune
    assert scheduler.decide([*trials, waits(5, {1: 6.0})], 0).prune == (3, 4, 5)
    alone = play(MedianStopping(20, 1, 9), lambda id, epochs: float(id), capacity=1)
    assert [trial.epochs for trial in alone.trials] == [9] * 5 + [1] * 15


def test_median_stops_the_diverged_at_once() -> None:
    assert MEDIAN.decide([waits(0, {2: 1.0, 4: INF})], 0) == Decision(prune=(0,))
    trials = [ended(k, {2: INF}) for k in range(5)]
    assert MEDIAN.decide([*trials, waits(5, {2: 1e9})], 0).promote == {5: 4}


def test_pbt_by_hand() -> None:
    """Of eight, the two worst take over from the two best, and all go on."""
    scheduler = Pbt(trials=8, interval=2, max_epochs=5, quantile=0.25)
    assert scheduler.decide([], 5) == Decision(start=(NewTrial(0, 2),) * 5)
    trials = waiting([4.0, 9.0, 1.0, 5.0, 8.0, 0.0, 3.0, 2.0], epochs=2)
    assert scheduler.decide(trials[:7], 5) == Decision(start=(NewTrial(0, 2),))
    assert scheduler.decide(trials[:7], 0) == Decision()
    assert scheduler.decide([*trials[:7], trains(7, 2)], 5) == Decision()
    assert scheduler.decide([*trials[:7], waits(7, {2: 1.0, 4: 1.0})], 5) == Decision()
    decision = scheduler.decide(trials, 5)
    assert decision.promote == dict.fromkeys(range(8), 4)
    assert [copy.loser for copy in decision.exploit] == [4, 1]
    assert {copy.winner for copy in decision.exploit} <= {5, 2}
    trials = [waits(trial.id, {2: 0.0, 4: trial.scores[2]}) for trial in trials]
    decision = scheduler.decide(trials, 5)
    assert decision.promote == dict.fromkeys(range(8), 5)
    assert [copy.loser for copy in decision.exploit] == [4, 1]


def test_pbt_draws_winners_evenly() -> None:
    """From seed and epochs; every winner of the upper half about as often."""
    trials = waiting([float(k) for k in range(8)])
    exploits = [Pbt(8, 1, 9, 0.5, seed).decide(trials, 0).exploit for seed in range(200)]
    counts = [sum(copy.winner == k for copies in exploits for copy in copies) for k in range(4)]
    assert sum(counts) == 800
    assert all(150 < count < 250 for count in counts)
    later = [waits(trial.id, {2: trial.scores[1]}) for trial in trials]
    assert any(Pbt(8, 1, 9, 0.5, s).decide(later, 0).exploit != exploits[s] for s in range(5))


@pytest.mark.parametrize(
    ("trials", "quantile", "count"),
    [(1, 0.5, 0), (2, 0.25, 1), (3, 0.5, 1), (4, 0.25, 1), (7, 0.25, 1), (8, 0.25, 2), (9, 0.5, 4)],
)
def test_pbt_quantiles(trials: int, quantile: float, count: int) -> None:
    decision = Pbt(trials, 1, 9, quantile).decide(waiting([float(k) for k in range(trials)]), 0)
    losers = [copy.loser for copy in decision.exploit]
    assert losers == list(range(trials - count, trials))
    assert all(copy.winner < count for copy in decision.exploit)


def test_pbt_and_the_diverged() -> None:
    """They all take over, also beyond the quantile, and are never taken."""
    scheduler = Pbt(8, 1, 9, 0.25)
    copies = scheduler.decide(waiting([INF, 5.0, INF, INF, INF, INF, INF, INF]), 0).exploit
    assert copies == tuple(Exploit(loser, 1) for loser in (0, 2, 3, 4, 5, 6, 7))
    assert scheduler.decide(waiting([INF] * 8), 0) == Decision(promote=dict.fromkeys(range(8), 2))


def test_pbt_takes_over_at_every_interval_but_the_last() -> None:
    scheduler = Pbt(8, 3, 10)
    result = play(scheduler, lambda id, epochs: float(id), capacity=3)
    assert [epochs for epochs, _, _ in result.copies] == [3, 3, 6, 6, 9, 9]
    assert scheduler.total == result.spent == 80
