"""A prior out of what others showed: the batch job behind a new person's first day.

Each block of a person's weights is taken as drawn from one Gaussian over people, whose mean and covariance
are found by expectation and maximisation (Laird and Ware 1982, random effects). This runs in a batch and
its result is recorded, so it may use any arithmetic.
"""

from collections.abc import Sequence
from math import sqrt
from typing import Final

import numpy as np

from ml.learning.person_model import (
    DISENGAGED_NOISE,
    HABIT_NOISE,
    REACTION_NOISE,
    WAIT,
    PersonModel,
    PersonPrior,
    cold_prior,
)
from ml.learning.regression import Gaussian, Moments

ROUNDS: Final = 60
LEAST_PEOPLE: Final = 5
DOUBT: Final = 2.0
"""People's worth of the cold prior's covariance... shrunk by `DOUBT_SHARE`, kept in the learned one."""
DOUBT_SHARE: Final = 0.01
NOISE_ROWS: Final = 30.0
APPEALS: Final = 10


def learned_prior(version: str, people: Sequence[PersonModel]) -> PersonPrior:
    """From people who were learned from the cold prior, whatever they were offered by whichever policy.

    Raises ValueError for fewer than `LEAST_PEOPLE`.
    """
    if len(people) < LEAST_PEOPLE:
        raise ValueError(f"{len(people)} people; a prior is learned from {LEAST_PEOPLE} at least")
    actions = people[0].actions
    cold = cold_prior(actions)
    each = range(actions)
    square = float(np.mean([person.usual_square for person in people]))
    noise = float(np.median([person.reward_noise() for person in people]))
    unit = sqrt(square)

    def reward(action: int, reaction: int) -> Gaussian:
        start = cold.reward[action][reaction].scaled(unit)
        if action == WAIT:
            return over_people([p.reward[WAIT][0] + p.reward[WAIT][1] for p in people], start, noise)
        return over_people([p.reward[action][reaction] for p in people], start, noise)

    def disengaged(action: int, reaction: int) -> Gaussian:
        start = cold.disengaged[action][reaction]
        return over_people([p.disengaged[action][reaction] for p in people], start, DISENGAGED_NOISE)

    appeals = np.sort(np.concatenate([person.appeals for person in people]))
    atoms = [float(appeals[(2 * i + 1) * len(appeals) // (2 * APPEALS)]) for i in range(APPEALS)]
    return PersonPrior(
        version=version,
        reward=tuple((reward(action, 0), reward(action, 1)) for action in each),
        habit=tuple(over_people([p.habit[a] for p in people], cold.habit[a], HABIT_NOISE) for a in each),
        disengaged=tuple((disengaged(action, 0), disengaged(action, 1)) for action in each),
        reaction=tuple(
            over_people([p.reaction[a] for p in people], cold.reaction[a], REACTION_NOISE) for a in each
        ),
        tie=None,
        unit=unit,
        noise=(noise / square, NOISE_ROWS),
        limits=tuple((person.stayed, person.left) for person in people),
        appeals=tuple(atoms),
    )


def over_people(seen: Sequence[Moments], start: Gaussian, noise: float) -> Gaussian:
    """Mean and precision of the weights over people; `start` where too few show anything."""
    telling = [each for each in seen if each.count > 0]
    if len(telling) < LEAST_PEOPLE:
        return start
    mean, spread = start.mean.copy(), np.linalg.inv(start.precision)
    least = spread * DOUBT_SHARE
    for _ in range(ROUNDS):
        precision = np.linalg.inv(spread)
        centres, covariances = [], []
        for each in telling:
            covariance = np.linalg.inv(precision + each.gram / noise)
            centres.append(covariance @ (precision @ mean + each.shift / noise))
            covariances.append(covariance)
        mean = np.mean(centres, axis=0)
        about = np.stack(centres) - mean
        scatter = about.T @ about + np.sum(covariances, axis=0)
        spread = (scatter + DOUBT * least) / (len(telling) + DOUBT)
    precision = np.linalg.inv(spread)
    return Gaussian(np.asarray(mean), np.asarray((precision + precision.T) / 2))
