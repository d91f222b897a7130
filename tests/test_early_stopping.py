"""Plateaus and early stopping, epoch by epoch against tables written out by hand."""

from typing import Any

import jax
import numpy as np
import pytest
from support.single_member import hp_of

import jaxrnn
from jaxrnn.configuration.hyperparameters import Hyperparameters
from jaxrnn.network.packing import Packed
from jaxrnn.population.population import Population
from jaxrnn.training.early_stopping import ValidationTracker

NAN = float("nan")


def parameters(epoch: int) -> Packed:
    """Parameters that tell an epoch; 0 is before the first."""
    return Packed(np.full(2, epoch, np.float32), np.full(1, -epoch, np.float32))


def tracked(hp: Hyperparameters, losses: list[float]) -> list[ValidationTracker]:
    """The tracker after every epoch."""
    trackers = [ValidationTracker.init(parameters(0))]
    for epoch, loss in enumerate(losses, start=1):
        trackers.append(trackers[-1].update(hp, np.asarray(loss, np.float32), parameters(epoch)))
    return trackers[1:]


def restored(hp: Hyperparameters, tracker: ValidationTracker, epochs: int) -> int:
    """The epoch whose parameters are restored."""
    chosen = tracker.best_parameters(hp, parameters(epochs))
    assert float(chosen.others[0]) == -float(chosen.kernels[0])
    return int(chosen.kernels[0])


PLATEAUS: dict[str, tuple[dict[str, Any], list[tuple[float, float]]]] = {
    # (loss of the epoch, factor after it)
    "two epochs without progress, and the count starts again": (
        {"plateau_patience": 2, "plateau_factor": 0.5, "plateau_min_delta": 0.0},
        [(3, 1), (2, 1), (2, 1), (2.5, 0.5), (2, 0.5), (1.9, 0.5), (4, 0.5), (3, 0.25), (2, 0.25)],
    ),
    "progress of less than the least is none, and adds up from the last real one": (
        {"plateau_patience": 2, "plateau_factor": 0.1, "plateau_min_delta": 0.5},
        [(3, 1), (2.75, 1), (2.4, 1), (2.2, 1), (2.0, 0.1), (1.8, 0.1), (1.7, 0.1), (1.6, 0.01)],
    ),
    "NaN is no progress, even at first": (
        {"plateau_patience": 2, "plateau_factor": 0.5, "plateau_min_delta": 0.0},
        [(NAN, 1), (NAN, 0.5), (5, 0.5), (NAN, 0.5), (4, 0.5), (NAN, 0.5), (NAN, 0.25)],
    ),
    "exactly the least progress is none": (
        {"plateau_patience": 1, "plateau_factor": 0.5, "plateau_min_delta": 0.25},
        [(2, 1), (1.75, 0.5), (1.5, 0.5), (1.25, 0.25)],
    ),
}


@pytest.mark.parametrize("name", PLATEAUS)
def test_a_plateau_lowers_the_rate(name: str) -> None:
    given, table = PLATEAUS[name]
    numbers = hp_of(schedule="plateau", **given)
    trackers = tracked(numbers, [loss for loss, _ in table])
    np.testing.assert_allclose(
        [w.factor for w in trackers], [factor for _, factor in table], rtol=1e-6
    )
    assert not any(w.stopped for w in trackers)


def test_other_schedules_have_no_plateau() -> None:
    trackers = tracked(hp_of(schedule="cosine", patience=3), [1.0, 2.0, 2.0, 2.0])
    assert [float(tracker.factor) for tracker in trackers] == [1.0] * 4


STOPS: dict[str, tuple[dict[str, Any], list[float], int | None, int]] = {
    # given, loss of every epoch, epoch that was the last (None: none was), best epoch
    "at once": ({"patience": 1}, [1, 1, 0.5], 2, 1),
    "the count starts again": ({"patience": 2}, [5, 6, 4, 5, 3, 3, 3.5, 1], 7, 5),
    "never": ({"patience": 3}, [5, 6, 7, 4, 5, 6, 3], None, 7),
    "least progress": ({"patience": 2, "min_delta": 1.0}, [5, 4.5, 3.9, 3.5, 3.0, 0], 5, 3),
    "slow progress adds up": ({"patience": 4, "min_delta": 1.0}, [5, 4.5, 4.1, 3.9], None, 4),
    "NaN": ({"patience": 2}, [5, NAN, 4, NAN, NAN, 0], 5, 3),
    "NaN at first": ({"patience": 2}, [NAN, 3, NAN, NAN], 4, 2),
}


