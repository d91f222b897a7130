"""Cross-validation: folds that share nothing but the test part."""

from typing import Any

import numpy as np
import pytest
from support.datasets import sequences, uneven
from support.splits import scaling_of, splits_of, train_of

import jaxrnn
from jaxrnn.data.dataset import Data
from jaxrnn.data.folds import folds
from jaxrnn.data.from_arrays import to_sequences
from jaxrnn.data.records import LabelledTexts, LongText, PianoRolls, Sequences, TimeSeries


def numbered(samples: int) -> np.ndarray:
    """Inputs whose first number says which sample it is."""
    x, _ = sequences(samples)
    x[:, 0, 0] = np.arange(samples)
    return x


def samples_of(data: Data) -> list[list[int]]:
    """Which samples are in train, validation and test."""
    splits = splits_of(data)
    return [
        np.rint(s.inputs[:, 0, 0] * scaling_of(data).scale[0] + scaling_of(data).mean[0])
        .astype(int)
        .tolist()
        for s in splits
    ]


def check_folds(found: list[Data], k: int, samples: int) -> None:
    """All but the test part validates once, and trains else."""
    assert len(found) == k
    validated: list[int] = []
    tests = []
    for data in found:
        train, validation, test = samples_of(data)
        assert sorted([*train, *validation, *test]) == list(range(samples))
        validated += validation
        tests.append(sorted(test))
    assert all(test == tests[0] for test in tests)
    assert sorted([*validated, *tests[0]]) == list(range(samples))


def test_classes_have_their_share_in_every_fold() -> None:
    labels = np.arange(200) % 4 // 3  # one in four
    found = folds((numbered(200), labels), 5, seed=3)
    check_folds(found, 5, 200)
    for data in found:
        assert len(data.validation) == 34 and len(data.test) == 30
        assert data.validation.targets.mean() == pytest.approx(0.25, abs=0.03)
        assert data.test.targets.mean() == pytest.approx(0.25, abs=0.03)
    again, other = (folds((numbered(200), labels), 5, seed=seed) for seed in (3, 4))
    np.testing.assert_array_equal(again[0].validation.inputs, found[0].validation.inputs)
    assert not np.array_equal(other[0].validation.inputs, found[0].validation.inputs)


@pytest.mark.parametrize("values", [False, True])
def test_groups_stay_together(values: bool) -> None:
    targets: Any = np.random.default_rng(0).random(120) if values else np.arange(120) % 2
    groups = np.arange(120) // 6
    found = folds(to_sequences(numbered(120), targets, groups=groups), 4)
    check_folds(found, 4, 120)
    for data in found:
        parts = [set(groups[rows]) for rows in samples_of(data)]
        assert sum(map(len, parts)) == 20


def test_values_and_lengths() -> None:
    x, _, lengths = uneven(100)
    x[:, 0, 0] = np.arange(100)
    found = folds((x, np.random.default_rng(0).random(100), lengths), 3, test=0.2)
    check_folds(found, 3, 100)
    assert all(data.task.name == "regression" and len(data.test) == 20 for data in found)
    rows = samples_of(found[0])[1]
    np.testing.assert_array_equal(found[0].validation.lengths, lengths[rows])


def test_a_test_part_that_is_given_is_kept() -> None:
    parts = np.repeat(["train", "validation", "test"], [50, 30, 40])
    raw = Sequences("mine", numbered(120), np.full(120, 6), np.arange(120) % 3, parts=parts)
    found = folds(raw, 4)
    check_folds(found, 4, 120)
    assert sorted(samples_of(found[0])[2]) == list(range(80, 120))


