"""Data from arrays: split, standardised, with a task, and refused with a sentence."""

from typing import Any

import numpy as np
import pytest
from support.datasets import sequences, uneven
from support.splits import scaling_of, splits_of, train_of

import jaxrnn
from jaxrnn.data.dataset import Data
from jaxrnn.tasks.classification import Classification
from jaxrnn.tasks.labelling import Labelling

X, Y = sequences(200)


def classes_of(data: Data) -> list[Any]:
    assert isinstance(data.task, Classification | Labelling)
    return list(data.task.classes)


def test_split_is_70_15_15_stratified_and_seeded() -> None:
    data = jaxrnn.digits(seed=0)
    sizes = [len(split) for split in splits_of(data)]
    assert sizes == [1257, 270, 270]
    assert train_of(data).inputs.shape == (1257, 8, 8)
    assert train_of(data).inputs.dtype == np.float32
    for split in splits_of(data):
        share = np.bincount(split.targets, minlength=10) / len(split)
        np.testing.assert_allclose(share, 0.1, atol=0.01)
    again, other = jaxrnn.digits(seed=0), jaxrnn.digits(seed=1)
    np.testing.assert_array_equal(again.test.inputs, data.test.inputs)
    assert np.any(other.test.targets != data.test.targets)


def test_no_sample_is_lost_or_in_two_splits() -> None:
    marked = X.copy()
    marked[:, 0, 0] = np.arange(len(X))
    data = jaxrnn.from_arrays(marked, Y)
    back = [
        np.rint(split.inputs[:, 0, 0] * scaling_of(data).scale[0] + scaling_of(data).mean[0])
        for split in splits_of(data)
    ]
    assert sorted(np.concatenate(back)) == list(range(len(X)))


def test_standardising_knows_the_training_part_alone() -> None:
    shifted = X + np.array([5.0, -2.0, 0.0], np.float32)
    shifted[:, :, 2] = 7.0  # a constant feature must not divide by zero
    far = shifted + 100.0
    data = jaxrnn.from_splits((shifted, Y), (far, Y), (far, Y))
    np.testing.assert_allclose(train_of(data).inputs.mean((0, 1)), 0.0, atol=1e-4)
    np.testing.assert_allclose(train_of(data).inputs.std((0, 1)), [1, 1, 0], atol=1e-4)
    assert np.all(data.test.inputs.mean((0, 1)) > 50)
    np.testing.assert_allclose(scaling_of(data).mean, [5, -2, 7], atol=0.1)


@pytest.mark.parametrize("names", [[10, 20, 30], ["c", "a", "b"], [-1.0, 0.5, 2.0]])
@pytest.mark.parametrize("kind", [np.array, list, object, bytes])
def test_labels_keep_their_names(names: list[Any], kind: Any) -> None:
    """As arrays or lists of numbers or text, as pandas holds text, and as bytes."""
    labels: Any = np.array(names)[Y]
    if kind is list:
        labels = labels.tolist()
    elif kind is object or (kind is bytes and labels.dtype.kind == "U"):
        labels = labels.astype(object if kind is object else "S")
    data = jaxrnn.from_arrays(X, labels, task="classification")
    assert classes_of(data) == sorted(names)
    for k in range(3):
        assert np.array(classes_of(data))[train_of(data).targets[k]] in names
    shown = {tuple(row.ravel().round(3)): name for row, name in zip(X, Y, strict=True)}
    raw = data.test.inputs * scaling_of(data).scale + scaling_of(data).mean
    for row, label in zip(raw.round(3), data.test.targets, strict=True):
        near = min(shown, key=lambda one: np.abs(np.array(one) - row.ravel()).max())
        assert np.array(classes_of(data))[label] == names[shown[near]]


def test_statistics_hold_for_large_offsets_and_constants() -> None:
    """Sums in single precision would be off by whole deviations here."""
    rng = np.random.default_rng(0)
    far = rng.normal(1000.0, 1.0, (4000, 100, 3)).astype(np.float32)
    far[:, :, 2] = 0.1
    labels = np.arange(4000) % 2
    data = jaxrnn.from_splits((far, labels), (far, labels), (far, labels))
    stamps = far.astype(np.float64) + 1e8  # as times in seconds: float32 keeps steps of 8
    fine = jaxrnn.from_splits((stamps, labels), (stamps, labels), (stamps, labels))
    np.testing.assert_allclose(
        train_of(fine).inputs[:, :, 0], train_of(data).inputs[:, :, 0], rtol=1e-3, atol=1e-4
    )
    np.testing.assert_allclose(scaling_of(data).mean, [1000, 1000, 0.1], rtol=1e-4)
    np.testing.assert_allclose(scaling_of(data).scale, [1, 1, 1], rtol=1e-2)
    assert np.abs(train_of(data).inputs[:, :, 2]).max() < 1e-6