@pytest.mark.parametrize("name", STOPS)
def test_early_stopping(name: str) -> None:
    given, losses, last, best = STOPS[name]
    numbers = hp_of(**given)
    trackers = tracked(numbers, losses)
    stopped = [epoch for epoch, tracker in enumerate(trackers, start=1) if tracker.stopped]
    assert stopped == ([] if last is None else list(range(last, len(losses) + 1)))
    end = last or len(losses)
    assert float(trackers[end - 1].best) == pytest.approx(losses[best - 1])
    assert restored(numbers, trackers[end - 1], end) == best


def test_without_any_finite_loss_the_last_parameters_are_chosen() -> None:
    numbers = hp_of(patience=2)
    (*_, tracker) = tracked(numbers, [NAN, NAN])
    assert tracker.stopped
    assert restored(numbers, tracker, 2) == 2


def test_no_patience_never_stops_and_never_restores() -> None:
    numbers = hp_of(patience=0)
    trackers = tracked(numbers, [1.0, *range(2, 30)])
    assert not any(tracker.stopped for tracker in trackers)
    assert restored(numbers, trackers[-1], 29) == 29


def test_plateau_and_stopping_keep_separate_counts() -> None:
    """One asks for progress of 1, the other for any; both with a patience of two."""
    losses = [5, 4.5, 4.2, 4.1, 4.0, 4.3, 4.4]
    slow: dict[str, Any] = {
        "schedule": "plateau",
        "plateau_patience": 2,
        "plateau_min_delta": 1.0,
    }
    both = tracked(hp_of(**slow, patience=2), losses)
    assert [float(w.factor) for w in both] == [1, 1, 0.5, 0.5, 0.25, 0.25, 0.125]
    assert [bool(w.stopped) for w in both] == [False] * 6 + [True]
    for name, alone in (
        ("factor", tracked(hp_of(**slow), losses)),
        ("stopped", tracked(hp_of(patience=2), losses)),
    ):
        assert [getattr(w, name) for w in both] == [getattr(w, name) for w in alone]


def current(population: Population) -> Packed:
    """Parameters at the end of the last epoch of every member, `(members, weights)`."""
    (cohort,) = population.cohorts
    return jax.tree.map(np.array, cohort.gather(cohort.state.train_state.parameters))


def expected_stop(losses: np.ndarray, patience: int, min_delta: float) -> tuple[int, int]:
    """(last epoch, best epoch) of the validation losses of a run that never stopped."""
    best, at = float("inf"), 0
    for epoch, loss in enumerate(losses, start=1):
        if loss < best - min_delta:
            best, at = float(loss), epoch
        elif epoch - at >= patience:
            return epoch, at
    raise AssertionError("this run never stops: choose others")


def test_a_stopped_member_rests_and_is_judged_by_its_best_epoch(data: jaxrnn.Data) -> None:
    """Its twins without patience train to every epoch there is."""
    epochs, patience, min_delta = 9, 2, 0.02
    twin: dict[str, Any] = {"cell": "rnn", "hidden_size": 12, "learning_rate": 0.015}
    stopping = {**twin, "patience": patience, "min_delta": min_delta}
    members = [stopping, *({**twin, "epochs": k} for k in range(1, epochs + 1))]
    trainer = jaxrnn.Trainer(data, microbatch=16, lanes=2, devices=1)
    population = trainer.start(members, [4] * len(members), epochs)
    after: list[Packed] = []
    losses = []
    for epoch in range(1, epochs + 1):
        population = trainer.train(population, epoch)
        after.append(current(population))
        losses.append(trainer.evaluate(population)["loss"][epochs])
    history, metrics = trainer.history(population), trainer.evaluate(population, "test")
    last, best = expected_stop(np.array(losses), patience, min_delta)
    assert 1 < best < last < epochs - 1
    assert np.isfinite(history["train_loss"][:, 0]).tolist() == [k < last for k in range(epochs)]
    trackers = history["validation_loss"]  # reported for the member that needs it alone
    np.testing.assert_allclose(trackers[:last, 0], losses[:last], rtol=1e-6)
    assert np.isnan(trackers[last:, 0]).all() and np.isnan(trackers[:, 1:]).all()
    for one in after[last:]:
        np.testing.assert_array_equal(one.kernels[0], after[last - 1].kernels[0])
    assert (after[last - 1].kernels[0] != after[last - 2].kernels[0]).any()
    for name in ("loss", "accuracy"):
        np.testing.assert_allclose(metrics[name][0], metrics[name][best], rtol=1e-6)
        assert name == "accuracy" or metrics[name][0] != metrics[name][last]
    ours, theirs = (trainer.predictor(population, k).parameters for k in (0, best))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6), ours, theirs)
