"""The global prior: what a new person starts from, learned in a batch from all who consented.

Each person's weights are taken as drawn from one Gaussian over people, θᵤ ~ N(μ, Σ), and their answers as
y = xᵀθᵤ + ε. Expectation and maximisation finds μ, Σ and the noise (Laird and Ware, "Random-effects models
for longitudinal data", 1982); Σ is drawn toward a narrow flat one by some people's worth of it (the mode of
an inverse Wishart). What is believed of fatigue is learned likewise, block by block
(`empirical_bayes.over_people`).

A batch, whose result is recorded: it may use any arithmetic.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from ml.features import v2 as features
from ml.learning.empirical_bayes import LEAST_PEOPLE, over_people
from ml.learning.person_model import REACTION_NOISE, WAIT, PersonModel, PersonPrior
from ml.learning.regression import Gaussian, Moments
from ml.recommender.arithmetic import Matrix, Vector
from ml.recommender.fatigue import SPEAK
from ml.recommender.prior import Prior, independent, load_prior

ROUNDS: Final = 40
DOUBT: Final = 40.0
"""People's worth of the flat prior's spread, narrowed to `DOUBT_SHARE`, that Σ is drawn to."""
DOUBT_SHARE: Final = 0.06
NOISE_ROWS: Final = 60.0
LIMITS_KEPT: Final = 40
APPEALS: Final = 10
FORGETTING: Final = 0.995
FLAT_DEVIATION: Final = 0.5
ASSUMED_DEVIATION: Final = 0.25
NOISE: Final = 0.5


class TooFewPeople(ValueError):
    """They would teach a prior that is about themselves."""


def flat_moments() -> PersonPrior:
    """That speaking may please or be resented, dulls and fades; nothing of how much."""
    waited = Gaussian.independent((0.0,) * 4, (0.02,) * 4)
    welcomed = Gaussian.independent((0.6, 0.6, 0.0, 0.0), (0.4,) * 4)
    resented = Gaussian.independent((-0.5, -0.5, 0.0, 0.0), (0.4,) * 4)
    return PersonPrior(
        version="flat",
        reward=((waited, waited), (welcomed, resented)),
        habit=(
            Gaussian.independent((0.0, -0.2), (0.05, 0.3)),
            Gaussian.independent((0.15, -0.3), (0.1, 0.3)),
        ),
        disengaged=(
            (Gaussian.independent((0.0, -0.1), (0.02, 0.2)), Gaussian.independent((0.0, -0.1), (0.02, 0.2))),
            (Gaussian.independent((0.0, -0.3), (0.05, 0.3)), Gaussian.independent((0.2, -0.2), (0.1, 0.3))),
        ),
        reaction=(
            Gaussian.independent((0.0,) * 4, (0.02,) * 4),
            Gaussian.independent((0.6, 0.2, 0.2, 0.2), (0.3, 0.3, 0.3, 0.3)),
        ),
        tie=None,
        unit=1.0,
        noise=(0.1, 20.0),
        limits=((0.9, 1.0),),
        appeals=(0.1, 0.3, 0.5, 0.7, 0.9),
        habit_noise=0.01,
        disengaged_noise=0.005,
    )


def flat_prior(version: str = "flat") -> Prior:
    """Knows nothing of what anybody likes."""
    weights = dict.fromkeys(features.WEIGHTS, (0.0, FLAT_DEVIATION))
    plain = independent(version, features.VERSION, weights, NOISE, FORGETTING)
    return replace(plain, moments=flat_moments())


def assumed_prior() -> Prior:
    """What a sensible person would assume of anyone: the means of common.v1, and little sureness. The people
    from whom the first prior is learned start here.
    """
    common = load_prior("common.v1")
    weights = {name: (common.mean[common.names.index(name)], ASSUMED_DEVIATION) for name in features.WEIGHTS}
    assumed = independent("assumed", features.VERSION, weights, NOISE, FORGETTING)
    return replace(assumed, moments=flat_moments())


@dataclass(frozen=True)
class Lessons:
    """What one person's recorded outcomes say: x (n, weights) and rewards (n,), and how they tired."""

    x: Matrix
    rewards: Vector
    model: PersonModel


