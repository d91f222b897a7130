"""Parzen estimators of good configurations and of the others, fitted once for several proposals.

They are Optuna's own. Its `TPESampler` reads all trials and fits both anew for every value of every
proposal, which is right for a trial that trains for an hour and slow for a population.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers._tpe.parzen_estimator import _ParzenEstimator, _ParzenEstimatorParameters
from optuna.samplers._tpe.sampler import default_weights

from search.samplers.unit_cube import value_at
from search.space.space import Space
from search.trial import Proposal

CANDIDATES = 24
"""Values that are drawn for each one that is proposed, as in Optuna."""
PARAMETERS = _ParzenEstimatorParameters(
    prior_weight=1.0,
    consider_magic_clip=True,
    consider_endpoints=False,
    weights=default_weights,
    multivariate=False,
)
"""Options of Optuna's `TPESampler` that it has by default."""


class ParzenEstimators:
    """Draws proposals, and counts those that it has drawn among the others from the next fit on."""

    def __init__(
        self,
        space: Space,
        good: Sequence[Mapping[str, Any]],
        others: Sequence[Mapping[str, Any]],
        batch: int,
        seed: int,
    ) -> None:
        """Read the configurations.

        Args:
            space: Space of the configurations.
            good: Good configurations, in the order in which they were proposed.
            others: All others, in this order, also those that are pending.
            batch: Proposals that are drawn from each fit, at least 1.
            seed: Seed of the proposals.
        """
        self._space, self._batch = space, batch
        self._good, self._others = list(good), list(others)
        self._rng = np.random.RandomState(seed)
        self._draws: Iterator[dict[str, Any]] = iter(())

    def draw(self) -> Proposal:
        """Draw a proposal."""
        values = next(self._draws, None)
        if values is None:
            self._draws = self._fit()
            values = next(self._draws)
        proposal = Proposal(self._space.sample(lambda name, _: values[name]))
        self._others.append(proposal.configuration)
        return proposal

    def _fit(self) -> Iterator[dict[str, Any]]:
        """Fit the estimators, and yield values of all hyperparameters, `batch` times."""
        columns = [self._values(*item) for item in self._space.distributions.items()]
        for row in zip(*columns, strict=True):
            yield dict(zip(self._space.distributions, row, strict=True))

    def _values(self, name: str, distribution: BaseDistribution) -> list[Any]:
        """Draw the value that is likeliest among the good against the others, `batch` times."""
        if distribution.single():
            return [value_at(distribution, 0.0)] * self._batch
        good = _estimator(name, distribution, self._good)
        others = _estimator(name, distribution, self._others)
        candidates = good.sample(self._rng, self._batch * CANDIDATES)
        ratios = good.log_pdf(candidates) - others.log_pdf(candidates)
        best = ratios.reshape(self._batch, CANDIDATES).argmax(1)
        values = candidates[name].reshape(self._batch, CANDIDATES)[range(self._batch), best]
        return [distribution.to_external_repr(value) for value in values.tolist()]


def _estimator(
    name: str, distribution: BaseDistribution, configurations: Sequence[Mapping[str, Any]]
) -> _ParzenEstimator:
    """Fit an estimator of a hyperparameter by the configurations that have it."""
    values = [c[name] for c in configurations if name in c]
    seen = np.array([distribution.to_internal_repr(value) for value in values], dtype=float)
    return _ParzenEstimator({name: seen}, {name: distribution}, PARAMETERS)