def test_lengths_bound_all_that_is_seen() -> None:
    """Mean and deviation are of true steps; what lies behind them is 0, whatever it was."""
    raw, labels, lengths = uneven(100)
    behind = np.isnan(raw)
    assert 0 < behind.mean() < 0.5
    found = []
    for garbage in (np.nan, np.inf, -1e30, 0.0, 3.0):
        x = np.where(behind, np.float32(garbage), raw * np.float32(4) + 7)
        train, validation, test = ((x[k:], labels[k:], lengths[k:]) for k in (0, 20, 40))
        data = jaxrnn.from_splits(train, validation, test)
        found.append([scaling_of(data).mean, scaling_of(data).scale])
        for k, split in zip((0, 20, 40), splits_of(data), strict=True):
            found[-1] += [split.inputs, split.targets, split.lengths]
            np.testing.assert_array_equal(split.lengths, lengths[k:])
            assert (split.inputs.dtype, split.lengths.dtype) == (np.float32, np.int32)
            assert not split.inputs[behind[k:]].any()
        assert data.spec.lengths_differ
    for other in found[1:]:
        for one, two in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(one, two)
    true = (raw * np.float32(4) + 7)[~behind].reshape(-1, 3).astype(np.float64)
    np.testing.assert_allclose(found[0][0], true.mean(0), rtol=1e-6)
    np.testing.assert_allclose(found[0][1], true.std(0), rtol=1e-6)
    np.testing.assert_allclose(
        found[0][2][~behind].reshape(-1, 3), (true - true.mean(0)) / true.std(0), atol=1e-5
    )


def test_padding_too_large_for_single_precision_is_ignored() -> None:
    raw, labels, lengths = uneven(100)
    part = np.where(np.isnan(raw), 1e300, raw.astype(np.float64)), labels, lengths
    assert np.isfinite(train_of(jaxrnn.from_splits(part, part, part)).inputs).all()


def test_lengths_stay_with_their_samples() -> None:
    raw, labels, lengths = uneven(200)
    raw[:, 0, 0] = np.arange(200)  # no length is below 2
    data = jaxrnn.from_arrays(raw, labels, seed=2, lengths=lengths)
    seen = 0
    for split in splits_of(data):
        sample = np.rint(
            split.inputs[:, 0, 0] * scaling_of(data).scale[0] + scaling_of(data).mean[0]
        ).astype(int)
        np.testing.assert_array_equal(split.lengths, lengths[sample])
        np.testing.assert_array_equal(np.array(classes_of(data))[split.targets], labels[sample])
        seen += len(set(sample))
    assert seen == 200


def test_lengths_may_be_left_out() -> None:
    """Then every step is true, also where lengths say so."""
    part, full = (X, Y), (X, Y, np.full(200, 6))
    silent, explicit = jaxrnn.from_splits(part, part, part), jaxrnn.from_splits(full, full, part)
    for data in (silent, explicit):
        assert not data.spec.lengths_differ
        np.testing.assert_array_equal(train_of(data).inputs, train_of(silent).inputs)
        np.testing.assert_array_equal(train_of(data).lengths, np.full(200, 6))
    short = X, Y, np.r_[5, np.full(199, 6)]
    assert jaxrnn.from_splits(part, part, short).spec.lengths_differ  # in any split


def lengths_with(value: Any, dtype: Any = None) -> np.ndarray:
    return np.array([*[6] * 17, value, *[6] * 182], dtype)


BAD_LENGTHS: list[tuple[Any, str]] = [
    (lengths_with(0), "`data` lengths are from 0 to 6, but must be from 1 to 6, the time steps."),
    (lengths_with(-1), "`data` lengths are from -1 to 6"),
    (lengths_with(7), "`data` lengths are from 6 to 7, but must be from 1 to 6"),
    (lengths_with(2**62), f"`data` lengths are from 6 to {2**62}"),
    (
        lengths_with(6)[:-1],
        "`data` lengths are int64 of the shape (199,), but must be a whole number per sample: (200",
    ),
    (lengths_with(6)[:, None], "of the shape (200, 1), but must be a whole number per sample"),
    (6, "`data` lengths are int64 of the shape ()"),
    (lengths_with(6.0), "`data` lengths are float64 of the shape (200,), but must be a whole"),
    (lengths_with(np.nan), "`data` lengths are float64"),
    (lengths_with(True, bool), "`data` lengths are bool"),
    (lengths_with("6"), "`data` lengths are <U"),
    (lengths_with(None), "`data` lengths are object"),
    ([[1, 2], [3]], "`data` lengths must be an array: "),
]


