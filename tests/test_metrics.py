"""Every metric against scikit-learn, from batches with garbage in all padding."""

import math
import warnings
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import log_softmax, softmax
from sklearn import metrics

from jaxrnn.tasks.classification import Classification
from jaxrnn.tasks.forecasting import Forecasting
from jaxrnn.tasks.labelling import Labelling
from jaxrnn.tasks.language import Language
from jaxrnn.tasks.metrics import roc_auc
from jaxrnn.tasks.next_step import NextStep
from jaxrnn.tasks.regression import Regression
from jaxrnn.tasks.spec import Outputs
from jaxrnn.tasks.task import Evaluation, Task

TIME = 5
UNUSED = 1
"""Batches behind those that hold samples."""
GARBAGE = {"f": np.nan, "i": 0, "u": 9}
"""By kind of array; class 0 is what the likeliest of NaN is, and would be right."""


def fill(array: np.ndarray, batch: int) -> np.ndarray:
    """Samples in batches `(batches, batch, ...)`, with garbage behind the last."""
    missing = -len(array) % batch + UNUSED * batch
    garbage = np.full((missing, *array.shape[1:]), GARBAGE[array.dtype.kind], array.dtype)
    return np.concatenate([array, garbage]).reshape(-1, batch, *array.shape[1:])


@partial(jax.jit, static_argnums=0)
def finished(
    task: Task, outputs: jax.Array, targets: jax.Array, lengths: jax.Array, weights: jax.Array
) -> jax.Array:
    """Metrics as an evaluation finds them: a loop over the batches in use."""

    def answered(k: Any) -> Outputs:
        last, every = (None, outputs[k]) if task.per_step else (outputs[k], None)
        return Outputs(last, every, lengths[k])

    def add(k: Any, carry: Any) -> Any:
        total, kept = carry
        sums = task.sums(answered(k), targets[k], weights[k])
        kept = jax.tree.map(
            lambda all_, one: all_.at[k].set(one), kept, task.per_sample(answered(k))
        )
        return jax.tree.map(jnp.add, total, sums), kept

    def zeros(tree: Any, *more: int) -> Any:
        return jax.tree.map(lambda leaf: jnp.zeros((*more, *leaf.shape), leaf.dtype), tree)

    sums = jax.eval_shape(lambda: task.sums(answered(0), targets[0], weights[0]))
    kept = jax.eval_shape(lambda: task.per_sample(answered(0)))
    start = zeros(sums), zeros(kept, len(outputs))
    total, kept = jax.lax.fori_loop(0, len(outputs) - UNUSED, add, start)
    return task.metrics_from(Evaluation(total, kept, targets, lengths, weights))


def evaluate(
    task: Task, outputs: Any, targets: Any, lengths: Any = None, batch: int = 4
) -> dict[str, float]:
    """Metrics of outputs and targets `(samples, ...)`."""
    outputs, targets = np.array(outputs, np.float32), np.array(targets)
    kind = np.int32 if targets.dtype.kind == "i" else np.float32
    targets = targets if targets.dtype.kind == "u" else targets.astype(kind)
    steps = np.full(len(outputs), TIME, np.int32) if lengths is None else lengths.astype(np.int32)
    if lengths is not None:
        behind = np.arange(outputs.shape[1]) >= lengths[:, None]
        outputs[behind], targets[behind] = np.nan, GARBAGE[targets.dtype.kind]
    weights = fill(np.ones(len(outputs), np.float32), batch)
    outputs, targets, steps = (fill(array, batch) for array in (outputs, targets, steps))
    steps = np.maximum(steps, 1)  # as in `Batches`, where no sample has length 0
    values = finished(task, outputs, targets, steps, np.nan_to_num(weights))
    assert values.dtype == np.float32
    return dict(zip(task.metrics, values.tolist(), strict=True))


