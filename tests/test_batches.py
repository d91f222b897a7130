"""What steps and evaluation read: tables of integers, and samples that tell who they are."""

import jax
import numpy as np
import pytest

from jaxrnn.data.split import Split
from jaxrnn.tasks.spec import TaskSpec
from jaxrnn.training import batches
from jaxrnn.training.batches import (
    Batches,
    RaggedSamples,
    Samples,
    Segment,
    batch_size,
    evaluation_batches,
    stretches,
)

PROBLEM = TaskSpec(inputs=2, outputs=3, lengths_differ=True)
LABELS = TaskSpec(inputs=2, outputs=3, lengths_differ=True, per_step=True)
EVEN = TaskSpec(inputs=2, outputs=3, lengths_differ=False)
TEXT = TaskSpec(
    inputs=0, outputs=9, lengths_differ=False, vocabulary=9, per_step=True, stateful=True
)

# Segments


def test_a_text_is_read_in_its_order() -> None:
    assert stretches(3, 3).tolist() == [[0, 3, 6], [1, 4, 7], [2, 5, 8]]
    assert stretches(1, 4).tolist() == [[0, 1, 2, 3]]
    assert stretches(4, 1).tolist() == [[0], [1], [2], [3]]


def test_a_whole_segment() -> None:
    segment = Segment.whole(np.arange(6).reshape(1, 3, 2), np.array([1, 0, 2]), 5)
    assert segment.order.dtype == segment.buckets.dtype == np.int32
    assert segment.buckets.tolist() == [1, 0, 2]
    assert [int(one) for one in (*segment.steps, segment.epoch)] == [3, 0, 3, 5]


def test_everybody_finds_the_own_order_in_a_segment() -> None:
    orders = np.arange(12).reshape(3, 2, 2)
    segment = Segment.whole(orders, np.zeros(2), 5)
    for behind in (5, 6, 7):
        assert [int(one) for one in segment.row_and_epoch(np.int32(behind))] == [behind - 5, behind]
    alone = Segment.whole(orders[:1], np.zeros(2), 5)
    assert [int(one) for one in alone.row_and_epoch(np.int32(3))] == [0, 5]  # all are equally far


# Evaluation


def split(count: int, time: int = 5, every: bool = False, seed: int = 0) -> Split:
    """Samples whose inputs tell who they are."""
    rng = np.random.default_rng(seed)
    inputs = np.arange(1, count * time * 2 + 1).reshape(count, time, 2).astype(np.float32)
    targets = rng.integers(1, 9, (count, time) if every else count).astype(np.int32)
    lengths = rng.integers(1, time + 1, count).astype(np.int32)
    return Split(inputs, targets, lengths)


def read(samples: RaggedSamples, rows: list[int], bucket: int) -> tuple[Samples, tuple[int, ...]]:
    """What a step gets, made as long as the last bucket, and the shape it had."""
    shapes: list[tuple[int, ...]] = []

    def padded(found: Samples) -> Samples:
        shapes.append(found.inputs.shape)
        more = samples.boundaries[-1] - found.inputs.shape[1]

        def long(leaf: jax.Array) -> jax.Array:
            return jax.numpy.pad(leaf, [(0, 0), (0, more)] + [(0, 0)] * (leaf.ndim - 2))

        targets = long(found.targets) if samples.per_step else found.targets
        return Samples(long(found.inputs), targets, found.lengths)

    on_device = jax.tree.map(jax.numpy.asarray, samples)
    return jax.jit(on_device.read, static_argnums=2)(
        np.array(rows, np.int32), np.int32(bucket), padded
    ), shapes[bucket]


@pytest.mark.parametrize("every", [False, True])
def test_ragged_samples_are_read_as_they_were(every: bool) -> None:
    """Every sample up to its length, in any bucket that holds it; nothing is stored twice."""
    given = split(30, 9, every=every)
    samples = RaggedSamples.ragged(Samples.of(given), every, (3, 6, 9))
    stored = int(given.lengths.sum())
    assert stored <= len(samples.inputs) < stored + 9
    assert len(samples.targets) == (len(samples.inputs) if every else 30)
    for bucket, time in enumerate((3, 6, 9)):
        rows = np.flatnonzero(given.lengths <= time)[::-1].tolist()
        found, shape = read(samples, rows, bucket)
        assert shape == (len(rows), time, 2)
        assert found.lengths.tolist() == given.lengths[rows].tolist()
        for k, row in enumerate(rows):
            true = int(given.lengths[row])
            np.testing.assert_array_equal(found.inputs[k, :true], given.inputs[row, :true])
            if every:
                np.testing.assert_array_equal(found.targets[k, :true], given.targets[row, :true])
            else:
                assert found.targets[k] == given.targets[row]


