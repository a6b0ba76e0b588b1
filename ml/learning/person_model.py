"""What is believed of how one person takes to being spoken to, and how they tire of it.

Two quantities describe the person's state at a moment, both from 0 to 1: habituation h (what is said often is
heard less) and disengagement d (at some limit the person leaves). `appeal` p is how fit the context looks. An
action is 0, waiting, or 1.., a kind of message. After it the person reacts: welcomes it, or resents it, which
is seen by d rising. The model says, for each action,

    reaction   P(resented | p) = (1 − p) u₀ + p u₁ [+ h u₂ + d u₃, where the prior says so]
    reward     r = φᵀw of the reaction, φ = (1 − h, h, p − ½, d)
    habit      h' = h + a₀ + a₁ h
    disengaged d' = d + b₀ + b₁ d of the reaction; the person leaves where d' reaches the limit

and all of w, a, b, u and the limit have posteriors. Kinds of messages resemble each other more than they
resemble waiting: what all of them show together is the centre of each one's prior (`tie`).
"""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, field
from math import sqrt
from typing import Final

import numpy as np

from ml.learning.normals import normals, normals_of, uniforms
from ml.learning.regression import Gaussian, Moments, Posterior, mean_of, times
from ml.recommender.arithmetic import Matrix, Vector, dot, solve_upper_each, total

WAIT: Final = 0
RESENTED_RISE: Final = 0.02
"""A rise of d by more than this is a reaction, less is noise."""
CENSORED: Final = 0.999
"""At the ends of their scale h and d say nothing about their slope."""
MOST_SURPRISE: Final = 3.0
"""A reward after waiting is not taken as more than this many of the usual reward."""
LEAST_VARIANCE: Final = 0.05
"""Of a reaction: one that was sure to come says no more than one of this variance."""
REACTION_NOISE: Final = 0.3
"""How much less than its face a reaction weighs; below 1, since its variance is known."""
APPEALS_KEPT: Final = 400
HABIT_NOISE: Final = 1e-5
DISENGAGED_NOISE: Final = 2e-5
_RIDGE: Final = Gaussian.independent((0.0,) * 4, (30.0,) * 4)


@dataclass(frozen=True)
class Moment:
    """Where a person stands: appeal, habituation and disengagement (0 to 1), and how many moments before."""

    appeal: float
    habituation: float
    disengagement: float
    step: int


@dataclass(frozen=True)
class Episode:
    """What followed an action at a moment. `left` says that the person is gone, `over` that the day is."""

    moment: Moment
    action: int
    reward: float
    then: Moment
    left: bool
    over: bool
    resented: bool | None = None
    """Whether the person said so; None where it shows in d alone."""


@dataclass(frozen=True, eq=False)
class PersonPrior:
    """Before anything is seen. Each list is by action; pairs are by reaction (welcomed, resented).

    With `tie` (standard deviations of a message's habit and disengagement weights about what messages share)
    the messages' own entries are equal and stand for the shared part; without, each is its own. `unit` None
    measures rewards in the person's own usual reward.
    """

    version: str
    reward: tuple[tuple[Gaussian, Gaussian], ...]
    habit: tuple[Gaussian, ...]
    disengaged: tuple[tuple[Gaussian, Gaussian], ...]
    reaction: tuple[Gaussian, ...]
    tie: float | None
    unit: float | None
    noise: tuple[float, float]
    """Of rewards, in units squared: variance, and how many rows that is worth."""
    limits: tuple[tuple[float, float], ...]
    """Between which values of d people left."""
    appeals: tuple[float, ...]
    habit_noise: float = HABIT_NOISE
    """Variance of habituation about what is foretold of it; in a life the gaps between moments differ."""
    disengaged_noise: float = DISENGAGED_NOISE


def cold_prior(actions: int) -> PersonPrior:
    """Knows that speaking may please, dulls with habit, and may annoy; nothing of how much."""
    one_d = (Gaussian.independent((0.0, -0.1), (0.03, 0.1)), Gaussian.independent((0.3, 0.0), (0.15, 0.2)))
    waiting_d = (
        Gaussian.independent((0.0, 0.0), (0.02, 0.05)),
        Gaussian.independent((0.02, 0.0), (0.02, 0.05)),
    )
    welcomed = Gaussian.independent((0.5, 0.0, 0.0, 0.0), (1.0, 0.3, 0.15, 0.15))
    resented = Gaussian.independent((0.0, 0.0, 0.0, 0.0), (1.0, 0.3, 0.15, 0.15))
    waited = Gaussian.independent((0.0, 0.0, 0.0, 0.0), (0.3, 0.09, 0.045, 0.045))
    messages = actions - 1
    return PersonPrior(
        version="cold",
        reward=((waited, waited), *((welcomed, resented) for _ in range(messages))),
        habit=(
            Gaussian.independent((0.0, -0.1), (0.05, 0.2)),
            *(Gaussian.independent((0.05, -0.05), (0.1, 0.1)) for _ in range(messages)),
        ),
        disengaged=(waiting_d, *(one_d for _ in range(messages))),
        reaction=(
            Gaussian.independent((0.03, 0.03), (0.1, 0.1)),
            *(Gaussian.independent((0.2, 0.2), (0.35, 0.35)) for _ in range(messages)),
        ),
        tie=0.03,
        unit=None,
        noise=(0.04, 4.0),
        limits=((0.1, 1.0),),
        appeals=(0.05, 0.2, 0.5, 0.8, 0.95),
    )


