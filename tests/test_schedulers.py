"""What every scheduler keeps to, played by a plain loop on curves of all kinds."""

import itertools
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.curve_trainer import Curves
from support.scheduler_loop import Play, play, waiting

from search.plans import PlanOptions, make_plan, plan_trainers
from search.rungs import hyperband_brackets
from search.schedulers.asha import Asha
from search.schedulers.median_stopping import MedianStopping
from search.schedulers.no_pruning import NoPruning
from search.schedulers.pbt import Pbt
from search.schedulers.registry import SCHEDULERS, make_scheduler
from search.schedulers.scheduler import Scheduler
from search.schedulers.successive_halving import SuccessiveHalving, halving, hyperband
from search.space.space import Space

NAMES = list(SCHEDULERS)
PRUNING = ["halving", "hyperband", "asha", "median"]
NAN, INF = math.nan, math.inf

scores = st.one_of(st.sampled_from([0.0, 1.0, NAN, INF, -INF]), st.floats(-9, 9))
curves = st.lists(st.lists(scores, min_size=4, max_size=4), min_size=5, max_size=5)


def make(name: str, trials: int, least: int, most: int, eta: int = 3, seed: int = 0) -> Scheduler:
    """The scheduler; Hyperband with enough trials for its first bracket."""
    if name == "hyperband":
        trials += hyperband_brackets(least, most, eta)[0][0].trials - 1
    return make_scheduler(name, trials, least, most, eta, seed)


def check(player: Scheduler, result: Play) -> None:
    """The search is whole: its trials, its epochs, and somebody at the end."""
    assert [trial.id for trial in result.trials] == list(range(player.trials))
    for trial in result.trials:
        assert trial.epochs == trial.target_epochs == max(trial.scores)
    assert result.spent == sum(trial.epochs for trial in result.trials)
    assert player.total in (None, result.spent)
    at_end = [trial for trial in result.trials if trial.epochs == player.max_epochs]
    assert not result.stopped & {trial.id for trial in at_end}
    diverged = [trial for trial in result.trials if not math.isfinite(trial.scores[trial.epochs])]
    # Median stopping may stop all others before those that led diverge.
    assert (
        at_end
        or len(diverged) == player.trials
        or (isinstance(player, MedianStopping) and diverged)
    )


