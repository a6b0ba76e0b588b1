"""Bayesian linear regression whose prior and noise may be settled after the data."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ml.recommender.arithmetic import (
    Matrix,
    Vector,
    factored,
    solve_lower,
    solve_upper,
    solved,
    solved_of_four,
)


@dataclass(frozen=True, eq=False)
class Gaussian:
    """N(mean, precision⁻¹): mean (n,), precision (n, n)."""

    mean: Vector
    precision: Matrix

    @classmethod
    def independent(cls, means: tuple[float, ...], deviations: tuple[float, ...]) -> "Gaussian":
        precision = np.zeros((len(means), len(means)))
        for i, deviation in enumerate(deviations):
            precision[i, i] = 1.0 / (deviation * deviation)
        return cls(np.array(means, dtype=np.float64), precision)

    @cached_property
    def shift(self) -> list[float]:
        """Precision times mean, (n,)."""
        shift: list[float] = times(self.precision, self.mean).tolist()
        return shift

    @cached_property
    def flat(self) -> list[float]:
        """The precision row by row, on plain floats."""
        flat: list[float] = self.precision.reshape(-1).tolist()
        return flat

    def scaled(self, unit: float) -> "Gaussian":
        """The same of `unit` times the variable."""
        return Gaussian(self.mean * unit, self.precision / (unit * unit))


class Moments:
    """What rows (x, y) leave behind: Σ x xᵀ, Σ x y, Σ y² and how many they were.

    On plain floats, which for a few weights are faster than arrays and as small.
    """

    __slots__ = ("_gram", "_shift", "count", "squares")

    def __init__(self, width: int) -> None:
        self._gram = [0.0] * (width * width)
        """Row by row."""
        self._shift = [0.0] * width
        self.squares = 0.0
        self.count = 0

    def add(self, x: Sequence[float], y: float, weight: float = 1.0) -> None:
        scaled = x if weight == 1.0 else [each * weight for each in x]
        products = [one * other for one in scaled for other in x]
        self._gram = [so_far + product for so_far, product in zip(self._gram, products, strict=True)]
        self._shift = [so_far + each * y for so_far, each in zip(self._shift, scaled, strict=True)]
        self.squares += weight * y * y
        self.count += 1

    @property
    def gram(self) -> Matrix:
        n = len(self._shift)
        return np.array(self._gram).reshape(n, n)

    @property
    def shift(self) -> Vector:
        return np.array(self._shift)

    def precision(self, prior: Gaussian, noise: float) -> list[float]:
        """Λ = Λ₀ + Σ x xᵀ/σ², (n, n), row by row."""
        return [known + each / noise for known, each in zip(prior.flat, self._gram, strict=True)]

    def precise_mean(self, prior: Gaussian, noise: float) -> list[float]:
        """Λμ = Λ₀μ₀ + Σ x y/σ², (n,)."""
        return [known + each / noise for known, each in zip(prior.shift, self._shift, strict=True)]

    def packed(self) -> bytes:
        """Every bit of it, for a digest."""
        values = (*self._gram, *self._shift)
        return struct.pack(f"<{len(values)}d", *values) + repr((self.squares, self.count)).encode()

    def copied(self) -> "Moments":
        # Both lists are made anew by `add`, never changed.
        other = Moments(0)
        other._gram, other._shift = self._gram, self._shift
        other.squares, other.count = self.squares, self.count
        return other

    def __add__(self, other: "Moments") -> "Moments":
        both = Moments(0)
        both._gram = [mine + its for mine, its in zip(self._gram, other._gram, strict=True)]
        both._shift = [mine + its for mine, its in zip(self._shift, other._shift, strict=True)]
        both.squares = self.squares + other.squares
        both.count = self.count + other.count
        return both


class Posterior:
    """N(μ, Λ⁻¹) with Λ = Λ₀ + Σ x xᵀ/σ² and Λμ = Λ₀μ₀ + Σ x y/σ² (Bishop 2006, 3.50 and 3.51)."""

    __slots__ = ("_noise", "_prior", "_seen", "factor")

    def __init__(self, seen: Moments, prior: Gaussian, noise: float) -> None:
        self._seen, self._prior, self._noise = seen, prior, noise
        self.factor = factored(_rows(seen.precision(prior, noise), len(prior.shift)))
        """L with L Lᵀ = Λ."""

    @property
    def mean(self) -> list[float]:
        """μ, (n,)."""
        return solved(self.factor, self._seen.precise_mean(self._prior, self._noise))

    def means(self, prior_shifts: Matrix) -> Matrix:
        """The same for several Λ₀μ₀ in the place of the prior's, (n, k)."""
        factor, shift = np.array(self.factor), self._seen.shift / self._noise
        return solve_upper(factor, solve_lower(factor, shift[:, None] + prior_shifts))

    def deviations(self, normals: Matrix) -> Matrix:
        """L⁻ᵀz for z (n, k): k draws of the weights less their mean."""
        return solve_upper(np.array(self.factor), normals)


def mean_of(seen: Moments, prior: Gaussian, noise: float) -> Sequence[float]:
    """`Posterior(seen, prior, noise).mean`, bit for bit."""
    if len(prior.shift) == 4:
        return solved_of_four(seen.precision(prior, noise), seen.precise_mean(prior, noise))
    return Posterior(seen, prior, noise).mean


def _rows(flat: list[float], n: int) -> list[list[float]]:
    return [flat[start : start + n] for start in range(0, n * n, n)]


def times(matrix: Matrix, vector: Vector) -> Vector:
    """Matrix times vector (or (n, k)), column by column."""
    wide = vector.ndim > 1
    result: Vector = np.zeros_like(vector)
    for j in range(len(vector)):
        column = matrix[:, j]
        result = result + (column[:, None] * vector[j] if wide else column * vector[j])
    return result
