"""Parts: as large as asked, alike in classes, apart in groups, in order of time."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split

from jaxrnn.data.records import PARTS
from jaxrnn.data.splitting import Constraints, by_class, divide, in_order, part_ends, smallest_class


def check_disjoint(parts: Any, samples: int, used: int | None = None) -> None:
    rows = np.concatenate(parts)
    assert len(set(rows.tolist())) == len(rows) == (samples if used is None else used)
    assert rows.min() >= 0 and rows.max() < samples


@pytest.mark.parametrize(
    ("samples", "split", "ends"),
    [
        (1797, None, (1257, 1527, 1797)),
        (10, None, (7, 8, 10)),
        (100, (0.6, 0.2, 0.2), (60, 80, 100)),
        (100, (0.1, 0.1, 0.1), (10, 20, 30)),  # shares of 0.1 have no exact binary form
        (100, (1, 1, 1), (1, 2, 3)),
        (17420, (8640, 2880, 2880), (8640, 11520, 14400)),
        (3, (1, 1, 1), (1, 2, 3)),
    ],
)
def test_borders(samples: int, split: Any, ends: tuple[int, ...]) -> None:
    assert part_ends(samples, split) == ends
    first, second, third = ends
    assert in_order(samples, split) == [(0, first), (first, second), (second, third)]


@pytest.mark.parametrize(
    ("samples", "split", "message"),
    [
        (100, (0.6, 0.2, 0.3), "`split` is (0.6, 0.2, 0.3), but its shares must add up to at most"),
        (100, (60, 20, 21), "`split` is (60, 20, 21), but there are 100 to divide."),
        (100, (0.7, 0.3), "`split` is (0.7, 0.3), but must be three shares or counts above 0."),
        (100, (1, 0, 1), "but must be three shares or counts above 0"),
        (100, (-0.1, 0.5, 0.5), "but must be three shares or counts above 0"),
        (100, 0.7, "`split` is 0.7, but must be three shares"),
        (100, len, "but must be three shares"),
        (3, None, "`split` leaves a part empty: there are only 3 to divide."),
    ],
)
def test_bad_borders(samples: int, split: Any, message: str) -> None:
    with pytest.raises(ValueError) as error:
        part_ends(samples, split)
    assert message in str(error.value)


@given(st.data())
def test_classes_have_their_share_in_each_part(data: st.DataObject) -> None:
    """Whatever is not refused holds every class in every part."""
    counts = data.draw(st.lists(st.integers(1, 60), min_size=2, max_size=5))
    labels = np.repeat(np.arange(len(counts)), counts)
    shares = data.draw(st.sampled_from([None, (0.8, 0.1, 0.1), (0.5, 0.2, 0.1), (0.2, 0.4, 0.4)]))
    seed = data.draw(st.integers(0, 2**32 - 1))
    try:
        parts = divide(len(labels), Constraints(labels=labels), shares, seed)
    except ValueError as error:
        assert str(error).startswith(("`targets` hold ", "`split` leaves a part empty"))
        return
    sizes = np.diff(part_ends(len(labels), shares), prepend=0)
    assert [len(part) for part in parts] == sizes.tolist()
    check_disjoint(parts, len(labels), sizes.sum())
    for part, size in zip(parts, sizes, strict=True):
        found = np.bincount(labels[part], minlength=len(counts))
        assert found.min() > 0
        np.testing.assert_allclose(found, np.array(counts) * size / len(labels), atol=2)


@given(st.integers(4, 300), st.data())
def test_fewest_is_enough(samples: int, data: st.DataObject) -> None:
    """Whatever order scikit-learn rounds in; also where some samples stay unused."""
    sizes = data.draw(st.lists(st.integers(1, samples // 2), min_size=2, max_size=3))
    counts = np.array(sizes)
    needed = smallest_class(samples, counts)
    if counts.sum() > samples or 2 * needed > samples:
        return
    labels = np.arange(samples) >= needed
    for part in by_class(labels, counts, data.draw(st.integers(0, 1000))):
        assert set(labels[part]) == {False, True}


@pytest.mark.parametrize("classes", range(2, 12))
def test_ten_of_each_class_are_enough_by_default(classes: int) -> None:
    labels = np.arange(10 * classes) % classes
    for part in divide(len(labels), Constraints(labels=labels), None, 0):
        assert set(labels[part]) == set(range(classes))


def test_a_rare_class_is_named() -> None:
    labels = np.r_[np.arange(100) % 10, 99, [98] * 10]
    with pytest.raises(ValueError, match="`targets` hold 1 of class 99, but a stratified split"):
        divide(len(labels), Constraints(labels=labels), None, 0)


def test_the_division_is_scikit_learns() -> None:
    """Two calls of `train_test_split`, so that others can make the same parts."""
    labels = np.arange(199) % 3
    train, rest = train_test_split(np.arange(199), test_size=0.3, random_state=5, stratify=labels)
    validation, test = train_test_split(rest, test_size=0.5, random_state=5, stratify=labels[rest])
    for one, other in zip(
        divide(199, Constraints(labels=labels), None, 5), (train, validation, test), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_the_seed_decides() -> None:
    for known in (
        Constraints(),
        Constraints(labels=np.arange(100) % 2),
        Constraints(groups=np.arange(100) // 4),
    ):
        one, again, other = (divide(100, known, None, seed) for seed in (0, 0, 1))
        check_disjoint(one, 100)
        assert all(np.array_equal(a, b) for a, b in zip(one, again, strict=True))
        assert not all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    for seed in (-1, 2**32):
        with pytest.raises(ValueError, match=f"`seed` is {seed}, but must be from 0"):
            divide(100, Constraints(), None, seed)


@given(st.lists(st.integers(1, 30), min_size=3, max_size=40), st.integers(0, 100))
def test_no_group_is_in_two_parts(sizes: list[int], seed: int) -> None:
    groups = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))
    if len(groups) < 7:  # too few for three parts at all
        return
    parts = divide(len(groups), Constraints(groups=groups), None, seed)
    check_disjoint(parts, len(groups))
    found = [set(groups[part].tolist()) for part in parts]
    assert sum(map(len, found)) == len(sizes) and all(found)


def test_group_parts_are_near_their_shares() -> None:
    """Also where groups differ in size, and where only some hold a class."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), rng.integers(5, 100, 40))
    labels = np.where(groups % 4 == 0, 1, 0)
    both = divide(len(groups), Constraints(labels=labels, groups=groups), None, 0)
    for parts in (divide(len(groups), Constraints(groups=groups), None, 0), both):
        shares = [len(part) / len(groups) for part in parts]
        np.testing.assert_allclose(shares, (0.7, 0.15, 0.15), atol=0.03)
    for part in both:
        assert labels[part].mean() == pytest.approx(labels.mean(), abs=0.05)
    huge = np.r_[np.zeros(60), np.arange(1, 41)]  # one group with sixty of a hundred rows
    sizes = [len(part) for part in divide(100, Constraints(groups=huge), None, 0)]
    np.testing.assert_allclose(sizes, (70, 15, 15), atol=2)


