"""Which samples a step sees: tables of integers, and counts by brute force."""

import numpy as np
import pytest

from jaxrnn.data.split import Split
from jaxrnn.network import scan
from jaxrnn.tasks.spec import TaskSpec
from jaxrnn.training import batches
from jaxrnn.training.batches import Batches, Segment, epoch_order, padded_share, stretches

EVEN = np.full(50, 9)
SEVERAL = np.random.default_rng(0).integers(1, 30, 500)
PROBLEM = TaskSpec(inputs=2, outputs=3, lengths_differ=True)
LABELS = TaskSpec(inputs=2, outputs=3, lengths_differ=True, per_step=True)
TEXT = TaskSpec(
    inputs=0, outputs=9, lengths_differ=False, vocabulary=9, per_step=True, stateful=True
)

# Order


@pytest.mark.parametrize("lengths", [EVEN, SEVERAL], ids=["even", "several"])
@pytest.mark.parametrize("microbatch", [1, 7, 16, 50])
def test_an_order_holds_every_sample_at_most_once(lengths: np.ndarray, microbatch: int) -> None:
    """All of them but those of the incomplete microbatch, others in the next epoch."""
    steps = len(lengths) // microbatch
    first, again, second, other = (
        epoch_order(lengths, microbatch, *which) for which in ((4, 0), (4, 0), (4, 1), (5, 0))
    )
    assert first.shape == (steps, microbatch) and first.dtype.kind == "i"
    assert len(np.unique(first)) == first.size
    assert first.min() >= 0 and first.max() < len(lengths)
    np.testing.assert_array_equal(first, again)
    assert (first != second).mean() > 0.5 and (first != other).mean() > 0.5


def test_left_over_samples_differ_from_epoch_to_epoch() -> None:
    orders = [epoch_order(SEVERAL, 16, 0, epoch) for epoch in range(9)]
    missing = [set(range(500)) - set(order.ravel().tolist()) for order in orders]
    assert all(len(left) == 4 for left in missing)
    assert len(set().union(*missing)) > 20


def test_similar_lengths_are_together() -> None:
    """A microbatch covers a sixteenth of the lengths of its pool, and none lies between."""
    order = epoch_order(SEVERAL, 16, 0, 0)
    spans = [(SEVERAL[rows].min(), SEVERAL[rows].max()) for rows in order]
    assert np.mean([high - low for low, high in spans]) < 5
    at_random = np.random.default_rng(1).permutation(496).reshape(31, 16)
    assert np.mean([np.ptp(SEVERAL[rows]) for rows in at_random]) > 20
    assert np.mean(np.diff([low for low, _ in spans]) < 0) > 0.3  # not from short to long


def test_pools_are_of_sixteen_microbatches() -> None:
    """Some samples at random are sorted among each other: two pools of 16 steps, one of 1."""
    lengths = np.arange(1, 3 * 33 + 1)
    order = epoch_order(lengths, 3, 0, 0)
    drawn = np.random.default_rng((0, 0)).permutation(99)
    pools = [np.sort(drawn[begin : begin + 48]) for begin in (0, 48, 96)]
    expected = {tuple(rows) for pool in pools for rows in pool.reshape(-1, 3).tolist()}
    assert {tuple(rows) for rows in order.tolist()} == expected


def test_a_text_is_read_in_its_order() -> None:
    expected = [[0, 3, 6], [1, 4, 7], [2, 5, 8]]
    lengths = np.full(11, 4)
    for epoch in (0, 1):
        order = epoch_order(lengths, 3, 7, epoch, stateful=True)
        assert order.tolist() == expected  # 9 and 10 are left over
    assert stretches(1, 4).tolist() == [[0, 1, 2, 3]]
    assert stretches(4, 1).tolist() == [[0], [1], [2], [3]]


def test_a_whole_segment() -> None:
    segment = Segment.whole(np.arange(6).reshape(1, 3, 2), 5)
    assert segment.order.dtype == np.int32
    assert [int(one) for one in (*segment.steps, segment.epoch)] == [3, 0, 3, 5]


def test_everybody_finds_the_own_order_in_a_segment() -> None:
    orders = np.arange(12).reshape(3, 2, 2)
    segment = Segment.whole(orders, 5)
    for behind in (5, 6, 7):
        assert [int(one) for one in segment.row_and_epoch(np.int32(behind))] == [behind - 5, behind]
    alone = Segment.whole(orders[:1], 5)
    assert [int(one) for one in alone.row_and_epoch(np.int32(3))] == [0, 5]  # all are equally far


# Padding


