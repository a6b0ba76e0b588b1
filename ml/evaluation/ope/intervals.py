"""95% intervals for the doubly robust value.

`robust` is the one that is reported. A log whose logger learned while it played gives scores that are not
independent, but score less truth is a martingale difference whatever the logger did (its probability is
exact), so the sum of squares estimates the right variance (Hall and Heyde 1980, theorem 3.2). What goes
wrong is its size: rare heavy weights make the squares heavy-tailed, and the estimate is low exactly when
the mean is off. Two remedies, both of which vanish with light tails and many rows:

- the row that was not drawn: one phantom row of the heaviest weight and an average squared residual is
  added to the squares, since a log that missed its heaviest rows does not show it;
- the variance's own uncertainty is carried along: Student's t with Satterthwaite's degrees of freedom, and
  the standard error raised by a quarter of the estimate's coefficient of variation. Where a few rows make
  up the variance it is rather too large than too small already, so this is limited to a fifth.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from ml.evaluation.ope.estimators import residual, scores
from ml.evaluation.ope.log import Array, Log

Interval = tuple[float, float]
ALPHA = 0.05
RAISE = 0.25
MOST_RAISE = 1.2
LEAST_FREEDOM = 3.0
LEAST_PEOPLE = 10


@dataclass(frozen=True)
class Spread:
    """Of a mean: its value, standard error, the squared coefficient of variation of that error's square, and
    the number of independent units (rows or people) behind it."""

    mean: float
    error: float
    variation: float
    units: int


def spread(values: Array, phantom: float = 0.0, person: npt.NDArray[np.int64] | None = None) -> Spread:
    """Of the mean of `values` (n,). `phantom` is the square added for the row that was not drawn.

    With `person` (n,), whole people are the units, since one person's decisions share a mood. Below
    `LEAST_PEOPLE` people rows are the units again: then it speaks of these people only.
    """
    n = len(values)
    mean = float(values.mean())
    parts = np.asarray(values - mean)
    if person is not None and len(np.unique(person)) >= LEAST_PEOPLE:
        parts = np.asarray(np.bincount(person, weights=parts), dtype=np.float64)
    units = len(parts)
    squares = parts * parts
    total = float(squares.sum())
    if units < 2:
        return Spread(mean, math.inf, 0.0, units)
    if total == 0.0:
        return Spread(mean, math.sqrt(phantom) / n, 0.0, units)
    error = math.sqrt((total + phantom) * units / (units - 1)) / n
    variation = max(float((squares * squares).sum()) / total**2 - 1 / units, 2 / units)
    return Spread(mean, error, variation, units)


def of_dr(log: Log) -> Spread:
    """Spread of the doubly robust value."""
    squares = residual(log) ** 2
    phantom = float(log.weight.max() ** 2 * squares.mean())
    return spread(scores(log), phantom, log.person)


def robust(of: Spread, alpha: float = ALPHA) -> Interval:
    """See the module's text. Infinite with a single unit."""
    if of.units < 2:
        return -math.inf, math.inf
    freedom = max(2 / of.variation, LEAST_FREEDOM) if of.variation > 0 else math.inf
    raised = student_quantile(1 - alpha / 2, freedom) * (1 + RAISE * math.sqrt(of.variation))
    limit = MOST_RAISE * student_quantile(1 - alpha / 2, math.inf)
    half = of.error * max(min(raised, limit), student_quantile(1 - alpha / 2, of.units - 1))
    return of.mean - half, of.mean + half


def empirical_bernstein(values: Array, alpha: float = ALPHA) -> Interval:
    """Maurer and Pontil 2009, theorem 4, both sides. The range is the one observed."""
    n = len(values)
    if n < 2:
        return -math.inf, math.inf
    log_term = math.log(4 / alpha)
    width = float(values.max() - values.min())
    half = math.sqrt(2 * float(values.var(ddof=1)) * log_term / n) + 7 * width * log_term / (3 * (n - 1))
    mean = float(values.mean())
    return mean - half, mean + half


