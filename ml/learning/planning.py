"""The best finite-horizon plan in each drawn world, by dynamic programming over habituation and
disengagement.

Bellman's recursion from the last moment back: the value of a state is the mean over the appeal of the best
action's reward and the value of what it leads to. Between the grid's points values are interpolated linearly.
"""

from typing import Any, Final

import numpy as np

from ml.learning.person_model import Moment, Worlds, reward_features
from ml.recommender.arithmetic import Matrix, Vector

HABITUATION: Final = 11
DISENGAGEMENT: Final = 13
APPEALS: Final = 5
"""Points of the grid, and how many appeals stand for all."""


class Plan:
    """Values of all states, steps and worlds."""

    def __init__(self, worlds: Worlds, appeals: Vector, steps: int) -> None:
        """`appeals` (APPEALS,) equally likely; `steps` moments from the first to the last."""
        self._worlds, self._steps = worlds, steps
        count = len(worlds.limit)
        h = np.arange(HABITUATION) / (HABITUATION - 1.0)
        d = np.arange(DISENGAGEMENT) / (DISENGAGEMENT - 1.0)
        grid_h, grid_d = np.repeat(h[:, None], DISENGAGEMENT, 1), np.repeat(d[None], HABITUATION, 0)
        places, shares, stays = self._after(grid_h, grid_d)
        w = worlds.reward[..., None, None]
        earned = (w[:, :, :, 0] * (1.0 - grid_h) + w[:, :, :, 1] * grid_h + w[:, :, :, 3] * grid_d) * stays
        by_appeal = worlds.reward[:, :, :, 2]
        p = appeals[None, None]
        resented = worlds.resented[:, :, :1] * (1.0 - p) + worlds.resented[:, :, 1:] * p
        fit = (p - 0.5) * ((1.0 - resented) * by_appeal[:, :, :1] + resented * by_appeal[:, :, 1:])
        resented, fit = resented[..., None, None], fit[..., None, None]
        value = np.zeros((count, HABITUATION, DISENGAGEMENT))
        values = [value]
        for _ in range(steps - 1):
            q = earned + _at(value, places, shares)
            welcome = q[:, :, 0, None]
            by = welcome + resented * (q[:, :, 1, None] - welcome) + fit
            best = by[:, 0]
            for action in range(1, by.shape[1]):
                best = np.maximum(best, by[:, action])
            value = best[:, 0]
            for i in range(1, len(appeals)):
                value = value + best[:, i]
            value = value / float(len(appeals))
            values.append(value)
        self._values = values[::-1]

    def preferences(self, moment: Moment) -> Matrix:
        """(k, actions): what each action is worth in each world, over all that is left."""
        worlds = self._worlds
        value = self._values[min(moment.step + 1, self._steps - 1)]
        h, d = np.array([[moment.habituation]]), np.array([[moment.disengagement]])
        places, shares, stays = self._after(h, d)
        x = reward_features(moment)
        reward = worlds.reward[..., 0] * x[0]
        for i in range(1, len(x)):
            reward = reward + worlds.reward[..., i] * x[i]
        q = ((reward[..., None, None] + 0.0) * stays + _at(value, places, shares))[..., 0, 0]
        p = moment.appeal
        resented = worlds.resented[..., 0] * (1.0 - p) + worlds.resented[..., 1] * p
        result: Matrix = q[..., 0] * (1.0 - resented) + q[..., 1] * resented
        return result

    def _after(self, h: Matrix, d: Matrix) -> tuple[list[Any], list[Matrix], Matrix]:
        """Of states (a, b): the four grid points about where each action and reaction leads (as places in the
        flattened values), their shares, and whether the person stays; (k, actions, 2, a, b).
        """
        worlds = self._worlds
        habit = worlds.habit[..., None, None]
        to_h = np.clip(h + habit[:, :, 0] + habit[:, :, 1] * h, 0.0, 1.0)[:, :, None]
        weights = worlds.disengaged[..., None, None]
        to_d = np.clip(d + weights[:, :, :, 0] + weights[:, :, :, 1] * d, 0.0, 1.0)
        stays = np.where(to_d >= worlds.limit[:, None, None, None, None], 0.0, 1.0)
        scaled_h, scaled_d = to_h * (HABITUATION - 1.0), to_d * (DISENGAGEMENT - 1.0)
        at_h = np.minimum(scaled_h.astype(np.int64), HABITUATION - 2)
        at_d = np.minimum(scaled_d.astype(np.int64), DISENGAGEMENT - 2)
        over_h, over_d = scaled_h - at_h, scaled_d - at_d
        world = np.arange(len(worlds.limit))[:, None, None, None, None]
        first = (world * HABITUATION + at_h) * DISENGAGEMENT + at_d
        places = [first, first + 1, first + DISENGAGEMENT, first + DISENGAGEMENT + 1]
        shares = [
            (1.0 - over_h) * (1.0 - over_d) * stays,
            (1.0 - over_h) * over_d * stays,
            over_h * (1.0 - over_d) * stays,
            over_h * over_d * stays,
        ]
        return places, shares, stays


def _at(value: Matrix, places: list[Any], shares: list[Matrix]) -> Matrix:
    flat = value.reshape(-1)
    result: Matrix = flat[places[0]] * shares[0]
    for place, share in zip(places[1:], shares[1:], strict=True):
        result = result + flat[place] * share
    return result