@pytest.mark.parametrize("every", [False, True])
def test_dense_samples_are_not_copied(every: bool) -> None:
    given = split(7, every=every)
    samples = RaggedSamples.dense(Samples.of(given), every)
    assert samples.inputs is given.inputs and samples.targets is given.targets
    assert samples.boundaries == (5,)
    found, _ = read(samples, [6, 0], 0)
    np.testing.assert_array_equal(found.inputs, given.inputs[[6, 0]])
    np.testing.assert_array_equal(found.targets, given.targets[[6, 0]])
    longer = samples.resized(9, 9)
    assert len(longer.inputs) == len(longer.targets) == len(longer.lengths) == 9


SIMILAR = [(512, 513), (40, 50)]
"""Numbers of samples so much alike that one program evaluates both splits."""


@pytest.mark.parametrize("problem", [PROBLEM, LABELS, EVEN])
@pytest.mark.parametrize("counts", [(1, 40), (300, 40), (1030, 300), *SIMILAR])
def test_batches_hold_both_splits(counts: tuple[int, int], problem: TaskSpec) -> None:
    """Every sample once, short ones first, in a bucket that holds it."""
    given = [split(count, every=problem.per_step) for count in counts]
    if not problem.lengths_differ:
        given = [Split(part.inputs, part.targets, np.full(len(part), 5)) for part in given]
    both = evaluation_batches(given, problem)
    shapes = [[leaf.shape for leaf in jax.tree.leaves(part)] for part in both]
    assert (shapes[0] == shapes[1]) == (counts in SIMILAR)
    for part, found in zip(given, both, strict=True):
        size = found.rows.shape[1]
        assert found.used == -(-len(part) // size)
        true = found.weights.reshape(-1) > 0
        np.testing.assert_array_equal(true, np.arange(found.rows.size) < len(part))
        rows = found.rows.reshape(-1)[true]
        assert sorted(rows.tolist()) == list(range(len(part)))
        assert (np.diff(part.lengths[rows]) >= 0).all()
        time = np.array(found.samples.boundaries)[found.buckets]
        assert (part.lengths[found.rows] <= time[:, None]).all()
        targets, lengths = found.targets_and_lengths
        np.testing.assert_array_equal(lengths, part.lengths[found.rows])
        if not problem.per_step:
            np.testing.assert_array_equal(targets, part.targets[found.rows])


def text(blocks: int, time: int = 3) -> Split:
    tokens = np.arange(blocks * time + 1, dtype=np.int32)
    lengths = np.full(blocks, time, np.int32)
    return Split(tokens[:-1].reshape(-1, time), tokens[1:].reshape(-1, time), lengths)


@pytest.mark.parametrize("blocks", [1, 63, 64, 65, 130, 200])
def test_rows_of_a_text_go_on_from_batch_to_batch(blocks: int) -> None:
    found, _ = evaluation_batches([text(blocks), text(200)], TEXT)
    rows = found.rows.shape[1]
    assert rows == max(1, blocks // 16) and found.used == -(-blocks // rows)
    used = int(found.used)
    assert found.weights.sum() == blocks and not found.weights[used:].any()
    counted = found.weights[:used].T.reshape(-1) > 0
    by_row = found.rows[:used].T.reshape(-1)  # row after row: the text
    np.testing.assert_array_equal(by_row[counted], np.arange(blocks))
    assert (np.diff(counted.astype(int)) <= 0).all()


def test_sizes_of_batches() -> None:
    """Equal parts of the smallest split, of at most 512; about eight where lengths differ."""
    assert batches.EVALUATION_BATCH == 512
    table = [
        (EVEN, (512, 900), 512),
        (EVEN, (513, 900), 257),
        (EVEN, (900, 47), 47),
        (PROBLEM, (47, 370), 24),
        (PROBLEM, (20, 370), 20),
        (PROBLEM, (400, 370), 42),
        (PROBLEM, (90000, 80000), 510),
        (TEXT, (200, 208), 12),
        (TEXT, (7, 300), 1),
        (TEXT, (5000, 3000), 64),
    ]
    for problem, sizes, expected in table:
        assert batch_size(sizes, problem) == expected


def test_an_evaluation_of_several_lengths_computes_little_padding() -> None:
    lengths = np.random.default_rng(0).integers(1, 100, 400).astype(np.int32)
    one = Split(np.zeros((400, 100, 2), np.float32), np.zeros(400, np.int32), lengths)
    found: Batches = evaluation_batches([one, one], PROBLEM)[0]
    longest = lengths[found.rows].max(1)
    assert longest.sum() * found.rows.shape[1] < 1.15 * lengths.sum()
