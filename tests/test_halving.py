"""Successive halving with a trainer whose scores are known: who goes on, and what is recorded."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search import Progress, State, Trial, leaderboard, new_trials, rungs, successive_halving
from search.trial import rank


class Table:
    """A trainer by table: the score of member `n` at epoch `e` is `curves[n](e)`.

    A population is the list of (name, epochs) of its members.
    """

    def __init__(self, curves: dict[str, Any]) -> None:
        self.curves = curves
        self.trained: list[tuple[int, int]] = []
        self.max_epochs = 0

    def start(
        self, configurations: Sequence[dict[str, Any]], seeds: Sequence[int], max_epochs: int
    ) -> list:
        self.max_epochs = max_epochs
        return [(one["name"], 0) for one in configurations]

    def train(self, population: list, epochs: int, tell: Callable[[float], None]) -> list:
        self.trained.append((len(population), epochs))
        assert all(seen < epochs for _, seen in population)
        tell(0.5)
        tell(1.0)
        return [(name, epochs) for name, _ in population]

    def evaluate(self, population: list) -> dict[str, np.ndarray]:
        scores = np.array([self.curves[name](epochs) for name, epochs in population])
        return {"loss": scores, "score": -scores}

    def history(self, population: list) -> dict[str, np.ndarray]:
        """The training loss is half the validation loss; members and epochs stay apart."""
        (epochs,) = {epochs for _, epochs in population}
        rows = [[self.curves[name](k + 1) / 2 for name, _ in population] for k in range(epochs)]
        counts = np.broadcast_to(np.arange(1, epochs + 1)[:, None], (epochs, len(population)))
        return {"training_loss": np.array(rows), "steps": counts}

    def select(self, population: list, indices: Sequence[int]) -> list:
        assert list(indices) == sorted(indices)
        return [population[index] for index in indices]


def trials_of(curves: dict[str, Any]) -> list[Trial]:
    return new_trials([{"name": name} for name in curves], seed=0)


def constant(scores: dict[str, float]) -> dict[str, Any]:
    return {name: lambda epochs, score=score: score for name, score in scores.items()}


def test_the_right_ones_go_on() -> None:
    """Nine trials, two that cross: each rung is ranked by the score at exactly its epochs."""
    curves = constant({f"c{k}": 10.0 + k for k in range(7)})
    curves["late"] = lambda epochs: 9.0 if epochs < 3 else 1.0
    curves["early"] = lambda epochs: 5.0 if epochs == 1 else 50.0
    trials, trainer = trials_of(curves), Table(curves)
    told: list[Progress] = []
    result = successive_halving(trainer, trials, rungs(9, 1, 9, 3), observe=told.append)
    by_name = {trial.configuration["name"]: trial for trial in trials}
    assert trainer.trained == [
        (9, 1),
        (3, 2),
        (3, 3),
        (1, 4),
        (1, 5),
        (1, 6),
        (1, 7),
        (1, 8),
        (1, 9),
    ]
    assert result.best is by_name["late"]
    assert result.winner == [("late", 9)]
    assert by_name["late"].state is State.COMPLETE
    assert {epochs: row["loss"] for epochs, row in by_name["late"].metrics.items()} == {
        1: 9.0,
        3: 1.0,
        9: 1.0,
    }
    assert by_name["early"].state is State.PRUNED
    assert by_name["early"].epochs == 3
    assert by_name["early"].metrics[3]["loss"] == 50.0
    assert [t.epochs for t in trials if t.state is State.PRUNED].count(1) == 6
    assert [progress.trained for progress in told[:6]] == [4.5, 9, 9, 10.5, 12, 13.5]
    assert [progress.trained for progress in told if progress.ranked] == [9, 15, 21]
    assert told[-1].trained == told[-1].total == 21


def test_every_epoch_is_recorded() -> None:
    """Each trial keeps its own numbers, of its own epochs, whoever was pruned around it."""
    curves = {f"c{k}": lambda epochs, k=k: 10.0 * k + epochs for k in (2, 0, 3, 1)}
    trials, trainer = trials_of(curves), Table(curves)
    successive_halving(trainer, trials, rungs(4, 1, 5, 2))
    assert trainer.max_epochs == 5
    assert [trial.epochs for trial in trials] == [1, 5, 1, 2]
    for trial in trials:
        curve = curves[trial.configuration["name"]]
        seen = range(1, trial.epochs + 1)
        assert trial.history == {
            "training_loss": [curve(epochs) / 2 for epochs in seen],
            "steps": list(seen),
        }
        assert all(type(value) is float for value in trial.history["steps"])


def test_an_interrupted_search_keeps_whole_epochs() -> None:
    curves = constant({"a": 1.0, "b": 2.0})
    trainer, trials = Table(curves), trials_of(curves)

    def stop(progress: Progress) -> None:
        if progress.trained > 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        successive_halving(trainer, trials, rungs(2, 5, 5, 2), observe=stop)
    assert [trial.epochs for trial in trials] == [2, 2]
    assert [trial.history["steps"] for trial in trials] == [[1.0, 2.0]] * 2
    with pytest.raises(ValueError, match="`trials` must be new, but trial 0 is running"):
        successive_halving(trainer, trials, rungs(2, 5, 5, 2))


def test_max_mode_is_the_mirror() -> None:
    curves = constant({"a": 3.0, "b": 1.0, "c": 2.0})
    plan = rungs(3, 1, 3, 3)
    low = successive_halving(Table(curves), trials_of(curves), plan, metric="loss", mode="min")
    high = successive_halving(Table(curves), trials_of(curves), plan, metric="score", mode="max")
    assert low.winner == high.winner == [("b", 3)]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_diverged_rank_last_and_rungs_keep_their_size(bad: float) -> None:
    curves = constant({"d0": bad, "d1": bad, "a": 5.0, "b": 9.0, "d2": bad, "c": 7.0})
    trials, trainer = trials_of(curves), Table(curves)
    result = successive_halving(trainer, trials, rungs(6, 1, 4, 2))
    assert trainer.trained == [(6, 1), (3, 2), (1, 3), (1, 4)]
    assert result.winner == [("a", 4)]
    assert [t.state for t in trials if t.configuration["name"][0] == "d"] == [State.DIVERGED] * 3
    few = constant({"d0": bad, "a": 5.0, "d1": bad, "d2": bad})
    trials, trainer = trials_of(few), Table(few)
    assert successive_halving(trainer, trials, rungs(4, 1, 2, 2)).winner == [("a", 2)]
    assert trainer.trained == [(4, 1), (2, 2)]  # the rung is filled up, by the lowest id
    assert [trial.epochs for trial in trials] == [2, 2, 1, 1]
    assert [trial.state for trial in trials].count(State.DIVERGED) == 3


def test_all_diverged_and_late_divergence() -> None:
    curves = constant({"a": math.nan, "b": math.nan})
    trials = trials_of(curves)
    assert successive_halving(Table(curves), trials, rungs(2, 1, 2, 2)).best is None
    assert [trial.state for trial in trials] == [State.DIVERGED] * 2
    late = {"a": lambda e: 1.0 if e == 1 else math.nan, "b": lambda e: 2.0, "c": lambda e: 3.0}
    trials = trials_of(late)
    plan = rungs(3, 1, 2, 2)
    assert plan[1].trials == 1
    assert successive_halving(Table(late), trials, plan).best is None
    assert [trial.state for trial in trials] == [State.DIVERGED, State.PRUNED, State.PRUNED]


def test_ties_go_to_the_lower_id() -> None:
    curves = constant(dict.fromkeys("abcdefghi", 1.0))
    trials = trials_of(curves)
    result = successive_halving(Table(curves), trials, rungs(9, 1, 9, 3))
    assert result.winner == [("a", 9)]
    assert [trial.id for trial in trials if trial.epochs > 1] == [0, 1, 2]


scores = st.one_of(st.sampled_from([0.0, 1.0, math.nan, math.inf]), st.floats(-9, 9))


@given(st.lists(scores, min_size=1, max_size=20), st.randoms(use_true_random=False))
def test_rank_does_not_depend_on_arrival(values: list[float], random: Any) -> None:
    order = rank(values, range(len(values)), "min")
    arrival = list(range(len(values)))
    random.shuffle(arrival)
    shuffled = rank([values[k] for k in arrival], arrival, "min")
    assert [arrival[position] for position in shuffled] == order
    assert rank([-value for value in values], range(len(values)), "max") == order
    ranked = [values[position] for position in order]
    finite = [value for value in ranked if math.isfinite(value)]
    assert finite == sorted(finite)
    assert ranked[: len(finite)] == finite


def test_the_order_of_configurations_decides_nothing_but_ties() -> None:
    scores = {f"n{k}": float(value) for k, value in enumerate([4, 9, 2, 7, 5, 1, 8, 3, 6])}
    plan = rungs(9, 1, 9, 3)
    forward, backward = constant(scores), constant(dict(reversed(scores.items())))
    survivors = []
    for curves in (forward, backward):
        trials = trials_of(curves)
        successive_halving(Table(curves), trials, plan)
        survivors.append({trial.configuration["name"]: trial.epochs for trial in trials})
    assert survivors[0] == survivors[1]


def test_leaderboard_never_compares_rungs() -> None:
    """A pruned trial with a better early score stays below every trial that went further."""
    curves = constant({"a": 2.0, "b": 3.0, "c": 4.0, "d": math.nan})
    curves["a"] = lambda epochs: 2.0 if epochs == 1 else 8.0
    trials = trials_of(curves)
    successive_halving(Table(curves), trials, rungs(4, 1, 2, 2))
    names = [trial.configuration["name"] for trial in leaderboard(trials, "loss", "min")]
    assert names == ["b", "a", "c", "d"]
    assert leaderboard(trials, "score", "max") == leaderboard(trials, "loss", "min")


def test_once_diverged_is_diverged() -> None:
    """A trial that comes back with a fine score neither wins nor hides the winner."""
    curves = constant({"b": 2.0, "c": 3.0})
    curves["a"] = lambda epochs: math.nan if epochs == 1 else 0.1
    trials = trials_of(curves)
    result = successive_halving(Table(curves), trials, rungs(3, 1, 3, 3))
    assert result.winner == [("b", 3)]
    few = {"a": curves["a"]}
    assert successive_halving(Table(few), trials_of(few), rungs(1, 1, 3, 3)).best is None


def test_used_trials_are_refused() -> None:
    curves = constant({"a": 1.0, "b": 2.0})
    trials = trials_of(curves)
    successive_halving(Table(curves), trials, rungs(2, 1, 2, 2))
    with pytest.raises(ValueError, match="`trials` must be new, but trial 0 is complete"):
        successive_halving(Table(curves), trials, rungs(2, 1, 2, 2))


def test_bad_arguments() -> None:
    curves = constant({"a": 1.0})
    one, two = rungs(1, 1, 1, 2), rungs(2, 1, 1, 2)
    cases: list[tuple[str, Any, Any]] = [
        ("`mode` is 'best', but must be 'min' or 'max'.", one, {"mode": "best"}),
        ("`trials` are 1, but `plan` starts with 2.", two, {}),
        ("`metric` is 'f1', but must be one of 'loss', 'score'.", one, {"metric": "f1"}),
    ]
    for message, plan, more in cases:
        with pytest.raises(ValueError) as error:
            successive_halving(Table(curves), trials_of(curves), plan, **more)
        assert str(error.value) == message
