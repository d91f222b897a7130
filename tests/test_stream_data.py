"""Training data in batches: surveyed once, then the same as if it had lain in memory."""

from collections.abc import Iterator
from itertools import count
from typing import Any

import numpy as np
import pytest
from support.datasets import FEATURES, TIME, sequences, uneven
from support.splits import scaling_of

import jaxrnn
from jaxrnn.data.dataset import Data
from jaxrnn.data.from_stream import from_stream
from jaxrnn.data.stream import Stream

BATCH = 16
EVALUATED = uneven(40, 1), uneven(30, 2)


def batches_of(*arrays: np.ndarray, size: int = BATCH) -> list[tuple[np.ndarray, ...]]:
    """The arrays in pieces, the last one perhaps smaller."""
    starts = range(0, len(arrays[0]), size)
    return [tuple(array[start : start + size] for array in arrays) for start in starts]


def stream_of(data: Data) -> Stream:
    assert isinstance(data.train, Stream)
    return data.train


def test_a_stream_is_the_data_it_holds() -> None:
    """As `from_splits` has it, sample for sample, but for a smaller last batch."""
    arrays = uneven(5 * BATCH + 3)
    data = from_stream(batches_of(*arrays), *EVALUATED, name="streamed")
    kept = [array[: 5 * BATCH] for array in arrays]
    whole = jaxrnn.from_splits((kept[0], kept[1], kept[2]), *EVALUATED)
    stream = stream_of(data)
    assert (len(stream), stream.batch, stream.time) == (5 * BATCH, BATCH, TIME)
    assert (data.task, data.spec) == (whole.task, whole.spec)
    np.testing.assert_allclose(scaling_of(data).mean, scaling_of(whole).mean, rtol=1e-12)
    np.testing.assert_allclose(scaling_of(data).scale, scaling_of(whole).scale, rtol=1e-12)
    for epoch in (0, 1):
        splits = list(stream.epoch(epoch))
        for name in ("inputs", "targets", "lengths"):
            found = np.concatenate([getattr(split, name) for split in splits])
            expected = getattr(whole.train, name)
            assert found.dtype == expected.dtype
            np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)
    for one, other in ((data.validation, whole.validation), (data.test, whole.test)):
        np.testing.assert_allclose(one.inputs, other.inputs, rtol=1e-6, atol=1e-6)
        np.testing.assert_array_equal(one.targets, other.targets)
    assert data.notes[0] == "train is a stream of 5 batches of 16."


def test_every_epoch_is_opened_anew() -> None:
    x, y = sequences(4 * BATCH)
    opened = []

    def batches(epoch: int) -> Iterator[Any]:
        opened.append(epoch)
        order = np.random.default_rng(epoch).permutation(len(x))
        yield from batches_of(x[order], y[order])

    data = from_stream(batches, (x, y), (x, y))
    found = [np.concatenate([s.inputs for s in stream_of(data).epoch(k)]) for k in (0, 3)]
    assert opened == [0, 0, 3]
    one, other = found
    assert not np.array_equal(one, other)
    np.testing.assert_array_equal(np.sort(one, axis=None), np.sort(other, axis=None))
    assert not data.spec.lengths_differ


def test_batches_differ_in_time() -> None:
    """Each batch is as long as it likes, and padded to the longest of all."""
    x, y, lengths = uneven(3 * BATCH)
    lengths[:BATCH] = np.minimum(lengths[:BATCH], 3)
    batches = batches_of(x, y, lengths)
    batches[0] = batches[0][0][:, :3], *batches[0][1:]
    wide = np.pad(batches[1][0], [(0, 0), (0, 9), (0, 0)])  # padding that no sequence needs
    batches[1] = wide, *batches[1][1:]
    data = from_stream(batches, *EVALUATED)
    assert [split.inputs.shape for split in stream_of(data).epoch(1)] == [
        (BATCH, TIME, FEATURES)
    ] * 3
    assert stream_of(data).shortest == 2 and data.spec.lengths_differ


