"""Buckets of lengths: the steps that batches are padded to, and an order of samples that fits them.

A program is compiled for every bucket, and a step costs what its bucket is long. Boundaries are
chosen by dynamic programming over the lengths that there are. The order is shuffled anew in every
epoch, within each bucket; the bucket of step k is the same in every epoch, so that members which
are at different epochs still run the same code.
"""

import numpy as np

MAX_BUCKETS = 4
"""Most buckets of a split: each is compiled for seconds."""
LEAST_GAIN = 0.08
"""Share of the padded steps that one more bucket must save."""
POOL = 16
"""Microbatches within which sequences are sorted by length."""


def microbatch_lengths(lengths: np.ndarray, microbatch: int) -> np.ndarray:
    """Return a bound on the longest sample of each microbatch, ascending, `(steps,)`.

    Samples are in order of their length. An incomplete microbatch is left out, whichever samples it
    is made of, so that others may move up.

    Args:
        lengths: True lengths of all samples, `(samples,)`.
        microbatch: Samples of a step.
    """
    left_over = len(lengths) % microbatch
    return np.sort(lengths)[microbatch - 1 + left_over :: microbatch]


def choose_boundaries(longest: np.ndarray, most: int = MAX_BUCKETS) -> tuple[int, ...]:
    """Choose boundaries between buckets, by which batches have the fewest steps, ascending.

    Args:
        longest: Longest sample of each batch, `(batches,)`.
        most: Most buckets; fewer where one more would save little.
    """
    values, counts = np.unique(longest, return_counts=True)
    begins = np.concatenate([[0], np.cumsum(counts)])
    # Row i and column j: the steps of one bucket for values i to j.
    steps = values[None] * (begins[None, 1:] - begins[:-1, None])
    steps = np.where(np.tri(len(values), k=-1) > 0, np.inf, steps)
    cost, cuts = steps[0], []
    chosen = 1
    costs = [cost]
    for _ in range(min(most, len(values)) - 1):
        # Before bucket (i, j) lie the values up to i - 1.
        totals = np.concatenate([[np.inf], cost[:-1]])[:, None] + steps
        cuts.append(totals.argmin(0))
        cost = totals.min(0)
        costs.append(cost)
    for number in range(1, len(costs)):
        if costs[number][-1] <= (1 - LEAST_GAIN) * costs[chosen - 1][-1]:
            chosen = number + 1
    last, boundaries = len(values) - 1, []
    for cut in reversed(cuts[: chosen - 1]):
        boundaries.append(int(values[last]))
        last = int(cut[last]) - 1
    return (*reversed([*boundaries, int(values[last])]),)


def buckets_of(longest: np.ndarray, boundaries: tuple[int, ...]) -> np.ndarray:
    """Return the first bucket that holds batches of these longest samples, `(batches,)` int32."""
    return np.searchsorted(boundaries, longest).astype(np.int32)


def epoch_buckets(
    lengths: np.ndarray, microbatch: int, seed: int, boundaries: tuple[int, ...]
) -> np.ndarray:
    """Return the bucket of every step of `epoch_order`, `(steps,)` int32; see there."""
    ascending = buckets_of(microbatch_lengths(lengths, microbatch), boundaries)
    return ascending[_positions(len(ascending), seed)]


def epoch_order(
    lengths: np.ndarray, microbatch: int, seed: int, epoch: int, boundaries: tuple[int, ...]
) -> np.ndarray:
    """Return the sample indices of one epoch, `(steps, microbatch)`, the same for every member.

    The incomplete microbatch at its end is left out, others in every epoch. Where lengths differ,
    microbatches hold samples of about the same one: buckets are shuffled, and pools of microbatches
    sorted.

    Args:
        lengths: True lengths of all samples, `(samples,)`.
        microbatch: Samples of a step.
        seed: Seed of all epochs.
        epoch: Index of the epoch.
        boundaries: Steps that the samples of each bucket are padded to, ascending.
    """
    steps, rng = len(lengths) // microbatch, np.random.default_rng((seed, epoch))
    order = rng.permutation(len(lengths)).astype(np.int32)[: steps * microbatch]
    if lengths.min() == lengths.max():
        return order.reshape(steps, microbatch)
    ascending = order[np.argsort(lengths[order], kind="stable")].reshape(steps, microbatch)
    buckets = buckets_of(microbatch_lengths(lengths, microbatch), boundaries)
    shuffled = [_shuffled(ascending[buckets == b], lengths, rng) for b in np.unique(buckets)]
    return np.concatenate(shuffled)[_positions(steps, seed)]


def _positions(steps: int, seed: int) -> np.ndarray:
    """Return which step of those in order of length is taken at every step of an epoch."""
    return np.random.default_rng(seed).permutation(steps)


def _shuffled(bucket: np.ndarray, lengths: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the samples of a bucket in other microbatches, `(steps, microbatch)`."""
    microbatch = bucket.shape[1]
    order, pool = rng.permutation(bucket.reshape(-1)), POOL * microbatch
    pools = (order[begin : begin + pool] for begin in range(0, len(order), pool))
    alike = [part[np.argsort(lengths[part], kind="stable")] for part in pools]
    return rng.permutation(np.concatenate(alike).reshape(-1, microbatch))


def padded_share(lengths: np.ndarray, order: np.ndarray) -> float:
    """Return the share of the recurrent steps of an epoch that are padding, from 0 to 1.

    Args:
        lengths: True lengths of all samples, `(samples,)`.
        order: Sample indices of the epoch, `(steps, microbatch)`.
    """
    in_order = lengths[order]
    return float(1.0 - in_order.sum() / (in_order.max(1).sum() * order.shape[1]))