def bootstrap(
    values: Array, person: npt.NDArray[np.int64] | None, seed: int, draws: int = 2000, alpha: float = ALPHA
) -> Interval:
    """Percentiles of the mean over people (or rows, where people are not known) drawn with replacement."""
    groups = np.arange(len(values)) if person is None else person
    totals, sizes = np.bincount(groups, weights=values), np.bincount(groups).astype(np.float64)
    rng = np.random.default_rng(seed)
    units = len(totals)
    means = np.empty(draws)
    for i in range(draws):
        drawn = rng.integers(units, size=units)
        means[i] = totals[drawn].sum() / sizes[drawn].sum()
    low, high = np.quantile(means, [alpha / 2, 1 - alpha / 2])
    return float(low), float(high)


def anytime(weight: Array, reward: Array, bounds: Interval, alpha: float = ALPHA) -> Interval:
    """Valid at every stopping time and for adaptive loggers, with no limit theorem: a confidence sequence's
    last element.

    Predictable plug-in empirical Bernstein for variables bounded below only (Waudby-Smith and Ramdas 2023,
    arXiv:2010.09686; Waudby-Smith et al. 2022, arXiv:2210.10768). The lower side comes from w r, the upper
    side from w (1 - r), with r scaled from `bounds` to [0, 1]; both are at least 0 and have the value (or 1
    less it) as their conditional mean.
    """
    low, high = bounds
    if high <= low:
        return -math.inf, math.inf
    scaled = (reward - low) / (high - low)
    lower = lower_bound(weight * scaled, alpha / 2)
    upper = 1 - lower_bound(weight * (1 - scaled), alpha / 2)
    return low + (high - low) * max(lower, 0.0), low + (high - low) * min(upper, 1.0)


def lower_bound(x: Array, alpha: float) -> float:
    """For x (n,) >= 0 of constant conditional mean. Everything at step i uses steps before i only."""
    n = len(x)
    steps = np.arange(1, n + 1)
    running = np.minimum((0.5 + np.cumsum(x)) / (steps + 1), 1.0)
    guess = np.concatenate([[0.5], running[:-1]])
    squares = (x - guess) ** 2
    variance = (0.25 + np.cumsum(squares)) / (steps + 1)
    before = np.concatenate([[0.25], variance[:-1]])
    bet = np.minimum(np.sqrt(2 * math.log(1 / alpha) / (before * n)), 0.5)
    psi = -np.log1p(-bet) - bet
    return float(((bet * x).sum() - math.log(1 / alpha) - (squares * psi).sum()) / bet.sum())


def student_quantile(probability: float, freedom: float) -> float:
    """Quantile of Student's t for probability above 1/2 and any real freedom >= 1, infinite ones too."""
    if math.isinf(freedom):
        return NormalDist().inv_cdf(probability)
    low, high = 0.0, 1.0
    while student_cdf(high, freedom) < probability:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if student_cdf(middle, freedom) < probability else (low, middle)
    return (low + high) / 2


def student_cdf(t: float, freedom: float) -> float:
    """P(T <= t) for t >= 0."""
    return 1 - incomplete_beta(freedom / 2, 0.5, freedom / (freedom + t * t)) / 2


def incomplete_beta(a: float, b: float, x: float) -> float:
    """Regularised I_x(a, b) by Lentz's continued fraction (Numerical Recipes 6.4)."""
    if x <= 0.0 or x >= 1.0:
        return min(max(x, 0.0), 1.0)
    if x > (a + 1) / (a + b + 2):
        return 1 - incomplete_beta(b, a, 1 - x)
    logarithm = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    fraction, c, d = 1.0, 1.0, 0.0
    for i in range(400):
        m = i // 2
        if i == 0:
            term = 1.0
        elif i % 2 == 0:
            term = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        else:
            term = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        d = 1 / away_from_zero(1 + term * d)
        c = away_from_zero(1 + term / c)
        fraction *= c * d
        if abs(1 - c * d) < 1e-13:
            break
    return math.exp(logarithm) * (fraction - 1) / a


def away_from_zero(value: float) -> float:
    return value if abs(value) > 1e-300 else 1e-300