@pytest.mark.parametrize("name", NAMES)
@given(
    table=curves,
    trials=st.integers(1, 30),
    least=st.integers(1, 4),
    more=st.integers(0, 25),
    eta=st.integers(2, 4),
    capacity=st.integers(1, 40),
)
def test_any_curves(
    name: str,
    table: list[list[float]],
    trials: int,
    least: int,
    more: int,
    eta: int,
    capacity: int,
) -> None:
    """Whatever the scores: the search ends, and its budgets and numbers are right."""
    player = make(name, trials, least, least + more, eta)
    result = play(player, lambda id, epochs: table[id % 5][(id // 5 + epochs) % 4], capacity)
    check(player, result)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("score", [0.0, NAN, INF, -INF], ids=str)
def test_all_the_same(name: str, score: float) -> None:
    """Ties, and trials that all diverge; one trial; nothing to compare."""
    for trials, least, most in ((1, 1, 9), (1, 4, 4), (7, 4, 4), (20, 2, 9)):
        player = make(name, trials, least, most)
        check(player, play(player, lambda id, epochs: score))


@pytest.mark.parametrize("name", NAMES)
def test_the_best_is_never_pruned(name: str) -> None:
    """A trial that leads at every comparison comes to the end, whenever it began."""
    for capacity, best in itertools.product((1, 7, 100), (0, 3, 26)):
        player = make(name, 27, 1, 27)

        def curve(id: int, epochs: int, best: int = best) -> float:
            return -1.0 if id == best else (id * 7 % 27) / epochs

        result = play(player, curve, capacity)
        assert result.trials[best].epochs == 27, (capacity, best)
        assert result.trials[best].id not in result.stopped, (capacity, best)


@pytest.mark.parametrize("name", PRUNING)
def test_pruning_saves(name: str) -> None:
    player = make(name, 27, 1, 27)
    result = play(player, lambda id, epochs: float(id))
    assert result.spent < 0.5 * player.trials * 27
    assert result.stopped


@pytest.mark.parametrize("name", NAMES)
def test_same_arguments_same_decisions(name: str) -> None:
    """Seed 0 included: chance is only where a seed rules it."""

    def curve(id: int, epochs: int) -> float:
        return (id * 37 % 101) / epochs

    plays = [play(make(name, 60, 1, 9, seed=seed), curve, 16) for seed in (0, 0, 1)]
    assert plays[0].decisions == plays[1].decisions
    assert plays[0].trials == plays[1].trials
    assert (plays[0].decisions != plays[2].decisions) == (name == "pbt")


@pytest.mark.parametrize("name", NAMES)
def test_room(name: str) -> None:
    """New trials fill the room and no more; none where there is none."""
    player = make(name, 30, 1, 9)
    assert player.decide([], 0).start == ()
    assert len(player.decide([], 4).start) == 4
    assert len(player.decide([], 10**6).start) == player.trials
    assert len(player.decide(waiting([1.0] * 3), 4).start) == (3 if name == "asha" else 4)


KINDS: list[tuple[str, Any]] = [
    ("none", NoPruning(64, 27)),
    ("halving", halving((64,), 2, 27, 4)),
    ("hyperband", hyperband(64, 2, 27, 4)),
    ("asha", Asha(64, 2, 27, 4)),
    ("median", MedianStopping(64, 2, 27, startup=5)),
    ("pbt", Pbt(64, 2, 27, quantile=0.25, seed=8)),
]


@pytest.mark.parametrize(("name", "expected"), KINDS)
def test_kinds(name: str, expected: Any) -> None:
    assert list(SCHEDULERS) == [name for name, _ in KINDS]
    assert make_scheduler(name, 64, 2, 27, 4, 8) == expected
    assert make_scheduler(name, [64], 2, 27, eta=4, seed=8) == expected
    assert expected.max_epochs == 27


def test_more_trials_when_a_search_is_extended() -> None:
    extended = make_scheduler("halving", (9, 36), 1, 9)
    assert isinstance(extended, SuccessiveHalving)
    assert [plan[0].trials for plan in extended.brackets] == [9, 27]
    assert extended.brackets[:1] == halving([9], 1, 9, 3).brackets
    for name in ("none", "asha", "median", "hyperband"):
        assert make_scheduler(name, (64, 96), 1, 27) == make_scheduler(name, 96, 1, 27)


@pytest.mark.parametrize("trials", [27, 38, 39, 44, 45, 48, 49, 75, 76, 98, 200])
def test_hyperband_takes_whole_brackets(trials: int) -> None:
    """R=27: brackets of 27, 12, 6 and 4 trials, over and over, until the next does not fit."""
    sizes = [plan[0].trials for plan in hyperband(trials, 1, 27, 3).brackets]
    assert sizes == ([27, 12, 6, 4] * 5)[: len(sizes)]
    assert sum(sizes) <= trials < sum(([27, 12, 6, 4] * 5)[: len(sizes) + 1])
    assert hyperband(None, 1, 27, 3) == hyperband(49, 1, 27, 3)
    assert make_scheduler("hyperband", None, 1, 27) == hyperband(49, 1, 27, 3)


GOOD = {"name": "pbt", "trials": 9, "min_epochs": 1, "max_epochs": 27, "eta": 3, "seed": 0}
BAD = [
    (
        {"name": "sha"},
        "`scheduler` is 'sha', but must be one of 'none', 'halving', 'hyperband', 'asha', "
        "'median', 'pbt'.",
    ),
    ({"trials": None}, "`trials` is None, but pbt needs a number of trials."),
    ({"trials": 0}, "`trials` is 0, but must be a whole number of at least 1."),
    ({"trials": True}, "`trials` is True, but must be a whole number of at least 1."),
    ({"trials": 2.5}, "`trials` is 2.5, but must be a whole number of at least 1."),
    ({"trials": [9, "12"]}, "`trials` is '12', but must be a whole number of at least 1."),
    ({"trials": []}, "`trials` is [], but must be one total, or several that grow."),
    ({"trials": (9, 9)}, "`trials` is (9, 9), but must be one total, or several that grow."),
    (
        {"trials": (9, 12)},
        "`trials` is 12, but must stay 9: pbt trains one population from the start to the end.",
    ),
    ({"min_epochs": 28}, "`min_epochs` is 28, but must be at most `max_epochs`, 27."),
    ({"eta": 1}, "`eta` is 1, but must be a whole number of at least 2."),
    ({"seed": -1}, "`seed` is -1, but must be a whole number of at least 0."),
    (
        {"name": "hyperband", "trials": 26},
        "`trials` is 26, but the first bracket of Hyperband from 1 to 27 epochs with `eta` 3 "
        "needs 27; one pass over all its brackets needs 49.",
    ),
]


@pytest.mark.parametrize(("change", "message"), BAD)
def test_bad_arguments(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as error:
        make_scheduler(**{**GOOD, **change})
    assert str(error.value) == message


DIRECT = [
    (lambda: NoPruning(0, 1), "`trials` is 0"),
    (lambda: NoPruning(1, 0), "`max_epochs` is 0"),
    (lambda: Asha(0, 1, 9, 3), "`trials` is 0"),
    (lambda: Asha(9, 10, 9, 3), "`min_epochs` is 10"),
    (lambda: Asha(9, 1, 9, 1), "`eta` is 1"),
    (lambda: MedianStopping(0, 1, 9), "`trials` is 0"),
    (lambda: MedianStopping(9, 10, 9), "`min_epochs` is 10"),
    (lambda: MedianStopping(9, 1, 9, startup=0), "`startup` is 0"),
    (lambda: Pbt(0, 1, 9), "`trials` is 0"),
    (lambda: Pbt(9, 0, 9), "`interval` is 0"),
    (lambda: Pbt(9, 10, 9), "`max_epochs` is 9, but must be a whole number of at least 10."),
    (lambda: Pbt(9, 1, 9, seed=-1), "`seed` is -1"),
    (lambda: Pbt(9, 1, 9, quantile=0.0), "`quantile` is 0.0, but must be above 0"),
    (lambda: Pbt(9, 1, 9, quantile=0.6), "`quantile` is 0.6, but must be above 0"),
    (lambda: Pbt(9, 1, 9, quantile=NAN), "`quantile` is nan, but must be above 0"),
    (lambda: hyperband(0, 1, 9, 3), "`trials` is 0, but must be a whole number"),
]


@pytest.mark.parametrize(("call", "message"), DIRECT)
def test_bad_arguments_of_classes(call: Any, message: str) -> None:
    with pytest.raises(ValueError) as error:
        call()
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("sampler", "scheduler", "limited", "synchronous"),
    [
        ("random", "halving", False, True),
        ("random", "hyperband", False, True),
        ("random", "median", False, True),
        ("random", "asha", True, False),
        ("random", "pbt", True, True),
        ("tpe", "none", True, True),
        ("tpe", "halving", True, True),
        ("tpe", "hyperband", True, False),
        ("tpe", "median", True, False),
        ("tpe", "asha", True, False),
    ],
)
def test_what_trainers_plan_for(
    sampler: str, scheduler: str, limited: bool, synchronous: bool
) -> None:
    """Fewer members than all may train together, and at different epochs."""
    options = PlanOptions(sampler=sampler, scheduler=scheduler)
    plan = make_plan(Space({"rate": dict(low=0.0, high=1.0)}), 300, options)
    trainers = [Curves(lambda configuration, epochs, seed: 0.0) for _ in range(2)]
    configurations = plan_trainers(plan, trainers, plan.scheduler.trials, repeats=2)
    for trainer in trainers:
        assert trainer.expected == configurations and configurations
        assert trainer.max_epochs == plan.scheduler.max_epochs
        most = 2 * min(plan.max_concurrent, plan.scheduler.trials) if limited else 0
        assert (trainer.max_concurrent, trainer.synchronous) == (most, synchronous)
