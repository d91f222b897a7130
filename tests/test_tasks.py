"""What tasks are: losses written out in NumPy, masks, gradients, answers, JSON."""

import dataclasses
import json
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import log_expit, log_softmax

from jaxrnn.configuration.registry import HYPERPARAMETERS
from jaxrnn.tasks.classification import Classification
from jaxrnn.tasks.forecasting import Forecasting
from jaxrnn.tasks.labelling import Labelling
from jaxrnn.tasks.language import Language
from jaxrnn.tasks.next_step import NextStep
from jaxrnn.tasks.registry import TASKS, from_json, to_json
from jaxrnn.tasks.regression import Regression
from jaxrnn.tasks.spec import Outputs
from jaxrnn.tasks.task import MAX, MIN, Evaluation, SequenceLosses, Task

BATCH, TIME, HORIZON = 4, 5, 2
LENGTHS = np.array([1, 5, 3, 4], np.int32)
TRUE = np.arange(TIME) < LENGTHS[:, None]
VALUES: Any = {"names": ("a", "b"), "mean": (3.0, -70.0), "scale": (0.25, 13.0)}
TASKS_AT_END: list[Task] = [
    Classification(("x", "y", "z")),
    Regression(**VALUES),
    Forecasting(**VALUES, features=(1, 0), horizon=HORIZON),
]
TASKS_EVERY: list[Task] = [
    NextStep(3),
    Labelling((10, 20, 30)),
    Language(("\ufffd", "a", "b"), "character"),
]
BOTH = [TASKS_AT_END[0], TASKS_AT_END[1]]
"""Those that know target replication."""
SMOOTHED = [TASKS_AT_END[0], *TASKS_EVERY[1:]]
"""Those that know label smoothing."""
ALL = [*TASKS_AT_END, *TASKS_EVERY]


def for_each(tasks: list[Task]) -> Any:
    return pytest.mark.parametrize("task", tasks, ids=[task.name for task in tasks])


class Numbers:
    """The two entries that losses read."""

    def __init__(self, label_smoothing: float = 0.0, target_replication: float = 0.0) -> None:
        self.label_smoothing = jnp.float32(label_smoothing)
        self.target_replication = jnp.float32(target_replication)


def answers(task: Task, seed: int = 0) -> Outputs:
    """Random outputs; of every step too where the task knows target replication."""
    rng = np.random.default_rng(seed)
    every = rng.normal(size=(BATCH, TIME, task.outputs)).astype(np.float32)
    last = rng.normal(size=(BATCH, task.outputs)).astype(np.float32)
    if task.per_step:
        return Outputs(None, every, LENGTHS)
    return Outputs(last, every if task in BOTH else None, LENGTHS)


