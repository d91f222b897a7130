"""Configurations that a Gaussian process expects to be better than the best so far."""

import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.stats import norm, rankdata
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel
from threadpoolctl import threadpool_limits

from search.samplers.min_distance import NEAR
from search.samplers.sobol import Sobol, sobol_points
from search.samplers.unit_cube import UnitCube
from search.space.space import Space
from search.trial import Proposal, TrialView

# The cost of a fit grows with the cube of the observations.
OBSERVATIONS = 256
CANDIDATES = 1024
PARENTS, CHILDREN = 16, 64


class GaussianProcess:
    """Bayesian optimisation by expected improvement, a batch at a time.

    A Gaussian process (Rasmussen and Williams 2006) with a Matern 5/2 kernel, a length per feature
    and noise sees the scores of all rungs, the logarithm of their epochs being one more feature; it
    predicts for the most epochs seen. Scores become the normal scores of their ranks, so that
    diverged trials are the worst and outliers do no harm. Among Sobol points and neighbours of the
    best trials the one of largest expected improvement (Jones et al. 1998) is proposed, and taken
    to turn out as predicted (kriging believer, Ginsbourger et al. 2010) when the next is chosen, as
    are trials that still train. Proposals are not near each other while there are others. Until
    three more trials than there are hyperparameters that vary have finite scores, it proposes
    Sobol points.
    """

    learns = True
    size = None

    def __init__(self, space: Space, seed: int) -> None:
        """Begin with no trials; the same seed and trials give the same proposals."""
        self._seed = seed
        self._points = UnitCube(space)
        self._start = Sobol(space, seed)

    def ask(self, count: int, trials: Sequence[TrialView]) -> list[Proposal]:
        """Propose the best candidates, one after the other; see `Sampler.ask`."""
        healthy = sum(any(map(math.isfinite, trial.scores.values())) for trial in trials)
        if healthy < len(self._points.names) + 3 or not self._points.names:
            return self._start.ask(count, trials)
        # Ten times as fast on busy cores, and the same bits on any number of them.
        with threadpool_limits(1):
            return self._best(count, trials)

    def _best(self, count: int, trials: Sequence[TrialView]) -> list[Proposal]:
        tried = self._points.features_of([trial.configuration for trial in trials])
        model = _Model(tried, trials)
        mean = model.mean(tried)
        scored = np.array([bool(trial.scores) for trial in trials])
        best = np.argsort(np.where(scored, mean, np.inf), kind="stable")[:PARENTS]
        candidates = self._candidates(trials, best)
        places = self._points.features_of([proposal.configuration for proposal in candidates])
        pending = tried[~scored]
        believer = _Believer(model, np.concatenate([pending, places]), float(mean[best[0]]))
        for k in range(len(pending)):
            believer.believe(k)
        return [candidates[k] for k in _choose(believer, places, tried, count)]

    def _candidates(self, trials: Sequence[TrialView], best: np.ndarray) -> list[Proposal]:
        """Return Sobol points, and neighbours of the `best` trials at distances of all sizes."""
        rng = np.random.default_rng((self._seed, len(trials)))
        dims = len(self._points.names)
        parents = [self._points.to_cube(trials[k].configuration) for k in best]
        points = np.repeat(parents, CHILDREN, axis=0)
        steps = rng.normal(size=points.shape) * 10.0 ** rng.uniform(-2, -0.5, (len(points), 1))
        moved = np.where(self._points.chosen, rng.random(points.shape), points + steps)
        # Some coordinates move, at least one of them.
        moves = rng.random(points.shape) < 0.5
        moves[np.arange(len(points)), rng.integers(0, dims, len(points))] = True
        children = np.clip(np.where(moves, moved, points), 0.0, 1.0)
        even = sobol_points(CANDIDATES, dims, int(rng.integers(2**32)))
        return [self._points.proposal(point) for point in np.concatenate([even, children])]