@pytest.mark.parametrize(("lengths", "message"), BAD_LENGTHS)
def test_bad_lengths(lengths: Any, message: str) -> None:
    with pytest.raises(ValueError) as error:
        jaxrnn.from_arrays(X, Y, lengths=lengths)
    assert message in str(error.value)


def test_nan_is_refused_up_to_the_true_length() -> None:
    bad = with_nan(np.nan)  # at step 2 of sample 17
    jaxrnn.from_arrays(bad, Y, lengths=lengths_with(2))
    with pytest.raises(ValueError, match="`data` inputs must be finite, but sample 17 holds NaN"):
        jaxrnn.from_arrays(bad, Y, lengths=lengths_with(3))


def with_nan(value: float) -> np.ndarray:
    bad = X.copy()
    bad[17, 2, 1] = value
    return bad


def rare() -> np.ndarray:
    labels = Y.copy()
    labels[:3] = 7
    return labels


BAD_ARRAYS = [
    (with_nan(np.nan), Y, "`data` inputs must be finite, but sample 17 holds NaN or inf."),
    (with_nan(np.inf), Y, "sample 17 holds NaN or inf"),
    (X[:, :, 0], Y, "(200, 6), but must be (samples, time, features); add `[..., None]` for a"),
    (X[:0], Y[:0], "`data` inputs have the shape (0, 6, 3)"),
    ([[1, 2], [3]], Y, "`data` inputs must be an array: "),
    ([["a"]], Y, "`data` inputs are <U1, but must be real numbers."),
    (X + 1j, Y, "`data` inputs are complex64, but must be real numbers."),
    (X.astype(np.float64) * 1e300, Y, "`train` inputs are too large to standardise"),
    (
        X,
        Y[:-1],
        "`data` targets have the shape (199,), but must be one per sample, (200,), or some",
    ),
    (
        X,
        Y[:, None],
        "`targets` are int64 of the shape (200, 1), but must be one per sample, or one per time",
    ),
    (X, np.where(Y == 0, np.nan, Y), "`data` targets must not be NaN"),
    (X, np.array([None] * 200), "`data` targets are object, but must be numbers or strings"),
    (X, rare(), "`targets` hold 3 of class 7, but a stratified split needs at least 7 of each"),
    (X, np.zeros(200, int), "`train` targets hold 1 class, but must hold at least 2."),
    (X, np.eye(3)[Y], "(200, 3) and look like one-hot labels; give one label per sample, `.argmax"),
    (X, np.eye(6, dtype=int)[Y], "(200, 6) and look like one-hot labels"),
    (X, [[1, 2], *[[3]] * 199], "`data` targets must be an array: "),
    (X, X, "`data` targets have the shape (200, 6, 3), but must be one per sample"),
]


@pytest.mark.parametrize(("inputs", "labels", "message"), BAD_ARRAYS)
def test_bad_arrays(inputs: Any, labels: Any, message: str) -> None:
    with pytest.raises(ValueError) as error:
        jaxrnn.from_arrays(inputs, labels)
    assert message in str(error.value)


def test_bad_splits() -> None:
    with pytest.raises(ValueError, match="`seed` is -1, but must be from 0 to 4294967295"):
        jaxrnn.from_arrays(X, Y, seed=-1)
    train = X[:100], Y[:100] % 2
    with pytest.raises(ValueError, match="`validation` has the label 2, but only labels of"):
        jaxrnn.from_splits(train, (X[100:], Y[100:]), (X, Y % 2))
    with pytest.raises(ValueError, match="`test` inputs have 2 features, but must have 3, as `tr"):
        jaxrnn.from_splits(train, train, (X[:, :, :2], Y % 2))
    with pytest.raises(ValueError, match="`test` targets are <U1 of the shape"):
        jaxrnn.from_splits(train, train, (X, (Y % 2).astype("U1")))
    with pytest.raises(ValueError, match=r"`test` targets are int64 of the shape \(200, 6\), but"):
        jaxrnn.from_splits(train, train, (X, STEPS))
    with pytest.raises(ValueError, match="`validation` targets are 2 per sample, but must be 3"):
        jaxrnn.from_splits((X, X[:, 0]), (X, X[:, 0, :2]), (X, X[:, 0]))
    with pytest.raises(ValueError, match="`test` inputs are too far from those of the training"):
        jaxrnn.from_splits(train, train, (X.astype(float) * 1e300, Y % 2))
    with pytest.raises(ValueError, match="`test` inputs must be finite"):
        jaxrnn.from_splits(train, train, (with_nan(np.nan), Y % 2))