def check(ours: dict[str, float], theirs: dict[str, Any], rtol: float = 2e-6) -> None:
    assert list(ours) == list(theirs)
    for name, value in theirs.items():
        np.testing.assert_allclose(ours[name], value, rtol=rtol, atol=1e-7, err_msg=name)


def quietly(function: Any, *arguments: Any, **options: Any) -> float:
    """What scikit-learn says, whatever it warns of."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*arguments, **options)


# Classification


def of_classes(outputs: np.ndarray, targets: np.ndarray) -> dict[str, float]:
    """What scikit-learn says about logits `(samples, classes)` and indices `(samples,)`."""
    classes, answers = outputs.shape[1], outputs.argmax(1)
    nats = -log_softmax(outputs.astype(np.float64), -1)[np.arange(len(targets)), targets]
    found = {
        "loss": nats.mean(),
        "accuracy": metrics.accuracy_score(targets, answers),
        "balanced_accuracy": quietly(metrics.balanced_accuracy_score, targets, answers),
    }
    for average in ("macro", "weighted"):
        for name in ("precision", "recall", "f1"):
            score = getattr(metrics, f"{name}_score")
            found[f"{name}_{average}"] = score(targets, answers, average=average, zero_division=0)
    probabilities = softmax(outputs.astype(np.float32), -1)
    missing = len(np.unique(targets)) < classes
    scores = probabilities[:, 1] if classes == 2 else probabilities
    found["roc_auc"] = (
        np.nan if missing else metrics.roc_auc_score(targets, scores, multi_class="ovr")
    )
    return found


def drawn(samples: int, classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits, of which some are even, and indices that they say something about."""
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, classes, samples)
    outputs = rng.normal(size=(samples, classes)) + np.eye(classes)[targets]
    return outputs.astype(np.float32), targets


@pytest.mark.parametrize("classes", [2, 3, 7])
@pytest.mark.parametrize("seed", range(3))
def test_classification(classes: int, seed: int) -> None:
    outputs, targets = drawn(41, classes, seed)
    found = evaluate(Classification(tuple(range(classes))), outputs, targets)
    check(found, of_classes(outputs, targets))
    without = evaluate(Classification(tuple(range(classes)), ranks=False), outputs, targets)
    assert without == {name: value for name, value in found.items() if name != "roc_auc"}


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("absent", [0, 1])
def test_a_class_that_no_sample_has(classes: int, absent: int) -> None:
    """Whether the network answers it or not."""
    outputs, targets = drawn(30, classes)
    kept = targets != absent
    outputs, targets = outputs[kept], targets[kept]
    task = Classification(tuple(range(classes)))
    assert (outputs.argmax(1) == absent).any()
    check(evaluate(task, outputs, targets), of_classes(outputs, targets))
    outputs[:, absent] = -9
    check(evaluate(task, outputs, targets), of_classes(outputs, targets))


@pytest.mark.parametrize("classes", [2, 3])
def test_a_network_that_always_says_the_same(classes: int) -> None:
    _, targets = drawn(30, classes)
    outputs = np.tile(np.arange(classes, dtype=np.float32), (30, 1))
    found = evaluate(Classification(tuple(range(classes))), outputs, targets)
    check(found, of_classes(outputs, targets))
    assert found["roc_auc"] == 0.5


def test_ties_between_classes_and_samples() -> None:
    rng = np.random.default_rng(0)
    outputs, targets = rng.integers(0, 2, (50, 3)).astype(np.float32), rng.integers(0, 3, 50)
    check(evaluate(Classification((0, 1, 2)), outputs, targets), of_classes(outputs, targets))


@pytest.mark.parametrize("answer", [0, 1])
def test_a_single_sequence(answer: int) -> None:
    outputs, targets = np.eye(2, dtype=np.float32)[[answer]], np.array([1])
    check(evaluate(Classification(("a", "b")), outputs, targets), of_classes(outputs, targets))


