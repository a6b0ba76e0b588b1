"""Bayesian linear regression whose prior and noise may be settled after the data."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ml.recommender.arithmetic import Matrix, Vector, factored, outer, solve_lower, solve_upper, solved


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
    def shift(self) -> Vector:
        """Precision times mean, (n,)."""
        return times(self.precision, self.mean)

    def scaled(self, unit: float) -> "Gaussian":
        """The same of `unit` times the variable."""
        return Gaussian(self.mean * unit, self.precision / (unit * unit))


class Moments:
    """What rows (x, y) leave behind: Σ x xᵀ, Σ x y, Σ y² and how many they were."""

    __slots__ = ("count", "gram", "shift", "squares")

    def __init__(self, width: int) -> None:
        self.gram: Matrix = np.zeros((width, width))
        self.shift: Vector = np.zeros(width)
        self.squares = 0.0
        self.count = 0

    def add(self, x: Vector, y: float, weight: float = 1.0) -> None:
        scaled = x * weight
        self.gram += outer(scaled, x)
        self.shift += scaled * y
        self.squares += weight * y * y
        self.count += 1

    def copied(self) -> "Moments":
        other = Moments(0)
        other.gram, other.shift = self.gram.copy(), self.shift.copy()
        other.squares, other.count = self.squares, self.count
        return other

    def __add__(self, other: "Moments") -> "Moments":
        both = Moments(len(self.shift))
        both.gram = self.gram + other.gram
        both.shift = self.shift + other.shift
        both.squares = self.squares + other.squares
        both.count = self.count + other.count
        return both


class Posterior:
    """N(μ, Λ⁻¹) with Λ = Λ₀ + Σ x xᵀ/σ² and Λμ = Λ₀μ₀ + Σ x y/σ² (Bishop 2006, 3.50 and 3.51)."""

    __slots__ = ("_factor", "_rows", "_shift")

    def __init__(self, seen: Moments, prior_precision: Matrix, noise: float) -> None:
        self._rows = factored(prior_precision + seen.gram / noise)
        self._factor: Matrix | None = None
        self._shift = seen.shift / noise

    def centre(self, prior_shift: Vector) -> list[float]:
        """μ for Λ₀μ₀, (n,)."""
        return solved(self._rows, self._shift + prior_shift)

    def means(self, prior_shifts: Matrix) -> Matrix:
        """The same of several prior means at once, (n, k)."""
        factor = self._lower()
        return solve_upper(factor, solve_lower(factor, self._shift[:, None] + prior_shifts))

    def deviations(self, normals: Matrix) -> Matrix:
        """L⁻ᵀz for z (n, k): k draws of the weights less their mean."""
        return solve_upper(self._lower(), normals)

    def _lower(self) -> Matrix:
        if self._factor is None:
            self._factor = np.array(self._rows)
        return self._factor


def times(matrix: Matrix, vector: Vector) -> Vector:
    """Matrix times vector (or (n, k)), column by column."""
    wide = vector.ndim > 1
    result: Vector = np.zeros_like(vector)
    for j in range(len(vector)):
        column = matrix[:, j]
        result = result + (column[:, None] * vector[j] if wide else column * vector[j])
    return result