def learned_prior(
    version: str,
    people: Sequence[Lessons],
    progress: Callable[[str], None] = lambda _: None,
    tired: Sequence[Lessons] | None = None,
) -> Prior:
    """The prior over people. `tired` are those whose fatigue is learned from, all by default: an appeal means
    what the prior made of it that the person started from.

    Raises TooFewPeople for fewer than `LEAST_PEOPLE` who answered anything."""
    telling = [each for each in people if len(each.rewards)]
    if len(telling) < LEAST_PEOPLE:
        raise TooFewPeople(
            f"{len(telling)} people with outcomes; a prior is learned from {LEAST_PEOPLE} at least"
        )
    flat = flat_prior()
    mean, precision, noise = _weights(telling, flat, progress)
    return Prior(
        version=version,
        features=features.VERSION,
        names=features.WEIGHTS,
        mean=tuple(map(float, mean)),
        precision=tuple(tuple(map(float, row[: i + 1])) for i, row in enumerate(precision)),
        noise_variance=noise,
        forgetting=FORGETTING,
        moments=_moments(version, [each.model for each in (tired or telling)]),
    )


def _weights(
    people: Sequence[Lessons], flat: Prior, progress: Callable[[str], None]
) -> tuple[Vector, Matrix, float]:
    mean = np.zeros(len(flat.names))
    start = np.linalg.inv(flat.arrays[0])
    spread, noise = start.copy(), flat.noise_variance
    grams = [each.x.T @ each.x for each in people]
    shifts = [each.x.T @ each.rewards for each in people]
    rows = sum(len(each.rewards) for each in people)
    for number in range(ROUNDS):
        precision = np.linalg.inv(spread)
        centres, covariances, left = [], np.zeros_like(spread), 0.0
        for each, gram, shift in zip(people, grams, shifts, strict=True):
            covariance = np.linalg.inv(precision + gram / noise)
            centre = covariance @ (precision @ mean + shift / noise)
            centres.append(centre)
            covariances += covariance
            left += float(np.sum((each.rewards - each.x @ centre) ** 2)) + float(np.sum(gram * covariance))
        mean = np.mean(centres, axis=0)
        about = np.stack(centres) - mean
        spread = (about.T @ about + covariances + DOUBT * DOUBT_SHARE * start) / (len(people) + DOUBT)
        noise = left / rows
        progress(f"round {number + 1}/{ROUNDS}: noise variance {noise:.4f}")
    precision = np.linalg.inv(spread)
    return np.asarray(mean), np.asarray((precision + precision.T) / 2), noise


def _moments(version: str, models: Sequence[PersonModel]) -> PersonPrior:
    flat = flat_moments()
    noise = float(np.median([model.reward_noise() for model in models]))
    habit_noise = _residual([model.habit for model in models], flat.habit_noise)
    disengaged_noise = _residual(
        [[each for pair in model.disengaged for each in pair] for model in models], flat.disengaged_noise
    )

    def reward(reaction: int) -> Gaussian:
        seen = [model.reward[SPEAK][reaction] for model in models]
        return over_people(seen, flat.reward[SPEAK][reaction], noise)

    def disengaged(action: int, reaction: int) -> Gaussian:
        seen = [model.disengaged[action][reaction] for model in models]
        return over_people(seen, flat.disengaged[action][reaction], disengaged_noise)

    appeals = np.sort(np.concatenate([model.appeals for model in models if model.appeals] or [[0.5]]))
    each = (WAIT, SPEAK)
    return PersonPrior(
        version=version,
        reward=(flat.reward[WAIT], (reward(0), reward(1))),
        habit=tuple(
            over_people([model.habit[action] for model in models], flat.habit[action], habit_noise)
            for action in each
        ),
        disengaged=tuple((disengaged(action, 0), disengaged(action, 1)) for action in each),
        reaction=(
            flat.reaction[WAIT],
            over_people([model.reaction[SPEAK] for model in models], flat.reaction[SPEAK], REACTION_NOISE),
        ),
        tie=None,
        unit=flat.unit,
        noise=(noise, NOISE_ROWS),
        limits=tuple((model.stayed, model.left) for model in models[:LIMITS_KEPT]),
        appeals=tuple(float(appeals[(2 * i + 1) * len(appeals) // (2 * APPEALS)]) for i in range(APPEALS)),
        habit_noise=habit_noise,
        disengaged_noise=disengaged_noise,
    )


def _residual(people: Sequence[Sequence[Moments]], least: float) -> float:
    """Variance about one line for each kind of moments over all people; `least` where little is known."""
    left, free = least * 20.0, 20.0
    for column in range(len(people[0])):
        together = Moments(2)
        for each in people:
            together = together + each[column]
        if together.count > 20:
            fitted = np.linalg.solve(together.gram + np.eye(2) * 1e-9, together.shift)
            left += max(0.0, together.squares - float(fitted @ together.shift))
            free += together.count
    return left / free