def test_perfect_answers_of_which_softmax_is_sure() -> None:
    targets = np.arange(12) % 3
    outputs = 200 * np.eye(3, dtype=np.float32)[targets]
    found = evaluate(Classification((0, 1, 2)), outputs, targets)
    assert found == {"loss": 0.0, **dict.fromkeys(list(found)[1:], 1.0)}


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans(), st.booleans()), min_size=8, max_size=8))
def test_area_is_the_share_of_pairs_in_order(samples: list[tuple[int, bool, bool]]) -> None:
    scores, positive, counted = (np.array(column) for column in zip(*samples, strict=True))
    ours = float(jax.jit(roc_auc)(scores.astype(np.float32) / 4, positive, counted))
    high, low = scores[counted & positive], scores[counted & ~positive]
    if not (len(high) and len(low)):
        assert math.isnan(ours)
        return
    wins = np.sign(high[:, None] - low) / 2 + 0.5
    assert ours == pytest.approx(wins.mean(), rel=1e-6)


def test_area_of_more_pairs_than_an_integer_counts() -> None:
    rng = np.random.default_rng(0)
    positive = rng.random(400_000) < 0.5
    scores = (rng.normal(size=400_000) + positive).round(4).astype(np.float32)
    ours = float(jax.jit(roc_auc)(scores, positive, np.ones_like(positive)))
    assert ours == pytest.approx(float(metrics.roc_auc_score(positive, scores)), rel=2e-6)


# Numbers