def test_a_share_of_groups_may_stay_unused() -> None:
    groups = np.arange(100) // 2
    parts = divide(100, Constraints(groups=groups), (0.4, 0.2, 0.2), 0)
    assert [len(part) for part in parts] == pytest.approx([40, 20, 20], abs=2)


def test_too_few_groups() -> None:
    with pytest.raises(ValueError, match="`group` has 2 values, but must have at least 3"):
        divide(100, Constraints(groups=np.arange(100) % 2), None, 0)


def test_parts_that_are_given_are_kept() -> None:
    names = np.array(PARTS)[np.arange(30) % 3]
    parts = divide(30, Constraints(parts=names), None, 0)
    for k, part in enumerate(parts):
        np.testing.assert_array_equal(part, np.arange(k, 30, 3))
    with pytest.raises(ValueError, match="but the data has three parts of its own"):
        divide(30, Constraints(parts=names), (0.7, 0.15, 0.15), 0)


def test_validation_comes_out_of_train() -> None:
    names = np.repeat(["test", "train"], [50, 100])
    labels, groups = np.arange(150) % 2, np.arange(150) // 5
    train, validation, test = divide(150, Constraints(labels=labels, parts=names), None, 0)
    np.testing.assert_array_equal(test, np.arange(50))
    np.testing.assert_array_equal(np.sort(np.r_[train, validation]), np.arange(50, 150))
    assert len(validation) == 17 and 8 <= labels[validation].sum() <= 9  # 15 of 85 parts
    train, validation, _ = divide(150, Constraints(groups=groups, parts=names), (0.4, 0.4, 0.2), 0)
    np.testing.assert_array_equal(np.sort(np.r_[train, validation]), np.arange(50, 150))
    assert len(validation) == 50 and not set(groups[train]) & set(groups[validation])
    train, validation, _ = divide(150, Constraints(parts=names), (80, 20, 1), 0)
    np.testing.assert_array_equal(np.sort(np.r_[train, validation]), np.arange(50, 150))
    assert len(validation) == 20


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["train", "testing"], "`split` names 'testing', but must name one of"),
        (["train", "train"], "`test` is empty, but must hold at least one sample"),
        (["test", "test"], "`train` is empty, but must hold at least one sample"),
        (["train", "test"], "`train` holds 1, too few to take `validation` out of it"),
    ],
)
def test_bad_parts(names: list[str], message: str) -> None:
    with pytest.raises(ValueError) as error:
        divide(2, Constraints(parts=np.array(names)), None, 0)
    assert message in str(error.value)
