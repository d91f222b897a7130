"""Buckets of lengths: the steps that batches are padded to, and an order of samples that fits them.

A program is compiled for every bucket, and a step costs what its bucket is long. Boundaries are
chosen by dynamic programming over the lengths that there are. The order is shuffled anew in every
epoch, within each bucket; the bucket of step k is the same in every epoch, so that members which
are at different epochs still run the same code.
"""

from collections.abc import Sequence

import numpy as np

MAX_BUCKETS, MAX_FIXED_BUCKETS = 4, 8
"""Most buckets of a split, since compiling each takes seconds: where loops over time end with the
longest sequence, and where they always run to the end of the bucket."""
LEAST_GAIN = 0.04
"""Share of the steps, padding included, that one more bucket must save."""
LEAST_STEPS = 1500
"""Steps of samples that one more bucket must save in an epoch. Over some hundred trial-epochs they
take longer than its compilation."""
MOST_VALUES = 512
"""Most lengths among which boundaries are chosen; choosing takes their square in memory."""
POOL = 16
"""Microbatches within which sequences are sorted by length."""


def microbatch_lengths(lengths: np.ndarray, microbatch: int) -> np.ndarray:
    """Return a bound on the longest sample of each microbatch, ascending, `(steps,)`.

    Samples are in order of their length. Any samples may be left out that fill no microbatch, so
    that those of each step may be longer by as many places.

    Args:
        lengths: True lengths of all samples, `(samples,)`.
        microbatch: Samples of a step.
    """
    left_over = len(lengths) % microbatch
    return np.sort(lengths)[microbatch - 1 + left_over :: microbatch]


def choose_boundaries(longest: np.ndarray, batch: int, most: int = MAX_BUCKETS) -> tuple[int, ...]:
    """Choose boundaries between buckets, ascending, by which batches have the fewest steps.

    Dynamic programming finds the best for every number of buckets. Of these numbers the largest is
    taken whose additional buckets save enough. Where there are more than `MOST_VALUES` lengths, so
    many of them are tried, evenly spaced in their order.

    Args:
        longest: Longest sample of each batch, `(batches,)`.
        batch: Samples of a batch.
        most: Most buckets.
    """
    ascending = np.unique(longest)
    chosen = np.linspace(0, len(ascending) - 1, min(len(ascending), MOST_VALUES))
    values = ascending[np.ceil(chosen).astype(int)]
    counts = np.bincount(np.searchsorted(values, longest), minlength=len(values))
    begins = np.concatenate([[0], np.cumsum(counts)]) * batch
    # Row i and column j: padded steps of one bucket for values i to j.
    steps = np.where(
        np.tri(len(values), k=-1) > 0, np.inf, values[None] * (begins[None, 1:] - begins[:-1, None])
    )
    costs, cuts = [steps[0]], []
    for _ in range(min(most, len(values)) - 1):
        # The buckets before one for values i to j hold those up to i - 1.
        totals = np.concatenate([[np.inf], costs[-1][:-1]])[:, None] + steps
        cuts.append(totals.argmin(0))
        costs.append(totals.min(0))
    count = _worthwhile([cost[-1] for cost in costs])
    last, boundaries = len(values) - 1, []
    for cut in reversed(cuts[: count - 1]):
        boundaries.append(int(values[last]))
        last = int(cut[last]) - 1
    return (int(values[last]), *reversed(boundaries))


def _worthwhile(costs: Sequence[float]) -> int:
    """Return how many buckets are worth compiling, from the padded steps of one, two, and so on."""
    chosen = 1
    for count, cost in enumerate(costs, 1):
        before = costs[chosen - 1]
        least = max(LEAST_GAIN * before, LEAST_STEPS) * (count - chosen)
        if before - cost >= least > 0:
            chosen = count
    return chosen


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


def padded_share(lengths: np.ndarray, order: np.ndarray, time: np.ndarray | None = None) -> float:
    """Return the share of the recurrent steps of an epoch that are padding, from 0 to 1.

    Args:
        lengths: True lengths of all samples, `(samples,)`.
        order: Sample indices of the epoch, `(steps, microbatch)`.
        time: Steps computed for each microbatch, `(steps,)`; by default its longest sample.
    """
    in_order = lengths[order]
    computed = in_order.max(1) if time is None else time
    return float(1.0 - in_order.sum() / (computed.sum() * order.shape[1]))
