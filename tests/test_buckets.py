"""Buckets of lengths and the order of an epoch: tables, brute force, counts over many epochs."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxrnn.training import buckets
from jaxrnn.training.buckets import (
    buckets_of,
    choose_boundaries,
    epoch_buckets,
    epoch_order,
    microbatch_lengths,
    padded_share,
)

EVEN = np.full(50, 9)
SEVERAL = np.random.default_rng(0).integers(1, 30, 500)
THREE = (8, 17, 29)


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> None:
    """Buckets cost nothing."""
    monkeypatch.setattr(buckets, "LEAST_GAIN", 1e-9)
    monkeypatch.setattr(buckets, "LEAST_STEPS", 1e-9)


# Boundaries


def cost(longest: np.ndarray, boundaries: tuple[int, ...]) -> int:
    """Padded steps, batch by batch."""
    return sum(min(b for b in boundaries if b >= most) for most in longest.tolist())


@pytest.mark.usefixtures("free")
@given(st.lists(st.integers(1, 40), min_size=1, max_size=9), st.integers(1, 4))
@settings(max_examples=60)
def test_no_other_boundaries_are_better(longest: list[int], most: int) -> None:
    batches = np.array(longest)
    chosen = choose_boundaries(batches, 3, most)
    assert list(chosen) == sorted(set(chosen)) and chosen[-1] == max(longest)
    values = sorted(set(longest))[:-1]
    others = [
        (*some, max(longest))
        for count in range(min(most, len(values) + 1))
        for some in combinations(values, count)
    ]
    assert cost(batches, chosen) == min(cost(batches, other) for other in others)


@pytest.mark.usefixtures("free")
def test_of_many_lengths_some_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """The longest among them, and others that are nearly as good as the best."""
    longest = np.random.default_rng(0).integers(1, 300, 400)
    best = choose_boundaries(longest, 8, 4)
    monkeypatch.setattr(buckets, "MOST_VALUES", 40)
    chosen = choose_boundaries(longest, 8, 4)
    assert chosen[-1] == longest.max() and set(chosen) <= set(longest.tolist())
    assert cost(longest, best) <= cost(longest, chosen) < 1.02 * cost(longest, best)


def test_boundaries_by_hand() -> None:
    """Each must save 4 % and 1,500 steps."""
    table = [
        ([9] * 50, 32, 4, (9,)),
        ([10] * 50 + [40] * 50, 32, 4, (10, 40)),
        ([10] * 50 + [40] * 50, 32, 1, (40,)),
        ([10, 40], 32, 4, (40,)),  # 960 steps are too few
        ([10, 40] * 3, 32, 4, (10, 40)),
        ([39] * 99 + [40] * 99, 32, 4, (40,)),  # 1 %
        ([10] * 90 + [20] * 90 + [40] * 90 + [80] * 90 + [160] * 9, 32, 4, (20, 40, 80, 160)),
    ]
    for longest, batch, most, expected in table:
        assert choose_boundaries(np.array(longest), batch, most) == expected


def test_the_first_bucket_that_holds_a_batch() -> None:
    assert buckets_of(np.array([1, 8, 9, 17, 18, 29]), THREE).tolist() == [0, 0, 1, 1, 2, 2]


@given(st.lists(st.integers(1, 9), min_size=3, max_size=40), st.integers(1, 3), st.integers(0, 99))
@settings(max_examples=60)
def test_a_bound_holds_whatever_is_left_out(lengths: list[int], microbatch: int, seed: int) -> None:
    true = np.array(lengths)
    bound = microbatch_lengths(true, microbatch)
    steps = len(true) // microbatch
    kept = np.random.default_rng(seed).permutation(len(true))[: steps * microbatch]
    assert (np.sort(true[kept]).reshape(steps, microbatch).max(1) <= bound).all()
    assert bound[-1] == true.max() and len(bound) == steps


# Order


@pytest.mark.parametrize("lengths", [EVEN, SEVERAL], ids=["even", "several"])
@pytest.mark.parametrize("microbatch", [1, 7, 16, 50])
def test_an_order_holds_every_sample_at_most_once(lengths: np.ndarray, microbatch: int) -> None:
    """All of them but those of the incomplete microbatch, others in the next epoch."""
    steps = len(lengths) // microbatch
    first, again, second, other = (
        epoch_order(lengths, microbatch, *which, THREE)
        for which in ((4, 0), (4, 0), (4, 1), (5, 0))
    )
    assert first.shape == (steps, microbatch) and first.dtype.kind == "i"
    assert len(np.unique(first)) == first.size
    assert first.min() >= 0 and first.max() < len(lengths)
    np.testing.assert_array_equal(first, again)
    assert (first != second).mean() > 0.5 and (first != other).mean() > 0.5


@given(
    st.lists(st.integers(1, 40), min_size=4, max_size=90),
    st.integers(1, 4),
    st.sets(st.integers(1, 40), max_size=3),
    st.integers(0, 3),
)
@settings(max_examples=80)
def test_every_step_fits_its_bucket(
    lengths: list[int], microbatch: int, some: set[int], epoch: int
) -> None:
    """In every epoch the same bucket at the same step."""
    true = np.array(lengths)
    boundaries = *sorted(b for b in some if b < true.max()), int(true.max())
    order = epoch_order(true, microbatch, 3, epoch, boundaries)
    chosen = epoch_buckets(true, microbatch, 3, boundaries)
    assert len(np.unique(order)) == order.size == len(true) // microbatch * microbatch
    assert (true[order].max(1) <= np.array(boundaries)[chosen]).all()


def test_left_over_samples_differ_from_epoch_to_epoch() -> None:
    orders = [epoch_order(SEVERAL, 16, 0, epoch, THREE) for epoch in range(9)]
    missing = [set(range(500)) - set(order.ravel().tolist()) for order in orders]
    assert all(len(left) == 4 for left in missing)
    assert len(set().union(*missing)) > 20


def test_similar_lengths_are_together() -> None:
    """A microbatch covers little of the lengths of its bucket."""
    order = epoch_order(SEVERAL, 16, 0, 0, THREE)
    spans = [(SEVERAL[rows].min(), SEVERAL[rows].max()) for rows in order]
    assert np.mean([high - low for low, high in spans]) < 3
    at_random = np.random.default_rng(1).permutation(496).reshape(31, 16)
    assert np.mean([np.ptp(SEVERAL[rows]) for rows in at_random]) > 20
    assert np.mean(np.diff([low for low, _ in spans]) < 0) > 0.3  # not from short to long


def test_pools_are_of_sixteen_microbatches() -> None:
    """Some samples at random are sorted among each other: two pools of 16 steps, one of 1."""
    lengths = np.arange(1, 3 * 33 + 1)
    order = epoch_order(lengths, 3, 0, 0, (99,))
    rng = np.random.default_rng((0, 0))
    rng.permutation(99)  # of which three times 33 are kept, and sorted
    drawn = rng.permutation(99)
    pools = [np.sort(drawn[begin : begin + 48]) for begin in (0, 48, 96)]
    expected = {tuple(rows) for pool in pools for rows in pool.reshape(-1, 3).tolist()}
    assert {tuple(rows) for rows in order.tolist()} == expected


def test_the_shuffle_is_fair() -> None:
    """Within a bucket of 12 microbatches any sample is at any step as often, by chi-square."""
    lengths, epochs = np.repeat([10, 20], 48), 2000
    chosen = epoch_buckets(lengths, 4, 1, (10, 20))
    counts = np.zeros((96, 24))
    together = np.zeros((96, 96))
    for epoch in range(epochs):
        order = epoch_order(lengths, 4, 1, epoch, (10, 20))
        counts[order, np.arange(24)[:, None]] += 1
        together[order[:, :, None], order[:, None]] += 1
    for bucket in (0, 1):
        rows = slice(48 * bucket, 48 * bucket + 48)
        seen = counts[rows][:, chosen == bucket]
        expected = epochs / 12
        # 48 x 12 cells with 47 x 11 degrees of freedom: mean 517, deviation 32.
        assert 517 - 160 < ((seen - expected) ** 2 / expected).sum() < 517 + 160
        assert not counts[rows][:, chosen != bucket].any()
        pairs = together[rows, rows][np.triu_indices(48, 1)]
        expected = epochs * 3 / 47
        assert abs(pairs / expected - 1).max() < 0.45  # five deviations of a count of 128


# Padding


@pytest.mark.parametrize("microbatch", [16, 7, 4, 1])
def test_padded_share_by_brute_force(microbatch: int) -> None:
    order = epoch_order(SEVERAL, microbatch, 0, 0, THREE)
    true = computed = 0
    for rows in order.tolist():
        true += sum(int(SEVERAL[row]) for row in rows)
        computed += max(int(SEVERAL[row]) for row in rows) * len(rows)
    assert padded_share(SEVERAL, order) == pytest.approx(1 - true / computed)


def test_padded_share_of_loops_to_the_end_of_the_bucket() -> None:
    lengths = np.array([1, 3, 4, 9])
    order = np.array([[0, 1], [2, 3]])
    assert padded_share(lengths, order, np.array([4, 9])) == pytest.approx(1 - 17 / 26)


def test_without_padding_the_share_is_zero() -> None:
    lengths = np.full(12, 9)
    assert padded_share(lengths, epoch_order(lengths, 4, 0, 0, (9,))) == 0.0


@pytest.mark.parametrize("seed", range(3))
def test_lengths_as_they_are_leave_little_padding(seed: int) -> None:
    """Of heavy tails, as sentences and recordings have: less than a tenth."""
    rng = np.random.default_rng(seed)
    lengths = np.clip(rng.lognormal(3.6, 0.45, 2000), 5, 226).astype(int)
    boundaries = choose_boundaries(microbatch_lengths(lengths, 32), 32)
    assert 2 <= len(boundaries) <= buckets.MAX_BUCKETS
    assert padded_share(lengths, epoch_order(lengths, 32, seed, 0, boundaries)) < 0.1
