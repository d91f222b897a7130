"""Data: split, standardised, read from files, and refused with a sentence."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import sequences, uneven
from hypothesis import given
from hypothesis import strategies as st

import jaxrnn
from jaxrnn.data.data import Data

X, Y = sequences(200)


def test_split_is_70_15_15_stratified_and_seeded() -> None:
    data = jaxrnn.digits(seed=0)
    sizes = [len(split) for split in (data.train, data.validation, data.test)]
    assert sizes == [1257, 270, 270]
    assert data.train.inputs.shape == (1257, 8, 8)
    assert data.train.inputs.dtype == np.float32
    for split in (data.train, data.validation, data.test):
        share = np.bincount(split.labels, minlength=10) / len(split)
        np.testing.assert_allclose(share, 0.1, atol=0.01)
    again, other = jaxrnn.digits(seed=0), jaxrnn.digits(seed=1)
    np.testing.assert_array_equal(again.test.inputs, data.test.inputs)
    assert np.any(other.test.labels != data.test.labels)


def test_no_sample_is_lost_or_in_two_splits() -> None:
    marked = X.copy()
    marked[:, 0, 0] = np.arange(len(X))
    data = jaxrnn.from_arrays(marked, Y)
    back = [
        np.rint(split.inputs[:, 0, 0] * data.scale[0] + data.mean[0])
        for split in (data.train, data.validation, data.test)
    ]
    assert sorted(np.concatenate(back)) == list(range(len(X)))


def test_standardising_knows_the_training_part_alone() -> None:
    shifted = X + np.array([5.0, -2.0, 0.0], np.float32)
    shifted[:, :, 2] = 7.0  # a constant feature must not divide by zero
    far = shifted + 100.0
    data = jaxrnn.from_splits((shifted, Y), (far, Y), (far, Y))
    np.testing.assert_allclose(data.train.inputs.mean((0, 1)), 0.0, atol=1e-4)
    np.testing.assert_allclose(data.train.inputs.std((0, 1)), [1, 1, 0], atol=1e-4)
    assert np.all(data.test.inputs.mean((0, 1)) > 50)
    np.testing.assert_allclose(data.mean, [5, -2, 7], atol=0.1)


@pytest.mark.parametrize("names", [[10, 20, 30], ["c", "a", "b"], [-1.0, 0.5, 2.0]])
@pytest.mark.parametrize("kind", [np.array, list, object, bytes])
def test_labels_keep_their_names(names: list[Any], kind: Any) -> None:
    """As arrays or lists of numbers or text, as pandas holds text, and as bytes."""
    labels: Any = np.array(names)[Y]
    if kind is list:
        labels = labels.tolist()
    elif kind is object or (kind is bytes and labels.dtype.kind == "U"):
        labels = labels.astype(object if kind is object else "S")
    data = jaxrnn.from_arrays(X, labels)
    assert data.classes.tolist() == sorted(names)
    for k in range(3):
        assert data.classes[data.train.labels[k]] in names
    shown = {tuple(row.ravel().round(3)): name for row, name in zip(X, Y, strict=True)}
    raw = data.test.inputs * data.scale + data.mean
    for row, label in zip(raw.round(3), data.test.labels, strict=True):
        near = min(shown, key=lambda one: np.abs(np.array(one) - row.ravel()).max())
        assert data.classes[label] == names[shown[near]]


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
        fine.train.inputs[:, :, 0], data.train.inputs[:, :, 0], rtol=1e-3, atol=1e-4
    )
    np.testing.assert_allclose(data.mean, [1000, 1000, 0.1], rtol=1e-4)
    np.testing.assert_allclose(data.scale, [1, 1, 1], rtol=1e-2)
    assert np.abs(data.train.inputs[:, :, 2]).max() < 1e-6


def test_npz_files(tmp_path: Path) -> None:
    one, fixed = tmp_path / "one.npz", tmp_path / "fixed.npz"
    np.savez(one, X=X, y=Y)
    loaded, direct = jaxrnn.load_data(str(one), 3), jaxrnn.from_arrays(X, Y, 3)
    np.testing.assert_array_equal(loaded.train.inputs, direct.train.inputs)
    assert loaded.name == "one"
    arrays: Any = {}
    for key, rows in (
        ("train", slice(100)),
        ("validation", slice(100, 150)),
        ("test", slice(150, None)),
    ):
        arrays |= {f"X_{key}": X[rows], f"y_{key}": Y[rows]}
    np.savez(fixed, **arrays)
    data = jaxrnn.load_data(str(fixed))
    splits = data.train, data.validation, data.test
    for split, rows in zip(splits, (slice(100), slice(100, 150), slice(150, None)), strict=True):
        np.testing.assert_array_equal(data.classes[split.labels], Y[rows])


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
        found.append([data.mean, data.scale])
        for k, split in zip((0, 20, 40), (data.train, data.validation, data.test), strict=True):
            found[-1] += [split.inputs, split.labels, split.lengths]
            np.testing.assert_array_equal(split.lengths, lengths[k:])
            assert (split.inputs.dtype, split.lengths.dtype) == (np.float32, np.int32)
            assert not split.inputs[behind[k:]].any()
        assert data.problem.lengths_differ
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
    assert np.isfinite(jaxrnn.from_splits(part, part, part).train.inputs).all()


def test_lengths_stay_with_their_samples() -> None:
    raw, labels, lengths = uneven(200)
    raw[:, 0, 0] = np.arange(200)  # no length is below 2
    data = jaxrnn.from_arrays(raw, labels, seed=2, lengths=lengths)
    seen = 0
    for split in (data.train, data.validation, data.test):
        sample = np.rint(split.inputs[:, 0, 0] * data.scale[0] + data.mean[0]).astype(int)
        np.testing.assert_array_equal(split.lengths, lengths[sample])
        np.testing.assert_array_equal(data.classes[split.labels], labels[sample])
        seen += len(set(sample))
    assert seen == 200


def test_lengths_may_be_left_out() -> None:
    """Then every step is true, also where lengths say so."""
    part, full = (X, Y), (X, Y, np.full(200, 6))
    silent, explicit = jaxrnn.from_splits(part, part, part), jaxrnn.from_splits(full, full, part)
    for data in (silent, explicit):
        assert not data.problem.lengths_differ
        np.testing.assert_array_equal(data.train.inputs, silent.train.inputs)
        np.testing.assert_array_equal(data.train.lengths, np.full(200, 6))
    short = X, Y, np.r_[5, np.full(199, 6)]
    assert jaxrnn.from_splits(part, part, short).problem.lengths_differ  # in any split


def test_npz_files_may_hold_lengths(tmp_path: Path) -> None:
    raw, labels, lengths = uneven(200)
    np.savez(tmp_path / "one.npz", X=raw, y=labels, lengths=lengths)
    loaded = jaxrnn.load_data(str(tmp_path / "one.npz"), 3)
    direct = jaxrnn.from_arrays(raw, labels, 3, lengths=lengths)
    np.testing.assert_array_equal(loaded.train.inputs, direct.train.inputs)
    np.testing.assert_array_equal(loaded.test.lengths, direct.test.lengths)
    arrays: dict[str, Any] = {}
    parts = {"train": slice(100), "validation": slice(100, 150), "test": slice(150, None)}
    for key, rows in parts.items():
        arrays |= {f"X_{key}": raw[rows], f"y_{key}": labels[rows], f"lengths_{key}": lengths[rows]}
    np.savez(tmp_path / "fixed.npz", **arrays)
    data = jaxrnn.load_data(str(tmp_path / "fixed.npz"))
    for split, rows in zip((data.train, data.validation, data.test), parts.values(), strict=True):
        np.testing.assert_array_equal(split.lengths, lengths[rows])
    del arrays["lengths_validation"]
    np.savez(tmp_path / "partly.npz", **arrays)
    with pytest.raises(ValueError, match="`validation` inputs must be finite"):
        jaxrnn.load_data(str(tmp_path / "partly.npz"))


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
    ([[1, 2], [3]], "`data` inputs and labels must be arrays: "),
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
    ([[1, 2], [3]], Y, "`data` inputs and labels must be arrays: "),
    ([["a"]], Y, "`data` inputs are <U1, but must be real numbers."),
    (X + 1j, Y, "`data` inputs are complex64, but must be real numbers."),
    (X.astype(np.float64) * 1e300, Y, "`train` inputs are too large to standardise"),
    (X, Y[:-1], "`data` labels have the shape (199,), but must be one per sample: (200,)."),
    (
        X,
        Y[:, None],
        "(200, 1), but must be one per sample: (200,); one-hot labels want `.argmax(-1)`.",
    ),
    (X, np.where(Y == 0, np.nan, Y), "`data` labels must not be NaN"),
    (X, np.array([None] * 200), "`data` labels are object, but must be numbers or strings"),
    (X, rare(), "`labels` hold 3 of class 7, but a stratified split needs at least 10 of each"),
    (X, np.zeros(200, int), "`train` labels hold 1 class, but must hold at least 2."),
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
    with pytest.raises(ValueError, match=r"`test` inputs are \(5, 3\) per sample, but must be"):
        jaxrnn.from_splits(train, train, (X[:, :5], Y % 2))
    with pytest.raises(ValueError, match="`test` inputs must be finite"):
        jaxrnn.from_splits(train, train, (with_nan(np.nan), Y % 2))


def test_bad_files(tmp_path: Path) -> None:
    cases = {"nothing": "`data` is 'nothing', but must be 'digits' or the path of a .npz file."}
    cases[str(tmp_path / "none.npz")] = "but there is no such file."
    (tmp_path / "text.npz").write_text("hello")
    cases[str(tmp_path / "text.npz")] = "but must be a file made by `numpy.savez`"
    np.save(tmp_path / "array", X)
    (tmp_path / "array.npy").rename(tmp_path / "array.npz")
    cases[str(tmp_path / "array.npz")] = "but must be a file made by `numpy.savez`"
    np.savez(tmp_path / "names.npz", x=X, y=Y)
    cases[str(tmp_path / "names.npz")] = "holds x, y, but must hold X and y, or X_train"
    np.savez(tmp_path / "objects.npz", X=np.array([{}]), y=Y)
    cases[str(tmp_path / "objects.npz")] = "(for text in Python objects, save `y.astype(str)`)"
    for source, message in cases.items():
        with pytest.raises(ValueError) as error:
            jaxrnn.load_data(source)
        assert message in str(error.value)


@pytest.fixture(scope="module", params=["same lengths", "lengths"])
def good_file(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("good") / "good.npz"
    more: Any = {"lengths": np.arange(40) % 6 + 1} if request.param == "lengths" else {}
    np.savez(path, X=X[:40], y=np.arange(40) % 2, **more)
    return path.read_bytes()


@given(st.data())
def test_a_damaged_file_is_read_or_refused(
    good_file: bytes, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Bytes changed or cut: either arrays that passed every check, or one sentence."""
    content = bytearray(good_file)
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(0, len(content)))]
    path = tmp_path_factory.mktemp("fuzz") / "bad.npz"
    path.write_bytes(bytes(content))
    try:
        loaded = jaxrnn.load_data(str(path))
    except ValueError as error:
        assert str(error).startswith("`")
    else:
        assert isinstance(loaded, Data)
        assert np.isfinite(loaded.train.inputs).all()