def of_values(answers: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """What scikit-learn says about `(rows, values)`."""
    return {
        "mse": metrics.mean_squared_error(truth, answers),
        "rmse": metrics.root_mean_squared_error(truth, answers),
        "mae": metrics.mean_absolute_error(truth, answers),
        "mape": metrics.mean_absolute_percentage_error(truth, answers),
        "r2": quietly(metrics.r2_score, truth, answers),
    }


MEAN, SCALE = (3.0, -70.1, 0.0), (0.25, 13.7, 1.0)
VALUES = Regression(("a", "b", "c"), MEAN, SCALE)


def standardised(raw: np.ndarray) -> np.ndarray:
    return ((raw - MEAN) / SCALE).astype(np.float32)


def check_values(raw: np.ndarray, outputs: np.ndarray, **options: Any) -> None:
    """Regression on targets as people have them, `(samples, 3)`."""
    targets = standardised(raw)
    theirs = of_values(outputs.astype(np.float64) * SCALE + MEAN, raw)
    loss = ((outputs.astype(np.float64) - targets) ** 2).mean()
    found = evaluate(VALUES, outputs, targets, **options)
    check(found, {"loss": loss, **theirs}, rtol=2e-5)


def some_values(samples: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Targets in their own units, and standardised outputs near them."""
    rng = np.random.default_rng(seed)
    raw = rng.normal(size=(samples, 3)) * SCALE + MEAN
    return raw, (standardised(raw) + rng.normal(size=raw.shape)).astype(np.float32)


@pytest.mark.parametrize("samples", [1, 2, 4, 31])
def test_regression(samples: int) -> None:
    check_values(*some_values(samples))


@pytest.mark.parametrize("value", [0.0, 0.25, 5.0])
def test_constant_targets(value: float) -> None:
    raw, outputs = some_values(9)
    raw[:, 0] = value
    check_values(raw, outputs)
    outputs[:, 0] = standardised(raw)[:, 0]  # right: r2 is 1
    check_values(raw, outputs)


def test_constant_targets_whose_mean_is_rounded() -> None:
    """Where scikit-learn divides by the rounding, and says -1e34."""
    targets = np.full((9, 3), 0.1, np.float32)
    assert targets.mean(0)[0] != targets[0, 0]
    assert evaluate(VALUES, targets + 1, targets)["r2"] == 0
    assert evaluate(VALUES, targets, targets)["r2"] == 1


def test_relative_errors_of_targets_that_are_zero() -> None:
    raw, outputs = some_values(9)
    raw[4] = 0.0
    check_values(raw, outputs)
    assert evaluate(VALUES, outputs, standardised(raw))["mape"] > 1e10


def test_perfect_values() -> None:
    raw, _ = some_values(9)
    assert list(evaluate(VALUES, standardised(raw), standardised(raw)).values()) == [0] * 5 + [1]


def test_forecasting() -> None:
    """Errors of standardised rows; relative ones in units of their own."""
    rng = np.random.default_rng(0)
    raw = rng.normal(size=(11, 4, 3)) * SCALE + MEAN
    raw[2, 1, 0] = 0.0
    targets = standardised(raw)
    outputs = (targets + rng.normal(size=raw.shape)).astype(np.float32)
    theirs = of_values(outputs.reshape(-1, 3), targets.reshape(-1, 3))
    own = of_values((outputs.astype(np.float64) * SCALE + MEAN).reshape(-1, 3), raw.reshape(-1, 3))
    task = Forecasting(("a", "b", "c"), MEAN, SCALE, features=(2, 0, 1), horizon=4)
    found = evaluate(task, outputs.reshape(11, 12), targets)
    check(found, {"loss": theirs["mse"], **theirs, "mape": own["mape"]}, rtol=2e-5)


def test_forecasting_a_single_row() -> None:
    task = Forecasting(("a",), (2.0,), (3.0,), features=(0,), horizon=1)
    found = evaluate(task, [[0.5]], [[[0.25]]])
    assert math.isnan(found.pop("r2"))
    theirs = {"loss": 0.0625, "mse": 0.0625, "rmse": 0.25, "mae": 0.25, "mape": 0.75 / 2.75}
    check(found, theirs)


# An answer after every step


def sequences(
    samples: int, classes: int, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Logits, indices and lengths, with the steps that are true."""
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, classes, (samples, TIME))
    outputs = rng.normal(size=(samples, TIME, classes)) + np.eye(classes)[targets]
    lengths = rng.integers(1, TIME + 1, samples)
    return outputs.astype(np.float32), targets, lengths, np.arange(TIME) < lengths[:, None]


@pytest.mark.parametrize("samples", [1, 10])
@pytest.mark.parametrize("classes", [2, 4])
def test_labelling(samples: int, classes: int) -> None:
    outputs, targets, lengths, true = sequences(samples, classes)
    theirs = of_classes(outputs[true], targets[true])
    found = evaluate(Labelling(tuple(range(classes))), outputs, targets, lengths)
    check(found, {name: theirs[name] for name in found})


def test_labelling_without_one_of_the_classes() -> None:
    outputs, targets, lengths, true = sequences(9, 4)
    targets = np.where(targets == 2, 1, targets)
    theirs = of_classes(outputs[true], targets[true])
    found = evaluate(Labelling(tuple("abcd")), outputs, targets, lengths)
    check(found, {name: theirs[name] for name in found})


@pytest.mark.parametrize("samples", [1, 10])
def test_language(samples: int) -> None:
    outputs, targets, lengths, true = sequences(samples, 6)
    theirs = of_classes(outputs[true], targets[true])
    loss = theirs["loss"]
    expected = {"loss": loss, "bits": loss / np.log(2), "perplexity": np.exp(loss)}
    found = evaluate(Language(tuple("abcdef"), "character"), outputs, targets, lengths)
    check(found, {**expected, "accuracy": theirs["accuracy"]})


def of_marks(outputs: np.ndarray, targets: np.ndarray) -> dict[str, float]:
    """What is said about logits and marks `(frames, labels)`."""
    wide, answers = outputs.astype(np.float64), outputs > 0
    nats = np.where(targets, np.logaddexp(0, -wide), np.logaddexp(0, wide)).sum(1).mean()
    both, either = (answers & (targets > 0)).sum(), (answers | (targets > 0)).sum()
    found = {"loss": nats, "frame_accuracy": both / either if either else 0.0}
    for name in ("precision", "recall", "f1"):
        score = getattr(metrics, f"{name}_score")
        found[name] = score(targets, answers, average="micro", zero_division=0)
    return found


@pytest.mark.parametrize("density", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("shift", [-50.0, 0.0, 50.0])
@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_next_step(density: float, shift: float, kind: Any) -> None:
    """From silence to all labels, and from a network that says nothing to one that says all."""
    rng = np.random.default_rng(0)
    targets = (rng.random((9, TIME, 4)) < density).astype(np.uint8)
    outputs = (3 * rng.normal(size=targets.shape) + shift).astype(np.float32)
    lengths = rng.integers(1, TIME + 1, 9)
    true = np.arange(TIME) < lengths[:, None]
    found = evaluate(NextStep(4), outputs, targets.astype(kind), lengths)
    check(found, of_marks(outputs[true], targets[true]))


def test_a_logit_of_zero_is_no_answer() -> None:
    found = evaluate(NextStep(1), np.zeros((1, TIME, 1)), np.ones((1, TIME, 1), np.uint8))
    assert found["recall"] == 0


# All of them

ALL: list[tuple[Task, tuple[int, ...]]] = [
    (Classification(("a", "b", "c")), (3,)),
    (VALUES, (3,)),
    (Forecasting(("a", "b", "c"), MEAN, SCALE, (0, 1, 2), 2), (6,)),
    (NextStep(3), (TIME, 3)),
    (Labelling((1, 2, 3)), (TIME, 3)),
    (Language(("a", "b", "c"), "word"), (TIME, 3)),
]
named = pytest.mark.parametrize(("task", "shape"), ALL, ids=[task.name for task, _ in ALL])


def anything(task: Task, shape: tuple[int, ...], samples: int) -> tuple[np.ndarray, ...]:
    """Outputs, targets and, where there is an answer for every step, lengths."""
    rng = np.random.default_rng(0)
    outputs = rng.normal(size=(samples, *shape))
    if isinstance(task, NextStep):
        targets = rng.integers(0, 2, outputs.shape).astype(np.uint8)
    elif isinstance(task, Regression | Forecasting):
        room = (samples, 2, 3) if isinstance(task, Forecasting) else (samples, 3)
        targets = rng.normal(size=room).astype(np.float32)
    else:
        targets = rng.integers(0, 3, outputs.shape[:-1])
    return (outputs, targets, rng.integers(1, TIME + 1, samples))[: 3 if task.per_step else 2]


@named
def test_however_the_samples_are_batched(task: Task, shape: tuple[int, ...]) -> None:
    given: Any = anything(task, shape, 12)
    found = evaluate(task, *given, batch=12)
    for batch in (1, 5, 20):
        check(evaluate(task, *given, batch=batch), found, rtol=1e-6)


@named
def test_in_any_order(task: Task, shape: tuple[int, ...]) -> None:
    given: Any = anything(task, shape, 12)
    turned: Any = [array[::-1] for array in given]
    check(evaluate(task, *turned), evaluate(task, *given), rtol=1e-6)


@named
def test_members_side_by_side(task: Task, shape: tuple[int, ...]) -> None:
    outputs, targets, *lengths = anything(task, shape, 8)
    members = np.stack([outputs, -outputs]).astype(np.float32)
    steps = lengths[0] if lengths else np.full(8, TIME)
    rest = (array.reshape(2, 4, *array.shape[1:]) for array in (targets, steps, np.ones(8)))
    arrays = [jnp.asarray(array) for array in rest]
    both = members.reshape(2, 2, 4, *shape)
    found = jax.vmap(lambda one: finished(task, one, *arrays))(both)
    for k in range(2):
        alone = finished(task, both[k], *arrays)
        np.testing.assert_allclose(found[k], alone, rtol=1e-6, atol=1e-7)
