"""Linear algebra out of + − × ÷ √ in a fixed order, which IEEE 754 settles to the last bit on every machine.

BLAS and LAPACK choose the order of their sums by the processor and the number of threads, and NumPy's own
`sum` adds in blocks; `add.accumulate` has to give every partial sum, so its order is the written one.
Vectors and matrices are C-ordered float64 arrays.
"""

from collections.abc import Iterable, Sequence
from math import sqrt

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
    rest = matrix
    # Transposed, so that a column is written, and read again, in one piece.
    upper: Matrix = np.zeros_like(matrix)
    for j in range(len(matrix)):
        pivot = float(rest[0, 0])
        if not pivot > 0.0:
            raise NotPositiveDefinite(f"pivot {j} is {pivot}")
        column = np.divide(rest[:, 0], sqrt(pivot), out=upper[j, j:])
        below = column[1:]
        rest = rest[1:, 1:] - outer(below, below)
    return upper.T.copy()


def solve_lower(factor: Matrix, right: Matrix) -> Matrix:
    """L⁻¹ b for lower L (n, n); b is (n,) or (n, k)."""
    result = right.copy()
    columns = factor.T if result.ndim == 1 else factor.T[:, :, None]
    for j, pivot in enumerate(factor.diagonal().tolist()):
        row = result[j] = result[j] / pivot
        left = result[j + 1 :]
        left -= columns[j, j + 1 :] * row
    return result


def solve_upper(factor: Matrix, right: Matrix) -> Matrix:
    """L⁻ᵀ b for lower L (n, n); b is (n,) or (n, k)."""
    result = right.copy()
    rows, pivots = factor if result.ndim == 1 else factor[:, :, None], factor.diagonal().tolist()
    for j in reversed(range(len(result))):
        row = result[j] = result[j] / pivots[j]
        left = result[:j]
        left -= rows[j, :j] * row
    return result


def solve_upper_each(factors: Matrix, rights: Matrix) -> Matrix:
    """`solve_upper` of several at once: L (b, n, n) and right sides (b, n, k)."""
    result = rights.copy()
    for j in reversed(range(result.shape[1])):
        row = result[:, j] / factors[:, j, j, None]
        result[:, j] = row
        left = result[:, :j]
        left -= factors[:, j, :j, None] * row[:, None]
    return result


Rows = list[list[float]]


def factored(matrix: Sequence[Sequence[float]]) -> Rows:
    """What `cholesky` gives, bit for bit, on plain floats: for a few rows ten times as fast as arrays.

    Raises NotPositiveDefinite.
    """
    n = len(matrix)
    rest = [list(row) for row in matrix]
    for j, row in enumerate(rest):
        pivot = row[j]
        if not pivot > 0.0:
            raise NotPositiveDefinite(f"pivot {j} is {pivot}")
        root = sqrt(pivot)
        column = [other[j] / root for other in rest[j:]]
        for i in range(j + 1, n):
            # What is above the diagonal is asked for by nobody.
            other, share = rest[i], column[i - j]
            for k in range(j + 1, i + 1):
                other[k] -= share * column[k - j]
        for i in range(j, n):
            rest[i][j] = column[i - j]
        row[j + 1 :] = [0.0] * (n - j - 1)
    return rest


def solved(factor: Rows, right: Sequence[float]) -> list[float]:
    """L⁻ᵀ L⁻¹ b: what both solves give, bit for bit, on plain floats."""
    x = list(right)
    n = len(x)
    for j in range(n):
        each = x[j] = x[j] / factor[j][j]
        for i in range(j + 1, n):
            x[i] -= factor[i][j] * each
    for j in reversed(range(n)):
        row = factor[j]
        each = x[j] = x[j] / row[j]
        for i in range(j):
            x[i] -= row[i] * each
    return x


def solved_of_four(matrix: Sequence[float], right: Sequence[float]) -> tuple[float, ...]:
    """`solved(factored(matrix), right)` for four unknowns, bit for bit, written out: a ninth of the time. The
    matrix is given row by row.

    It is what every decision that is folded asks for. Raises NotPositiveDefinite.
    """
    a, _, _, _, b, c, _, _, d, e, f, _, g, h, i, j = matrix
    x, y, z, w = right
    if not a > 0.0:
        raise NotPositiveDefinite(f"pivot 0 is {a}")
    root = sqrt(a)
    a, b, d, g = a / root, b / root, d / root, g / root
    c, e, h = c - b * b, e - d * b, h - g * b
    if not c > 0.0:
        raise NotPositiveDefinite(f"pivot 1 is {c}")
    root = sqrt(c)
    c, e, h = c / root, e / root, h / root
    f, i = f - d * d - e * e, i - g * d - h * e
    if not f > 0.0:
        raise NotPositiveDefinite(f"pivot 2 is {f}")
    root = sqrt(f)
    f, i = f / root, i / root
    j = j - g * g - h * h - i * i
    if not j > 0.0:
        raise NotPositiveDefinite(f"pivot 3 is {j}")
    j = j / sqrt(j)
    # L⁻¹ b
    x = x / a
    y = (y - b * x) / c
    z = (z - d * x - e * y) / f
    w = (w - g * x - h * y - i * z) / j
    # L⁻ᵀ of it
    w = w / j
    z = (z - i * w) / f
    y = (y - h * w - e * z) / c
    x = (x - g * w - d * z - b * y) / a
    return x, y, z, w


def squash(x: float) -> float:
    """An S-curve from 0 to 1 without an exponential: (1 + x / √(1 + x²)) / 2."""
    return (1.0 + x / sqrt(1.0 + x * x)) / 2.0
