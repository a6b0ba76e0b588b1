"""Linear algebra out of + − × ÷ √ in a fixed order, which IEEE 754 settles to the last bit on every machine.

BLAS and LAPACK choose the order of their sums by the processor and the number of threads, and NumPy's own
`sum` adds in blocks; `add.accumulate` has to give every partial sum, so its order is the written one.
Vectors and matrices are C-ordered float64 arrays.
"""

from collections.abc import Iterable
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]


class NotPositiveDefinite(ValueError):
    """The matrix has no Cholesky factor."""


def total(values: Iterable[float]) -> float:
    """Sum from left to right. (The builtin `sum` compensates for rounding from Python 3.12 on.)"""
    result = 0.0
    for value in values:
        result += value
    return result


def dot(a: Vector, b: Vector) -> float:
    """Σ aᵢ bᵢ, from the first to the last."""
    return float(np.add.accumulate(a * b)[-1]) if a.size else 0.0


def outer(a: Vector, b: Vector) -> Matrix:
    result: Matrix = a[:, None] * b
    return result


def cholesky(matrix: Matrix) -> Matrix:
    """Lower L with L Lᵀ = matrix (n, n), symmetric. Right-looking: Golub & Van Loan, Matrix Computations,
    4.2.

    Raises NotPositiveDefinite.
    """
    rest = matrix.copy()
    n = len(rest)
    factor: Any = np.zeros((n, n))
    for j in range(n):
        pivot = float(rest[j, j])
        if not pivot > 0.0:
            raise NotPositiveDefinite(f"pivot {j} is {pivot}")
        column = rest[j:, j] / sqrt(pivot)
        factor[j:, j] = column
        below = column[1:]
        rest[j + 1 :, j + 1 :] -= outer(below, below)
    return factor  # type: ignore[no-any-return]


def solve_lower(factor: Matrix, right: Matrix) -> Matrix:
    """L⁻¹ b for lower L (n, n); b is (n,) or (n, k)."""
    result = right.copy()
    for j in range(len(result)):
        result[j] = result[j] / factor[j, j]
        result[j + 1 :] -= _times(factor[j + 1 :, j], result[j])
    return result


def solve_upper(factor: Matrix, right: Matrix) -> Matrix:
    """L⁻ᵀ b for lower L (n, n); b is (n,) or (n, k)."""
    result = right.copy()
    for j in reversed(range(len(result))):
        result[j] = result[j] / factor[j, j]
        result[:j] -= _times(factor[j, :j], result[j])
    return result


Rows = list[list[float]]


def factored(matrix: Matrix) -> Rows:
    """What `cholesky` gives, bit for bit, on plain floats: for a few rows ten times as fast as arrays.

    Raises NotPositiveDefinite.
    """
    rest: Rows = matrix.tolist()
    n = len(rest)
    factor = [[0.0] * n for _ in range(n)]
    for j in range(n):
        pivot = rest[j][j]
        if not pivot > 0.0:
            raise NotPositiveDefinite(f"pivot {j} is {pivot}")
        root = sqrt(pivot)
        for i in range(j, n):
            factor[i][j] = rest[i][j] / root
        for i in range(j + 1, n):
            for k in range(j + 1, n):
                rest[i][k] -= factor[i][j] * factor[k][j]
    return factor


def solved(factor: Rows, right: Vector) -> list[float]:
    """L⁻ᵀ L⁻¹ b: what both solves give, bit for bit, on plain floats."""
    x: list[float] = right.tolist()
    n = len(x)
    for j in range(n):
        x[j] = x[j] / factor[j][j]
        for i in range(j + 1, n):
            x[i] -= factor[i][j] * x[j]
    for j in reversed(range(n)):
        x[j] = x[j] / factor[j][j]
        for i in range(j):
            x[i] -= factor[j][i] * x[j]
    return x


def _times(column: Vector, row: Any) -> Matrix:
    result: Matrix = column * row if np.ndim(row) == 0 else column[:, None] * row
    return result


def squash(x: float) -> float:
    """An S-curve from 0 to 1 without an exponential: (1 + x / √(1 + x²)) / 2."""
    return (1.0 + x / sqrt(1.0 + x * x)) / 2.0