def test_targets_of_every_kind() -> None:
    x, _ = sequences(3 * BATCH)
    values = np.c_[x.sum((1, 2)), x[:, 0, 0] * 100 + 7].astype(np.float64)
    data = from_stream(batches_of(x, values), (x, values), (x, values))
    assert data.task.name == "regression"
    found = np.concatenate([split.targets for split in stream_of(data).epoch(0)])
    np.testing.assert_allclose(found.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(found.std(0), 1, rtol=1e-6)
    np.testing.assert_allclose(data.task.decode(found), values, rtol=1e-4, atol=1e-3)
    steps = (x[..., 0] > 0).astype(int)
    data = from_stream(batches_of(x, steps), (x, steps), (x, steps))
    assert data.task.name == "labelling"
    found = np.concatenate([split.targets for split in stream_of(data).epoch(0)])
    np.testing.assert_array_equal(found, steps)
    whole = np.where(np.arange(3 * BATCH) < BATCH, 1.0, 1.5)  # no fraction in the first batch
    assert from_stream(batches_of(x, whole), (x, whole), (x, whole)).task.name == "regression"
    names = np.array(["b", "a", "c"])[np.arange(3 * BATCH) // BATCH]  # one class per batch
    data = from_stream(batches_of(x, names), (x, names), (x, names))
    assert vars(data.task)["classes"] == ("a", "b", "c")
    found = np.concatenate([split.targets for split in stream_of(data).epoch(0)])
    np.testing.assert_array_equal(found, np.repeat([1, 0, 2], BATCH))


def test_nothing_behind_the_true_lengths_counts() -> None:
    """Neither inputs nor labels; the first batch has both the shortest and fewer steps."""
    raw, _, lengths = uneven(3 * BATCH)
    behind = np.isnan(raw[..., 0])
    lengths[:BATCH] = np.minimum(lengths[:BATCH], 4)
    lengths[BATCH:] = np.maximum(lengths[BATCH:], 3)
    x = np.where(np.isnan(raw), 0.5, raw).astype(np.float64)
    behind = np.arange(TIME) >= lengths[:, None]
    labels = np.where(behind, 99, x[..., 0] > 0)
    x[behind] = 1e30
    batches = batches_of(x, labels, lengths)
    batches[0] = batches[0][0][:, :4], batches[0][1][:, :4], batches[0][2]
    part = x, labels, lengths
    data, whole = from_stream(batches, part, part), jaxrnn.from_splits(part, part, part)
    assert data.task == whole.task and vars(data.task)["classes"] == (0, 1)
    np.testing.assert_allclose(data.validation.inputs, whole.validation.inputs, rtol=1e-6)
    targets = np.concatenate([split.targets for split in stream_of(data).epoch(0)])
    np.testing.assert_array_equal(targets, whole.validation.targets)
    assert stream_of(data).shortest == lengths.min() == 2


X, Y = sequences(3 * BATCH)
GOOD = batches_of(X, Y)
BAD: list[tuple[Any, str]] = [
    ([], "`batches` is empty, but must give at least one batch."),
    (iter(GOOD), "`batches` is an iterator, which has one epoch only"),
    (3, "`batches` is int, but must be a function from the number of an epoch to an iterator"),
    ([X], "`batch 0` is a ndarray, but must be (inputs, targets) or (inputs, targets, lengths)."),
    (
        [GOOD[0], batches_of(X, Y, size=5)[0], GOOD[1]],
        "`batch 1` holds 5 samples, but must hold 16",
    ),
    ([GOOD[0], (X[:20], Y[:20])], "`batch 1` holds 20 samples, but must hold 16 as the first one"),
    ([GOOD[0], (X[:16, :, :2], Y[:16])], "`batch 1` inputs have 2 features, but must have 3"),
    ([GOOD[0], (X[:16] * np.nan, Y[:16])], "`batch 1` inputs must be finite, but sample 0"),
    ([GOOD[0], (X[:16], Y[:15])], "`batch 1` targets have the shape (15,), but must be one per"),
    ([GOOD[0], (X[:16], Y[:16].astype(str))], "`batch 1` targets are <U"),
    ([(X[:16], Y[:16] * 0)], "`train` targets hold 1 class, but must hold at least 2."),
    ([(X[:16], Y[:16] % 2)], "`validation` has the label 2, but only labels of `train` are"),
]


@pytest.mark.parametrize(("batches", "message"), BAD)
def test_bad_batches(batches: Any, message: str) -> None:
    with pytest.raises(ValueError) as error:
        from_stream(batches, (X, Y), (X, Y))
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("later", "message"),
    [
        (GOOD[:2], "`batches` gives 2 in epoch 1, but must give 3 as in the first pass."),
        (
            [*GOOD, GOOD[0]],
            "`batches` gives more in epoch 1, but must give 3 as in the first pass.",
        ),
        (batches_of(X, Y, size=8), "`batch 0` of epoch 1 holds 8 samples, but must hold 16."),
        (
            [(np.repeat(X[:16], 2, axis=1), Y[:16])],
            "`batch 0` of epoch 1 holds 12 to 12 steps, but must hold 6 to 6 as in the first pass.",
        ),
        ([(X[:16, :5], Y[:16])], "`batch 0` of epoch 1 holds 5 to 5 steps, but must hold 6 to 6"),
        ([(X[:16], Y[:16] + 7)], "`batch 0` has the label 7, but only labels of `train` are"),
    ],
)
def test_later_epochs_must_be_like_the_first(later: Any, message: str) -> None:
    numbers = count()
    data = from_stream(lambda _: GOOD if next(numbers) == 0 else later, (X, Y), (X, Y))
    given = []
    with pytest.raises(ValueError) as error:
        given.extend(stream_of(data).epoch(1))
    assert message in str(error.value)
    assert len(given) <= 3