class _Model:
    """Gaussian process, fitted to all scores."""

    def __init__(self, places: np.ndarray, trials: Sequence[TrialView]) -> None:
        """Fit to trials at `places`, `(trials, features)`."""
        rows = [(k, epochs) for k, trial in enumerate(trials) for epochs in trial.scores]
        scores = np.array([trials[k].scores[epochs] for k, epochs in rows])
        # Infinite ones are all the same rank, the last.
        ranks = rankdata(np.where(np.isfinite(scores), scores, np.inf))
        targets = norm.ppf((ranks - 0.5) / len(rows))
        used = _best_and_latest(targets)
        inputs = np.column_stack([places[[k for k, _ in rows]], np.log([e for _, e in rows])])
        self._epochs = inputs[:, -1].max()
        lengths: Any = np.ones(inputs.shape[1])
        smooth = ConstantKernel(1.0, (0.05, 20.0)) * Matern(lengths, (0.05, 20.0), nu=2.5)
        kernel = smooth + WhiteKernel(0.1, (1e-3, 1.0))
        optimizer: Any = _minimum
        self._process: Any = GaussianProcessRegressor(kernel, optimizer=optimizer)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            self._process.fit(inputs[used], targets[used])
        self.noise = float(self._process.kernel_.k2.noise_level)

    def mean(self, places: np.ndarray) -> np.ndarray:
        """Return the mean `(n,)` at the most epochs seen."""
        return self._process.predict(self._inputs(places))

    def joint(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return mean `(n,)` and covariance `(n, n)` at the most epochs seen, without noise."""
        mean, covariance = self._process.predict(self._inputs(places), return_cov=True)
        return mean, covariance - self.noise * np.eye(len(places))

    def _inputs(self, places: np.ndarray) -> np.ndarray:
        return np.column_stack([places, np.full(len(places), self._epochs)])


class _Believer:
    """Expected improvement, once some outcomes are believed to be as predicted.

    Such an outcome leaves every mean as it was, and takes `c c' / (c_k + noise)` from the
    covariance, c being its column k: a step of a Cholesky factorisation.
    """

    def __init__(self, model: _Model, places: np.ndarray, best: float) -> None:
        self._mean, self._covariance = model.joint(places)
        self._noise, self._best = model.noise, best
        self._variance = self._covariance.diagonal().copy()
        self._factors = np.empty((len(places), 0))

    def believe(self, k: int) -> None:
        """Take place `k` to turn out as predicted."""
        column = self._covariance[:, k] - self._factors @ self._factors[k]
        factor = column / math.sqrt(max(column[k], 0.0) + self._noise)
        self._factors = np.column_stack([self._factors, factor])
        self._variance -= factor**2
        self._best = min(self._best, self._mean[k])

    def improvement(self) -> np.ndarray:
        """Return the expected improvement `(n,)` over the best mean."""
        deviation = np.sqrt(np.maximum(self._variance, 1e-12))
        z = (self._best - self._mean) / deviation
        return deviation * (z * norm.cdf(z) + norm.pdf(z))


def _choose(believer: _Believer, places: np.ndarray, tried: np.ndarray, count: int) -> list[int]:
    """Choose among the candidates, which are the last places that `believer` knows."""
    distances = np.full(len(places), np.inf)
    for place in tried:
        distances = np.minimum(distances, np.linalg.norm(places - place, axis=1))
    chosen: list[int] = []
    for _ in range(count):
        improvement = believer.improvement()
        others = len(improvement) - len(places)
        free = distances >= NEAR
        worth = np.where(free, improvement[others:], -1.0) if free.any() else distances
        k = int(worth.argmax())
        believer.believe(others + k)
        distances = np.minimum(distances, np.linalg.norm(places - places[k], axis=1))
        chosen.append(k)
    return chosen


def _best_and_latest(targets: np.ndarray) -> np.ndarray:
    """Return the positions of at most `OBSERVATIONS`, in order."""
    if len(targets) <= OBSERVATIONS:
        return np.arange(len(targets))
    best = targets.argsort(kind="stable")[: OBSERVATIONS // 2]
    rest = np.setdiff1d(np.arange(len(targets)), best)
    return np.union1d(best, rest[len(best) - OBSERVATIONS :])


def _minimum(
    loss: Callable[[np.ndarray], tuple[float, np.ndarray]], start: np.ndarray, bounds: np.ndarray
) -> tuple[np.ndarray, float]:
    """Minimise the loss of the kernel's parameters roughly: more steps hardly change proposals."""
    few = {"maxiter": 30}
    result = minimize(loss, start, method="L-BFGS-B", jac=True, bounds=bounds, options=few)
    return result.x, float(result.fun)
