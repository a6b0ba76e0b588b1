"""Which of several arms, for one context: Bayesian linear beliefs over waves, weighed by how well they
foretold.

Four beliefs look at the same moment: linear; linear beside waves of a short and of a long reach; and the last
once more without rivalry. Each has a Gaussian posterior for each arm (Sherman and Morrison 1950 for its
covariance), starts at a reward of `START`, and counts by the squared error of what it foretold of the arms
that were played, so an assumption that does not hold is dropped by the record.

Rivalry is such an assumption: what pays for one arm speaks against the others. After a reward the other arms
learn a little of a missing one, (arms − 1)⁻² of an observation, so that with two arms it is a whole one;
after a miss with two arms the other arm learns of a reward.

Everything is + − × ÷ √ in a fixed order; sums go row by row.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from ml.learning.waves import Waves
from ml.recommender.arithmetic import Matrix, Vector
from ml.recommender.draws import UNITS, Draws

START: Final = 0.5
NOISE: Final = 0.1
"""Variance of a reward about its mean."""
BIAS_VARIANCE: Final = 0.1
LINEAR_VARIANCE: Final = 1.0
"""Of the whole linear part at a usual context."""
WAVE_VARIANCE: Final = 1.0
WAVES: Final = 96
SHORT: Final = 0.6
LONG: Final = 1.5
SOFT_LIMIT: Final = 3.0
"""Standardised features beyond this many deviations are bent toward it."""
OPTIMISM: Final = 0.4
"""Standard deviations added to what an arm is believed to give."""
MEMORY: Final = 0.99
SHARPNESS: Final = 6
"""Beliefs weigh as their mean squared error to the power of -6."""
RESCALED_UNTIL: Final = 150
"""Up to so many rows the past is learned again when the scale of features has become clearer."""
RESCALED_GROWTH: Final = 1.5


@dataclass(frozen=True)
class Kind:
    """Which waves a belief has beside the linear part (index into `Arms._waves`), and whether arms are
    rivals."""

    waves: int | None
    rivals: bool
    keeps: float = 1.0
    """Share of what was known that is still believed at the next observation of an arm."""


KINDS: Final = (
    Kind(None, True),
    Kind(0, True),
    Kind(1, True),
    Kind(1, False),
    Kind(1, True, keeps=0.99),
)


class Belief:
    """A Gaussian posterior over one weight vector an arm: covariances (width, arms, width) and means."""

    def __init__(self, variances: Vector, arms: int, kind: Kind) -> None:
        self._variances, self._arms, self._kind = variances, arms, kind
        self._error, self._count = 1.0, 1.0
        self.forget()

    def forget(self) -> None:
        """Back to the prior, but for the record of foretelling."""
        n = len(self._variances)
        self._covariance: Matrix = np.zeros((n, self._arms, n))
        for i in range(n):
            self._covariance[i, :, i] = self._variances[i]
        self._mean: Matrix = np.zeros((self._arms, n))

    @property
    def weight(self) -> float:
        ratio = self._count / self._error
        result = 1.0
        for _ in range(SHARPNESS):
            result = result * ratio
        return result

    def foretell(self, x: Vector) -> tuple[Vector, Vector, Matrix]:
        """Mean above START and variance of each arm (arms,), and covariance times x (arms, width)."""
        moved = in_order(self._covariance * x[:, None, None])
        mean = in_order((self._mean * x).T.copy())
        return mean, in_order((moved * x).T.copy()), moved

    def judge(self, foretold: float, reward: float) -> None:
        miss = reward - START - foretold
        self._error = self._error * MEMORY + miss * miss
        self._count = self._count * MEMORY + 1.0

    def learn(
        self, x: Vector, arm: int, reward: float, foretold: tuple[Vector, Vector, Matrix] | None = None
    ) -> None:
        mean, variance, moved = foretold or self.foretell(x)
        shares = self._shares(arm, reward)
        for each, (target, share) in shares.items():
            gain = moved[each] / (NOISE / share + variance[each])
            self._covariance[:, each] -= gain[:, None] * moved[each]
            self._mean[each] += gain * (target - START - mean[each])
            if self._kind.keeps < 1.0:
                self._doubt(each, share)

    def _doubt(self, arm: int, share: float) -> None:
        """The covariance grows by what is no longer believed, weight by weight no further than the
        prior's."""
        n = len(self._variances)
        places = np.arange(n)
        grown = 1.0 + share * (1.0 / self._kind.keeps - 1.0)
        diagonal = self._covariance[places, arm, places]
        room = np.sqrt(np.minimum(grown, np.maximum(self._variances / diagonal, 1.0)))
        self._covariance[:, arm] *= room[:, None] * room

    def _shares(self, arm: int, reward: float) -> dict[int, tuple[float, float]]:
        """Arm -> reward to learn and share of an observation that it is worth."""
        shares = {arm: (reward, 1.0)}
        others = self._arms - 1
        if self._kind.rivals and others > 0 and (reward > START or others == 1):
            for each in range(self._arms):
                if each != arm:
                    shares[each] = (1.0 - reward if others == 1 else 0.0, 1.0 / (others * others))
        return shares