def test_series_are_cut_in_order_of_time() -> None:
    values = np.arange(100.0)[:, None]
    found = folds(TimeSeries("up", values, ("x",), ("x",)), 3, test=0.2, look_back=2, horizon=1)
    ends = [(20, 40), (40, 60), (60, 80)]
    for data, (train, validation) in zip(found, ends, strict=True):
        assert (len(data.train), len(data.validation), len(data.test)) == (train - 2, 18, 18)
        first, last = (
            round(x * scaling_of(data).scale[0] + scaling_of(data).mean[0])
            for x in (data.validation.inputs[0, 0, 0], data.validation.targets[-1, 0, 0])
        )
        assert (first, last) == (train, validation - 1)
        np.testing.assert_allclose(scaling_of(data).mean, (train - 1) / 2)


def test_texts_and_rolls() -> None:
    found = folds(LongText("abc", "abcd" * 50), 4, test=0.2, block=8)
    assert [train_of(data).lengths.sum() for data in found] == [31, 63, 95, 127]
    assert {data.test.lengths.sum() for data in found} == {39}
    rolls = [np.eye(5, 3, dtype=int) for _ in range(20)]
    found = folds(PianoRolls("piano", rolls), 4)
    assert [len(data.validation) for data in found] == [5, 4, 4, 4]
    texts = [f"{'yes' if k % 2 else 'no'} {k}" for k in range(40)]
    found = folds(LabelledTexts("said", texts, np.arange(40) % 2), 2)
    assert [len(data.validation) for data in found] == [17, 17]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 1}, "`k` is 1, but must be at least 2."),
        ({"k": 2.5}, "`k` is 2.5, but must be a whole number."),
        ({"test": 1.0}, "`test` is 1.0, but must be a share between 0 and 1."),
        ({"k": 60}, "`k` is 60, but there are only 42 samples of a class outside the test part."),
        ({"k": 200}, "`k` is 200, but there are only 85 samples outside the test part."),
        ({"seed": -1}, "`seed` is -1, but must be from 0"),
        ({"horizon": 1}, "`horizon` is given, but has no meaning for sequences with targets."),
    ],
)
def test_bad_folds(options: Any, message: str) -> None:
    with pytest.raises(ValueError) as error:
        folds((numbered(100), np.arange(100) % 2), **options)
    assert message in str(error.value)


def test_too_few_groups_or_rows() -> None:
    raw = to_sequences(numbered(100), np.arange(100) % 2, groups=np.arange(100) // 20)
    with pytest.raises(ValueError, match="`k` is 5, but there are only 4 groups outside the test"):
        folds(raw, 5)
    series = TimeSeries("up", np.arange(6.0)[:, None], ("x",), ("x",))
    with pytest.raises(ValueError, match="`k` is 5, but there are only 5 rows for as many folds"):
        folds(series, 5, look_back=1, horizon=1)


def test_names_stay() -> None:
    raw = to_sequences(numbered(60), np.arange(60) % 2, name="mine")
    assert {data.name for data in folds(raw, 2)} == {"mine"}
    assert isinstance(folds(raw, 2)[0], jaxrnn.Data)


def test_groups_of_arrays_are_never_torn_apart() -> None:
    groups = np.arange(60) // 6
    found = folds((numbered(60), np.arange(60) / 7), 3, groups=groups)
    check_folds(found, 3, 60)
    for data in found:
        train, validation, test = ({int(groups[k]) for k in part} for part in samples_of(data))
        assert not (train & validation or train & test or validation & test)


def test_options_that_folds_do_not_take() -> None:
    arrays = numbered(60), np.arange(60) / 7
    with pytest.raises(ValueError, match="`split` is given, but folds divide by themselves"):
        folds(arrays, 3, split=(0.8, 0.1, 0.1))
    with pytest.raises(TypeError, match="`lookback` is no option of folds; these are task, look"):
        folds(arrays, 3, lookback=2)
    for source in (arrays[0], arrays[:1]):
        with pytest.raises(ValueError, match=r"but must be \(inputs, targets\) or \(inputs, targ"):
            folds(source, 3)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="`groups` are given, but belong to arrays"):
        folds(to_sequences(*arrays), 3, groups=np.arange(60))