STEPS = (X[..., 0] > 0).astype(int)


def test_parts_may_differ_in_time() -> None:
    """Each is cut to its longest sequence, whatever it was padded to."""
    raw, labels, lengths = uneven(100)
    wide = np.pad(raw, [(0, 0), (0, 3), (0, 0)], constant_values=np.nan)
    short = raw[:, :4], labels, np.minimum(lengths, 4)
    data = jaxrnn.from_splits(short, (raw, labels, lengths), (wide, labels, lengths))
    assert [split.time for split in splits_of(data)] == [4, 6, 6]
    np.testing.assert_array_equal(data.validation.inputs, data.test.inputs)
    assert data.spec.lengths_differ
    even = jaxrnn.from_splits((X, Y), (X[:, :4], Y), (X, Y))
    assert even.spec.lengths_differ  # padded to one time, the second part is short
    one, two, three = ((X[:, :time], STEPS[:, :time]) for time in (6, 5, 4))
    data = jaxrnn.from_splits(one, two, three, task="labelling")
    assert [split.targets.shape[1] for split in splits_of(data)] == [
        6,
        5,
        4,
    ]
    np.testing.assert_array_equal(data.test.targets, STEPS[:, :4])


def test_groups_and_shares() -> None:
    marked = X.copy()
    marked[:, 0, 0] = np.arange(200)
    data = jaxrnn.from_arrays(marked, Y, groups=np.arange(200) // 5, split=(0.5, 0.25, 0.25))
    splits = splits_of(data)
    first = [
        s.inputs[:, 0, 0] * scaling_of(data).scale[0] + scaling_of(data).mean[0] for s in splits
    ]
    groups = [set(np.rint(one).astype(int) // 5) for one in first]
    assert sum(map(len, groups)) == 40
    assert [len(split) for split in splits] == [100, 50, 50]
    counts = jaxrnn.from_arrays(X, Y, split=(60, 30, 30))
    assert [len(s) for s in splits_of(counts)] == [60, 30, 30]
    with pytest.raises(ValueError, match=r"`groups` have the shape \(199,\), but must be \(200,\)"):
        jaxrnn.from_arrays(X, Y, groups=np.arange(199))


def test_sequences_may_be_a_list_of_arrays() -> None:
    raw, labels, lengths = uneven(100)
    ragged = [row[:length] for row, length in zip(raw, lengths, strict=True)]
    one, other = (
        jaxrnn.from_arrays(ragged, labels),
        jaxrnn.from_arrays(raw, labels, lengths=lengths),
    )
    np.testing.assert_array_equal(train_of(one).inputs, train_of(other).inputs)
    np.testing.assert_array_equal(one.test.lengths, other.test.lengths)


def test_notes_say_what_is_odd() -> None:
    raw, labels, lengths = uneven(60)
    few = raw[40:], np.zeros(20, int), lengths[40:]
    train = raw[:20], labels[:20], lengths[:20]
    data = jaxrnn.from_splits(train, few, (raw[20:40], labels[20:40], lengths[20:40]))
    assert data.notes[0] == "validation holds no sequence of 2 of the classes: 1, 2."
    share = 1 - lengths[:20].mean() / 6
    assert data.notes[1] == (
        f"{share:.1%} of train is padding: sequences have {lengths[:20].min()} to 6 steps, "
        f"{np.median(lengths[:20]):g} at the median."
    )
    assert len(data.notes) == 4
    part = X, Y
    assert not [note for note in jaxrnn.from_arrays(*part).notes if "padding" in note]


def test_what_data_asks_of_networks() -> None:
    problem = jaxrnn.from_arrays(X, Y).spec
    assert (problem.inputs, problem.outputs, problem.vocabulary) == (3, 3, 0)
    assert not (problem.lengths_differ or problem.per_step or problem.stateful or problem.forecast)
    assert problem.excluded >= {"window_norm", "embedding_size"}


@pytest.mark.parametrize("part", [0, 1, 2])
@pytest.mark.parametrize("what", [0, 1])
def test_every_value_of_every_part_is_in_the_fingerprint(part: int, what: int) -> None:
    """A run that goes on must not be given other data, whatever they are for."""

    def fingerprint(change: int) -> str:
        parts = [[X[k : k + 40].copy(), Y[k : k + 40].copy()] for k in (0, 40, 80)]
        parts[part][what][:2] = parts[part][what][change : change + 2]
        train, validation, test = map(tuple, parts)
        return jaxrnn.fingerprint(jaxrnn.from_splits(train, validation, test))

    assert fingerprint(0) == fingerprint(0)
    assert len({fingerprint(change) for change in range(8)}) > 1