@dataclass(frozen=True)
class Worlds:
    """Draws from the posterior, k of them; each could be the person. Shapes begin with (k, actions)."""

    reward: Matrix
    """(k, actions, 2, 4)"""
    habit: Matrix
    """(k, actions, 2)"""
    disengaged: Matrix
    """(k, actions, 2, 2), by reaction"""
    resented: Matrix
    """(k, actions, 4): u₀, u₁, u₂ and u₃"""
    limit: Vector
    """(k,)"""


def reward_features(moment: Moment) -> list[float]:
    h = moment.habituation
    return [1.0 - h, h, moment.appeal - 0.5, moment.disengagement]


@dataclass
class PersonModel:
    """The posterior, folded from episodes one after another."""

    prior: PersonPrior
    seen: int = 0
    appeals: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.actions = len(self.prior.habit)
        each = range(self.actions)
        self.reward = [(Moments(4), Moments(4)) for _ in each]
        self.habit = [Moments(2) for _ in each]
        self.disengaged = [(Moments(2), Moments(2)) for _ in each]
        self._reaction_width = len(self.prior.reaction[WAIT].mean)
        self.reaction = [Moments(self._reaction_width) for _ in each]
        self.stayed = 0.0
        self.left = 1.0
        self._usual = 0.0
        self._spoken = 0

    def without_appeals(self) -> "PersonModel":
        """A copy that goes on by itself, of all but the appeals."""
        other = copy(self)
        other.appeals = []
        other.reward = [(welcomed.copied(), resented.copied()) for welcomed, resented in self.reward]
        other.habit = [each.copied() for each in self.habit]
        other.disengaged = [(welcomed.copied(), resented.copied()) for welcomed, resented in self.disengaged]
        other.reaction = [each.copied() for each in self.reaction]
        return other

    def learn(self, episode: Episode) -> bool:
        """Returns whether it was resented, so that a plan can be made anew."""
        before, after, action = episode.moment, episode.then, episode.action
        resented = episode.resented
        if resented is None:
            resented = after.disengagement - before.disengagement > RESENTED_RISE
        if not (episode.left or episode.over):
            self._learn_reward(before, action, resented, episode.reward)
        if after.habituation < CENSORED:
            rise = after.habituation - before.habituation
            self.habit[action].add((1.0, before.habituation), rise)
        if after.disengagement < CENSORED:
            rise = after.disengagement - before.disengagement
            self.disengaged[action][resented].add((1.0, before.disengagement), rise)
        self._learn_reaction(action, before, resented)
        if episode.left:
            self.left = min(self.left, after.disengagement)
        elif not episode.over:
            self.stayed = max(self.stayed, after.disengagement)
        self.appeals.append(after.appeal)
        del self.appeals[:-APPEALS_KEPT]
        self.seen += 1
        return resented

    def _learn_reward(self, before: Moment, action: int, resented: bool, reward: float) -> None:
        if action == WAIT:
            usual = MOST_SURPRISE * sqrt(self.usual_square)
            reward = min(reward, usual) if self._spoken > 0 or self.prior.unit is not None else reward
        else:
            self._usual += reward * reward
            self._spoken += 1
        self.reward[action][resented].add(reward_features(before), reward)

    def _learn_reaction(self, action: int, before: Moment, resented: bool) -> None:
        p = before.appeal
        x = [1.0 - p, p, before.habituation, before.disengagement][: self._reaction_width]
        seen = self.reaction[action]
        weights = mean_of(seen, self.prior.reaction[action], REACTION_NOISE)
        share = total(weight * each for weight, each in zip(weights, x, strict=True))
        variance = max(share * (1.0 - share), LEAST_VARIANCE)
        seen.add(x, float(resented), 1.0 / variance)

    @property
    def usual_square(self) -> float:
        """Mean square of the rewards of speaking."""
        if self.prior.unit is not None:
            return self.prior.unit * self.prior.unit
        return max(self._usual / self._spoken, 1e-6) if self._spoken else 1.0

    def reward_noise(self) -> float:
        """Variance of a reward about its mean: residuals of each action and reaction, and the prior's."""
        variance, rows = self.prior.noise
        left, free = variance * self.usual_square * rows, rows
        for action in range(1, self.actions):
            for seen in self.reward[action]:
                if seen.count > 4:
                    fitted = np.array(mean_of(seen, _RIDGE, 1.0))
                    left += max(seen.squares - dot(fitted, seen.shift), 0.0)
                    free += seen.count - 4
        return left / free + 1e-9

    def draw(self, key: str, count: int) -> Worlds:
        """`count` draws from the posterior; the same for the same model and key."""
        n, shape = self.actions, (count, self.actions)
        reward, habit = np.zeros((*shape, 2, 4)), np.zeros((*shape, 2))
        disengaged, resented = np.zeros((*shape, 2, 2)), np.zeros((*shape, 4))
        noise, unit = self.reward_noise(), sqrt(self.usual_square)
        waited = self.reward[WAIT][0] + self.reward[WAIT][1]
        rewards = []
        for action in range(n):
            for reaction in range(2):
                prior = self.prior.reward[action][reaction]
                if self.prior.unit is None:
                    prior = prior.scaled(unit)
                seen = waited if action == WAIT else self.reward[action][reaction]
                # Waiting has one reward, whatever the reaction.
                rewards.append((seen, prior, f"{key}|reward|{action}|{0 if action == WAIT else reaction}"))
        reward[:] = _draws(rewards, noise, count).reshape(reward.shape)
        habit[:] = self._tied(f"{key}|habit", self.habit, self.prior.habit, self.prior.habit_noise, count)
        for reaction in range(2):
            disengaged[:, :, reaction] = self._tied(
                f"{key}|disengaged|{reaction}",
                [pair[reaction] for pair in self.disengaged],
                tuple(pair[reaction] for pair in self.prior.disengaged),
                self.prior.disengaged_noise,
                count,
            )
        reactions = [
            (self.reaction[action], self.prior.reaction[action], f"{key}|reaction|{action}")
            for action in range(n)
        ]
        resented[:, :, : self._reaction_width] = _draws(reactions, REACTION_NOISE, count)
        resented[:, :, :2] = np.clip(resented[:, :, :2], 0.0, 1.0)
        return Worlds(reward, habit, disengaged, resented, self._limits(key, count))

    def _tied(
        self, key: str, seen: list[Moments], prior: tuple[Gaussian, ...], noise: float, count: int
    ) -> Matrix:
        """(count, actions, 2) of habit or disengagement."""
        if self.prior.tie is None:
            each = [(seen[action], prior[action], f"{key}|{action}") for action in range(self.actions)]
            return _draws(each, noise, count)
        result = np.zeros((count, self.actions, 2))
        result[:, WAIT] = _draws([(seen[WAIT], prior[WAIT], f"{key}|{WAIT}")], noise, count)[:, 0]
        together = Moments(2)
        for action in range(1, self.actions):
            together = together + seen[action]
        shared = _draws([(together, prior[1], f"{key}|shared")], noise, count)[:, 0].T
        tie = Gaussian.independent((0.0, 0.0), (self.prior.tie, self.prior.tie))
        for action in range(1, self.actions):
            posterior = Posterior(seen[action], tie, noise)
            z = normals(f"{key}|{action}", 2 * count).reshape(2, count)
            result[:, action] = (posterior.means(times(tie.precision, shared)) + posterior.deviations(z)).T
        return result

    def _limits(self, key: str, count: int) -> Vector:
        u = uniforms(f"{key}|limit", 2 * count).reshape(2, count)
        known = np.array(self.prior.limits)
        which = (u[0] * len(known)).astype(np.int64)
        low = np.minimum(np.maximum(known[which, 0], self.stayed), self.left)
        high = np.maximum(np.minimum(known[which, 1], self.left), low)
        result: Vector = low + (high - low) * np.sqrt(u[1])
        return result

    def appeal_atoms(self, count: int) -> Vector:
        """(count,) equally likely values of the appeal of a moment to come."""
        ordered = sorted([*self.prior.appeals, *self.appeals])
        return np.array([ordered[(2 * i + 1) * len(ordered) // (2 * count)] for i in range(count)])


def _draws(weights: Sequence[tuple[Moments, Gaussian, str]], noise: float, count: int) -> Matrix:
    """(count, weights, n) draws of several kinds of n weights, each with what was seen, its prior and a
    key.
    """
    n = len(weights[0][1].mean)
    posteriors = [Posterior(seen, prior, noise) for seen, prior, _ in weights]
    z = normals_of([key for _, _, key in weights], n * count).reshape(len(weights), n, count)
    means = np.array([posterior.mean for posterior in posteriors])
    deviations = solve_upper_each(np.array([posterior.factor for posterior in posteriors]), z)
    return (means[:, :, None] + deviations).transpose(2, 0, 1)