@pytest.mark.parametrize(("time", "microbatch"), [(30, 16), (29, 7), (3, 4), (1, 2), (100, 5)])
def test_padded_share_by_brute_force(time: int, microbatch: int) -> None:
    lengths = np.random.default_rng(time).integers(1, time + 1, 60)
    lengths[0] = time
    order = epoch_order(lengths, microbatch, 0, 0)
    size = min(time, max(4, -(-time // 8)))
    true = computed = 0
    for rows in order:
        read = 0
        while read < lengths[rows].max():
            read += size
        computed += read * len(rows)
        true += lengths[rows].sum()
    assert padded_share(lengths, order, time, True) == pytest.approx(1 - true / computed)
    whole = 1 - true / (time * order.size)
    assert padded_share(lengths, order, time, False) == pytest.approx(whole)


def test_without_padding_the_share_is_zero() -> None:
    lengths = np.full(12, 9)
    assert padded_share(lengths, epoch_order(lengths, 4, 0, 0), 9, False) == 0.0


def test_chunks_cover_every_step_once() -> None:
    for time in range(1, 70):
        size = scan.chunk_length(time)
        assert 1 <= size <= time and -(-time // size) <= 8
        assert size >= min(4, time)
        for longest in range(1, time + 1):
            read = scan.steps_read(time, longest)
            assert longest <= read < longest + size


# Evaluation


def split(count: int, time: int = 5, every: bool = False, seed: int = 0) -> Split:
    """Samples whose inputs tell who they are."""
    rng = np.random.default_rng(seed)
    inputs = np.arange(1, count * time * 2 + 1).reshape(count, time, 2).astype(np.float32)
    targets = rng.integers(1, 9, (count, time) if every else count).astype(np.int32)
    lengths = rng.integers(1, time + 1, count).astype(np.int32)
    return Split(inputs, targets, lengths)


@pytest.mark.parametrize("every", [False, True])
@pytest.mark.parametrize("count", [1, 40, 512, 513, 1030])
def test_batches_hold_a_split(count: int, every: bool) -> None:
    """Every sample once with its own target and length, short ones first, padding behind."""
    given, most, time = split(count, every=every), 1030, 7
    batches = Batches.of(given, [most], time, LABELS if every else PROBLEM)
    assert batches.weights.shape == (3, 344)
    assert batches.used == -(-count // 344)
    inputs, targets, lengths = (leaf.reshape(-1, *leaf.shape[2:]) for leaf in batches.samples)
    weights = batches.weights.reshape(-1)
    np.testing.assert_array_equal(weights, np.arange(3 * 344) < count)
    assert inputs.shape == (3 * 344, time, 2) and (np.diff(lengths[:count]) >= 0).all()
    assert not inputs[count:].any() and not targets[count:].any() and (lengths[count:] == 1).all()
    assert not inputs[:, 5:].any()
    who = ((inputs[:count, 0, 0] - 1) / 10).astype(int)
    assert sorted(who.tolist()) == list(range(count))
    np.testing.assert_array_equal(inputs[:count, :5], given.inputs[who])
    np.testing.assert_array_equal(lengths[:count], given.lengths[who])
    np.testing.assert_array_equal(
        targets[:count, :5] if every else targets[:count], given.targets[who]
    )


def text(blocks: int, time: int = 3) -> Split:
    tokens = np.arange(blocks * time + 1, dtype=np.int32)
    lengths = np.full(blocks, time, np.int32)
    return Split(tokens[:-1].reshape(-1, time), tokens[1:].reshape(-1, time), lengths)


@pytest.mark.parametrize("blocks", [1, 63, 64, 65, 130, 200])
def test_rows_of_a_text_go_on_from_batch_to_batch(blocks: int) -> None:
    batches = Batches.of(text(blocks), [200, 208], 3, TEXT)
    count, rows = batches.weights.shape
    assert (count, rows) == (18, 12) and batches.used == -(-blocks // 12)
    used = int(batches.used)
    assert batches.weights.sum() == blocks and not batches.weights[used:].any()
    by_row = batches.samples.inputs[:used].swapaxes(0, 1).reshape(-1)  # row after row: the text
    counted = np.repeat(batches.weights[:used].T.reshape(-1), 3) > 0
    np.testing.assert_array_equal(by_row[counted], np.arange(blocks * 3))
    assert (np.diff(counted.astype(int)) <= 0).all()


def test_both_splits_fit_one_shape() -> None:
    for problem, one, other in (
        (PROBLEM, split(700, 5), split(30, 8)),
        (LABELS, split(700, 5, every=True), split(30, 8, every=True)),
        (TEXT, text(300), text(7)),
    ):
        most, time = 700 if problem is not TEXT else 300, 8 if problem is not TEXT else 3
        both = [Batches.of(part, [most, len(other)], time, problem) for part in (one, other)]
        shapes = [[leaf.shape for leaf in (*own.samples, own.weights)] for own in both]
        assert shapes[0] == shapes[1]
        assert np.prod(shapes[0][-1]) < most + shapes[0][-1][0]


def test_batches_are_of_at_most_512() -> None:
    assert batches.EVALUATION_BATCH == 512
    assert Batches.of(split(512), [512], 5, PROBLEM).weights.shape == (1, 512)
    assert Batches.of(split(512), [513], 5, PROBLEM).weights.shape == (2, 257)
