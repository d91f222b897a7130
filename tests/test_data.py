"""Data: split, standardised, read from files, and refused with a sentence."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import sequences
from hypothesis import given
from hypothesis import strategies as st

import jaxrnn
from jaxrnn.data import Data

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


@pytest.fixture(scope="module")
def good_file(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("good") / "good.npz"
    np.savez(path, X=X[:40], y=np.arange(40) % 2)
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