@dataclass(frozen=True)
class Row:
    """What happened: the raw context (width,), the arm, the reward from 0 to 1."""

    context: Vector
    arm: int
    reward: float


class Arms:
    """The learner: `choose` before a reward is known, `learn` after. A pure function of key and history.

    Parameters
    ----------
    width, arms
        Numbers of context features and of arms. The features of an action are the outer product of the
        context's (and its waves) and the arm's one-hot.
    key
        Keys the waves' directions and the draws.
    floor_units
        Least probability of each arm, in units of `draws.UNITS`; 0 is allowed.
    """

    def __init__(self, width: int, arms: int, key: str = "arms", floor_units: int = 0) -> None:
        self._width, self._arms, self._key, self._floor = width, arms, key, floor_units
        self._waves = tuple(Waves(width, WAVES, scale, f"{key}|{scale}") for scale in (SHORT, LONG))
        self._beliefs = tuple(Belief(self._variances(kind), arms, kind) for kind in KINDS)
        self._rows: list[Row] = []
        self._context: Vector = np.zeros(width)
        self._asked: list[Vector] = []
        self._foretold: list[tuple[Vector, Vector, Matrix]] = []
        self._seen = 0
        self._relearn_at = 3
        self._mean, self._squares = np.zeros(width), np.zeros(width)

    def probabilities(self, context: Vector) -> tuple[int, ...]:
        """Of each arm in units that sum to UNITS: the floor, and the rest on the most promising."""
        self._look(context)
        self._context = context
        features = self._features(context)
        self._foretold = [belief.foretell(x) for belief, x in zip(self._beliefs, features, strict=True)]
        self._asked = features
        score, spread = np.zeros(self._arms), np.zeros(self._arms)
        whole = 0.0
        for belief, (mean, variance, _) in zip(self._beliefs, self._foretold, strict=True):
            weight = belief.weight
            score = score + mean * weight
            spread = spread + np.maximum(variance, 0.0) * weight
            whole += weight
        promise = (score / whole + OPTIMISM * np.sqrt(spread / whole)).tolist()
        best = max(range(self._arms), key=lambda arm: (promise[arm], -arm))
        units = [self._floor] * self._arms
        units[best] += UNITS - self._floor * self._arms
        return tuple(units)

    def choose(self, context: Vector) -> tuple[int, tuple[int, ...]]:
        """The arm, drawn from the probabilities, and these."""
        units = self.probabilities(context)
        return Draws(f"{self._key}|{self._seen}").pick(units, 0), units

    def learn(self, arm: int, reward: float) -> None:
        """What came of playing `arm` at the context last asked about; `reward` from 0 to 1."""
        for belief, x, foretold in zip(self._beliefs, self._asked, self._foretold, strict=True):
            belief.judge(float(foretold[0][arm]), reward)
            belief.learn(x, arm, reward, foretold)
        if self._seen <= RESCALED_UNTIL:
            self._rows.append(Row(self._context, arm, reward))
            if len(self._rows) >= self._relearn_at:
                self._relearn()
        else:
            self._rows.clear()

    def _relearn(self) -> None:
        """Early on the scale of the features is hardly known, so the few rows are learned again at a
        better one."""
        self._relearn_at = int(self._relearn_at * RESCALED_GROWTH) + 1
        for belief in self._beliefs:
            belief.forget()
        for row in self._rows:
            for belief, x in zip(self._beliefs, self._features(row.context), strict=True):
                belief.learn(x, row.arm, row.reward)

    def _look(self, context: Vector) -> None:
        """Welford's running mean and variance."""
        self._seen += 1
        off = context - self._mean
        self._mean = self._mean + off / float(self._seen)
        self._squares = self._squares + off * (context - self._mean)

    def _features(self, context: Vector) -> list[Vector]:
        """Of each belief."""
        deviation = np.sqrt(self._squares / float(max(self._seen, 1)))
        known = deviation > 1e-9
        z = np.where(known, (context - self._mean) / np.where(known, deviation, 1.0), 0.0)
        z = z / np.sqrt(1.0 + z * z / (SOFT_LIMIT * SOFT_LIMIT))
        linear = np.concatenate([np.ones(1), z])
        waves = [np.concatenate([linear, wave(z)]) for wave in self._waves]
        return [linear if kind.waves is None else waves[kind.waves] for kind in KINDS]

    def _variances(self, kind: Kind) -> Vector:
        linear = np.full(self._width, LINEAR_VARIANCE / max(self._width, 1))
        waves = np.full(WAVES, 2.0 * WAVE_VARIANCE / WAVES) if kind.waves is not None else np.zeros(0)
        return np.concatenate([np.full(1, BIAS_VARIANCE), linear, waves])


def in_order(values: Matrix) -> Matrix:
    """Sum over the first axis, row after row, in place: `accumulate` has to give every partial sum, so its
    order is the written one.
    """
    result: Matrix = np.add.accumulate(values, axis=0, out=values)[-1]
    return result