def truth(task: Task, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    if isinstance(task, NextStep):
        return rng.integers(0, 2, (BATCH, TIME, task.outputs)).astype(np.uint8)
    if isinstance(task, Regression):
        return rng.normal(size=(BATCH, 2)).astype(np.float32)
    if isinstance(task, Forecasting):
        return rng.normal(size=(BATCH, HORIZON, 2)).astype(np.float32)
    shape = (BATCH, TIME) if task.per_step else (BATCH,)
    return rng.integers(0, task.outputs, shape).astype(np.int32)


def surprise(outputs: Any, targets: Any, smoothing: float) -> Any:
    """Cross-entropy with part of the probability spread, `(...)`."""
    classes = outputs.shape[-1]
    wanted = (1 - smoothing) * np.eye(classes)[targets] + smoothing / classes
    return -(wanted * log_softmax(outputs.astype(float), -1)).sum(-1)


def of_outputs(task: Task, outputs: Any, targets: Any, smoothing: float) -> Any:
    """The loss of outputs and targets of the same leading axes, by the definition of the task."""
    if isinstance(task, Regression):
        return ((outputs - targets) ** 2).sum(-1) / 2
    if isinstance(task, Forecasting):
        return ((outputs.reshape(targets.shape) - targets) ** 2).sum((1, 2)) / (2 * HORIZON)
    if isinstance(task, NextStep):
        signs = np.where(targets, 1.0, -1.0)
        return -log_expit(outputs.astype(float) * signs).sum(-1)
    return surprise(outputs, targets, smoothing)


def expected(task: Task, outputs: Outputs, targets: Any, smoothing: float, share: float) -> Any:
    """Sums and weights of the losses."""
    if task.per_step:
        return (of_outputs(task, outputs.per_step, targets, smoothing) * TRUE).sum(1), LENGTHS
    at_end = of_outputs(task, outputs.last, targets, smoothing)
    if outputs.per_step is None:
        return at_end, np.ones(BATCH)
    repeated = np.repeat(targets[:, None], TIME, 1)
    at_steps = of_outputs(task, outputs.per_step, repeated, smoothing)
    return (1 - share) * at_end + share * (at_steps * TRUE).sum(1) / LENGTHS, np.ones(BATCH)


@partial(jax.jit, static_argnums=0)
def losses(
    task: Task, smoothing: Any, share: Any, outputs: Outputs, targets: Any
) -> SequenceLosses:
    numbers: Any = Numbers()
    numbers.label_smoothing, numbers.target_replication = smoothing, share
    return task.losses(numbers, outputs, targets)


@partial(jax.jit, static_argnums=0)
def gradients(task: Task, outputs: Outputs, targets: Any) -> Any:
    """Of the sum of the losses with both regularisers, by the outputs."""

    def loss(answered: Any) -> jax.Array:
        now = outputs._replace(last=answered[0], per_step=answered[1])
        return losses(task, jnp.float32(0.1), jnp.float32(0.4), now, targets).sums.sum()

    return jax.grad(loss)((outputs.last, outputs.per_step))


@for_each(ALL)
def test_loss(task: Task) -> None:
    outputs, targets = answers(task), truth(task)
    found = losses(task, 0.0, 0.0, outputs, targets)
    sums, weights = expected(task, outputs, targets, 0.0, 0.0)
    np.testing.assert_allclose(found.sums, sums, rtol=1e-6)
    np.testing.assert_array_equal(found.weights, weights)
    assert found.sums.dtype == found.weights.dtype == np.float32


@for_each(SMOOTHED)
def test_label_smoothing(task: Task) -> None:
    outputs, targets = answers(task), truth(task)
    found = losses(task, 0.3, 0.0, outputs, targets)
    sums, _ = expected(task, outputs, targets, 0.3, 0.0)
    np.testing.assert_allclose(found.sums, sums, rtol=1e-6)
    assert not np.allclose(sums, expected(task, outputs, targets, 0.0, 0.0)[0], rtol=1e-3)


@for_each(BOTH)
@pytest.mark.parametrize("share", [0.25, 1.0])
def test_target_replication(task: Task, share: float) -> None:
    outputs, targets = answers(task), truth(task)
    found = losses(task, 0.0, share, outputs, targets)
    sums, weights = expected(task, outputs, targets, 0.0, share)
    np.testing.assert_allclose(found.sums, sums, rtol=1e-6)
    np.testing.assert_array_equal(found.weights, weights)
    without = losses(task, 0.0, share, outputs._replace(per_step=None), targets)
    plain, _ = expected(task, outputs, targets, 0.0, 0.0)
    np.testing.assert_allclose(without.sums, plain, rtol=1e-6)


@for_each(ALL)
def test_regularisers_that_make_no_sense_do_nothing(task: Task) -> None:
    """Numbers of a member are 0 then; but if they were not, nothing would change."""
    outputs, targets = answers(task), truth(task)
    if task not in SMOOTHED:
        assert "label_smoothing" in task.excluded
        same = losses(task, 0.3, 0.0, outputs, targets), losses(task, 0.0, 0.0, outputs, targets)
        np.testing.assert_array_equal(same[0].sums, same[1].sums)
    if task not in BOTH:
        assert "target_replication" in task.excluded
        same = losses(task, 0.0, 0.3, outputs, targets), losses(task, 0.0, 0.0, outputs, targets)
        np.testing.assert_array_equal(same[0].sums, same[1].sums)


def spoiled(task: Task, outputs: Outputs, targets: np.ndarray) -> tuple[Outputs, np.ndarray]:
    """NaN and wild targets behind the true lengths."""
    if outputs.per_step is not None:
        every = np.where(TRUE[..., None], outputs.per_step, np.nan).astype(np.float32)
        outputs = outputs._replace(per_step=every)
    if task.per_step:
        targets = targets.copy()
        targets[~TRUE] = 201 if targets.dtype == np.uint8 else -9
    return outputs, targets


@for_each([*BOTH, *TASKS_EVERY])
def test_nothing_behind_the_true_lengths_counts(task: Task) -> None:
    given = answers(task), truth(task)
    clean, spoilt = (losses(task, 0.1, 0.4, *g) for g in (given, spoiled(task, *given)))
    np.testing.assert_array_equal(clean.sums, spoilt.sums)
    np.testing.assert_array_equal(clean.weights, spoilt.weights)
    clean, spoilt = (gradients(task, *g) for g in (given, spoiled(task, *given)))
    jax.tree.map(np.testing.assert_array_equal, clean, spoilt)
    every = np.asarray(spoilt[1])
    assert (every[~TRUE] == 0).all() and (every[TRUE] != 0).any()


def test_frames_of_floats_may_be_nan_behind_the_true_lengths() -> None:
    outputs, targets = answers(NextStep(3)), truth(NextStep(3)).astype(np.float32)
    spoilt = np.where(TRUE[..., None], targets, np.nan)
    for function in (partial(losses, NextStep(3), 0.0, 0.0), partial(gradients, NextStep(3))):
        jax.tree.map(
            np.testing.assert_array_equal, function(outputs, targets), function(outputs, spoilt)
        )


@for_each(ALL)
def test_the_loss_of_an_evaluation_is_that_of_training(task: Task) -> None:
    """Without regularisers, and without sequences of weight 0, whatever they hold."""
    outputs, targets = spoiled(task, answers(task), truth(task))
    weights = np.array([1, 0, 1, 1], np.float32)
    found = losses(
        task, 0.0, 0.0, outputs._replace(per_step=None) if not task.per_step else outputs, targets
    )
    mean = (found.sums * weights).sum() / (found.weights * weights).sum()
    name = "per_step" if task.per_step else "last"
    array = np.array(getattr(outputs, name))
    array[1] = np.nan
    if targets.dtype == np.float32:
        targets[1] = np.nan
    outputs = outputs._replace(**{name: array, "lengths": np.where(weights > 0, LENGTHS, 99)})
    arrays = (targets, outputs.lengths, weights)
    scored = Evaluation(
        task.sums(outputs, targets, weights),
        jax.tree.map(lambda leaf: leaf[None], task.per_sample(outputs)),
        *(jnp.asarray(array)[None] for array in arrays),
    )
    metrics = task.metrics_from(scored)
    assert metrics.shape == (len(task.metrics),) and metrics.dtype == np.float32
    np.testing.assert_allclose(metrics[0], mean, rtol=1e-6)
    assert np.isfinite(metrics).all() or "roc_auc" in task.metrics


@for_each(ALL)
def test_sums_of_a_batch_do_not_depend_on_replication(task: Task) -> None:
    if task.per_step:
        return
    outputs, targets, ones = answers(task), truth(task), np.ones(BATCH, np.float32)
    both = (task.sums(o, targets, ones) for o in (outputs, outputs._replace(per_step=None)))
    jax.tree.map(np.testing.assert_array_equal, *both)


@for_each(ALL)
def test_names(task: Task) -> None:
    assert TASKS[task.name] is type(task)
    assert next(iter(task.metrics)) == task.primary == "loss"
    assert set(task.metrics.values()) <= {MIN, MAX} and task.metrics["loss"] == MIN
    assert task.excluded <= set(HYPERPARAMETERS)
    assert (task.per_step, task.stateful) == (task in TASKS_EVERY, task.name == "language")
    assert task.name not in {field.name for field in dataclasses.fields(task)}  # pyright: ignore[reportArgumentType]


LOWER = {"loss", "mse", "rmse", "mae", "mape", "bits", "perplexity"}


@for_each(ALL)
def test_directions_of_metrics(task: Task) -> None:
    for name, better in task.metrics.items():
        assert better == (MIN if name in LOWER else MAX), name


def test_what_makes_no_sense() -> None:
    """Written out, since no library defines it."""
    steps = {"target_replication", "crop_length", "crop_at", "window_norm"}
    assert {name: set(kind.excluded) for name, kind in TASKS.items()} == {
        "classification": {"window_norm"},
        "regression": {"label_smoothing", "window_norm"},
        "forecasting": {"label_smoothing", "target_replication", "crop_length", "crop_at"},
        "next_step": {*steps, "bidirectional", "label_smoothing"},
        "labelling": steps,
        "language": {*steps, "bidirectional", "learned_start"},
    }


def test_answers() -> None:
    """Labels, marks and values as people know them."""
    rows = np.array([[0.0, 2.0, 1.0], [3.0, 2.0, 1.0]], np.float32)
    assert Classification(("x", "y", "z")).decode(rows).tolist() == ["y", "x"]
    assert Classification((False, True)).decode(rows[:, :2]).tolist() == [True, False]
    assert Labelling((10, 20, 30)).decode(rows[None]).tolist() == [[20, 10]]
    assert Language(("?", "a", "b"), "word").decode(rows[None]).tolist() == [["a", "?"]]
    assert NextStep(3).decode(rows[None] - 1).tolist() == [
        [[False, True, False], [True, True, False]]
    ]
    values = Regression(**VALUES).decode(np.array([[1.0, -1.0], [-12.0, 70 / 13]], np.float32))
    assert values.tolist() == [[3.25, -83.0], [0.0, 0.0]]
    four = np.array([[0, 1, 2, 3]], np.float32)
    ahead = Forecasting(**VALUES, features=(1, 0), horizon=HORIZON).decode(four)
    assert ahead.tolist() == [[[3.0, -57.0], [3.5, -31.0]]]


def test_probabilities() -> None:
    """Those that answers and losses are about."""
    rows = np.log(np.array([[[1, 2, 1]], [[6, 1, 1]]], np.float32))
    for task in SMOOTHED:
        assert isinstance(task, Classification | Labelling | Language)
        found = task.probabilities(rows)
        np.testing.assert_allclose(found, [[[0.25, 0.5, 0.25]], [[0.75, 0.125, 0.125]]], rtol=1e-6)
    marks = NextStep(3).probabilities(rows)
    np.testing.assert_allclose(marks, [[[1 / 2, 2 / 3, 1 / 2]], [[6 / 7, 1 / 2, 1 / 2]]], rtol=1e-6)


def test_zero_comes_back_as_zero() -> None:
    rng = np.random.default_rng(0)
    mean, scale = 10 ** rng.uniform(-6, 6, 300), 10 ** rng.uniform(-6, 6, 300)
    task = Regression(("v",) * 300, tuple(mean.tolist()), tuple(scale.tolist()))
    zeros = (-mean / scale).astype(np.float32)[None]
    assert (task.decode(zeros) == 0).all()
    assert (task.decode(zeros * (1 + 1e-6)) != 0).all()


@for_each(
    [
        *ALL,
        Classification((1, 2), ranks=False),
        Classification((0.1, 2.0, 1e300)),
        Classification((False, True)),
        Regression(("a",), (0.1 + 0.2,), (1 / 3,)),
    ]
)
def test_json(task: Task) -> None:
    given = to_json(task)
    again = from_json(json.loads(json.dumps(given)))
    assert again == task and hash(again) == hash(task) and given == to_json(task)
    assert given["kind"] == task.name
    for values in zip(vars(again).values(), vars(task).values(), strict=True):
        both = [value if isinstance(value, tuple) else (value,) for value in values]
        assert [type(value) for value in both[0]] == [type(value) for value in both[1]]


@pytest.mark.parametrize("given", [{}, {"kind": "ranking", "classes": []}])
def test_json_of_unknown_kinds(given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"^`kind` is .*, but must be one of 'classification', "):
        from_json(given)
