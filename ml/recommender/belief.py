"""What is believed of one person: a Bayesian linear model in river's API, in arithmetic that replays bit for
bit.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from river import base

from ml.recommender.arithmetic import (
    Matrix,
    Vector,
    cholesky,
    dot,
    outer,
    solve_lower,
    solve_upper,
)
from ml.recommender.prior import Prior

_BLANK = Prior(
    version="blank", features="any", names=(), mean=(), precision=(), noise_variance=0.25, forgetting=1.0
)


@dataclass(frozen=True, slots=True)
class Lesson:
    """What one closed decision teaches."""

    x: Vector
    """In the order of the feature map's weights."""
    reward: float


class Belief(base.Regressor):
    """Bayesian linear regression that starts from a given prior and forgets toward it.

    The posterior is kept as precision Λ and shift η = Λμ (Bishop, "Pattern Recognition and Machine Learning",
    3.50 and 3.51), with the prior's Λ₀ and η₀. Learning (x, y) is, with noise variance σ² and forgetting λ
    (stabilised forgetting: Kulhavý & Zarrop, "On a general concept of forgetting", 1993),

        Λ ← λΛ + (1 − λ)Λ₀ + w xxᵀ/σ²        η ← λη + (1 − λ)η₀ + w xy/σ²

    so that a person who stops answering is believed to be like everyone again. A mean is solved for when it
    is asked for. Other than `river.linear_model.BayesianLinearRegression` it has a prior that is not zero,
    does forget and still concentrates, and calls neither BLAS nor LAPACK.

    Parameters
    ----------
    prior
        Where to start from. None knows no feature.
    spread
        Standard deviation of the weight, of mean zero, that a feature gets which the prior does not know.

    Examples
    --------
    >>> from ml.recommender.belief import Belief
    >>> belief = Belief()
    >>> belief.predict_one({"page_open": 1.0})
    0.0
    >>> belief.learn_one({"page_open": 1.0}, 1.0)
    >>> round(belief.predict_one({"page_open": 1.0}), 6)
    0.8
    """

    def __init__(self, prior: Prior | None = None, spread: float = 1.0) -> None:
        self.prior = prior
        self.spread = spread
        start = prior or _BLANK
        self._noise = start.noise_variance
        self._forgetting = start.forgetting
        self._version = start.version
        self._index = {name: i for i, name in enumerate(start.names)}
        self._prior_precision, self._prior_shift = start.arrays
        self._precision, self._shift = self._prior_precision.copy(), self._prior_shift.copy()
        self._mean: Vector | None = None
        self._digest: str | None = None
        self.learned = 0

    @classmethod
    def _unit_test_params(cls) -> Iterator[dict[str, Any]]:
        yield {}
        yield {"prior": replace(_BLANK, forgetting=0.99), "spread": 10.0}

    def learn_one(self, x: dict[base.typing.FeatureName, Any], y: float) -> None:
        self._grow(x)
        self.learn(self._vector(x), y)

    def predict_one(self, x: dict[base.typing.FeatureName, Any]) -> float:
        return dot(self.mean, self._vector(x))

    def learn(self, x: Vector, y: float, weight: float = 1.0) -> None:
        """The same as `learn_one` for a vector in the order of the prior's names; `weight` scales what it
        says.
        """
        if self._forgetting < 1.0:
            forgotten = 1.0 - self._forgetting
            self._precision += forgotten * (self._prior_precision - self._precision)
            self._shift += forgotten * (self._prior_shift - self._shift)
        scaled = x * (weight / self._noise)
        self._precision += outer(scaled, x)
        self._shift += scaled * y
        self._mean = self._digest = None
        self.learned += 1

    @property
    def mean(self) -> Vector:
        """Posterior mean μ = Λ⁻¹η, (n,)."""
        if self._mean is None:
            factor = self.factor()
            self._mean = solve_upper(factor, solve_lower(factor, self._shift))
        return self._mean

    def drawn(self, normals: Matrix) -> Matrix:
        """(n, k): draws of the weights, μ + L⁻ᵀz for z (n, k) of mean 0 and variance 1."""
        factor = self.factor()
        if self._mean is None:
            # Beside the draws, which changes no bit of either.
            both = np.column_stack((solve_lower(factor, self._shift), normals))
            solved = solve_upper(factor, both)
            self._mean, deviations = solved[:, 0].copy(), solved[:, 1:]
        else:
            deviations = solve_upper(factor, normals)
        result: Matrix = self._mean[:, None] + deviations
        return result

    def factor(self) -> Matrix:
        """Lower Cholesky factor of the precision: Λ = LLᵀ, (n, n). L⁻ᵀz has the posterior's covariance."""
        return cholesky(self._precision)

    def variance(self, x: Vector) -> float:
        """Variance of xᵀθ, without the noise."""
        z = solve_lower(self.factor(), x)
        return dot(z, z)

    @property
    def digest(self) -> str:
        """SHA-256 (hex) over the prior's version, the names and every bit of Λ and η."""
        if self._digest is None:
            content = hashlib.sha256("\n".join([self._version, *map(str, self._index)]).encode())
            content.update(self._precision.astype("<f8").tobytes())
            content.update(self._shift.astype("<f8").tobytes())
            self._digest = content.hexdigest()
        return self._digest

    def _vector(self, x: dict[base.typing.FeatureName, Any]) -> Vector:
        vector = np.zeros(len(self._index))
        for name, value in x.items():
            i = self._index.get(name)  # type: ignore[call-overload]
            if i is not None:
                vector[i] = value
        return vector

    def _grow(self, x: dict[base.typing.FeatureName, Any]) -> None:
        fresh = [name for name in x if name not in self._index]
        if not fresh:
            return
        old, n = len(self._index), len(self._index) + len(fresh)
        self._index.update({name: old + i for i, name in enumerate(fresh)})  # type: ignore[misc]
        diagonal = 1.0 / (self.spread * self.spread)
        for name in ("_prior_precision", "_precision"):
            matrix = np.zeros((n, n))
            matrix[:old, :old] = getattr(self, name)
            for i in range(old, n):
                matrix[i, i] = diagonal
            setattr(self, name, matrix)
        self._prior_shift = np.concatenate([self._prior_shift, np.zeros(n - old)])
        self._shift = np.concatenate([self._shift, np.zeros(n - old)])
        self._mean = self._digest = None
