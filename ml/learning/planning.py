"""The best finite-horizon plan in each drawn world, by dynamic programming over habituation and
disengagement.

Bellman's recursion from the last moment back: the value of a state is the mean over the appeal of the best
action's reward and the value of what it leads to. Between the grid's points values are interpolated linearly.
"""

from typing import Any, Final

import numpy as np

from ml.learning.person_model import WAIT, Moment, Worlds, reward_features
from ml.recommender.arithmetic import Matrix, Vector

HABITUATION: Final = 11
DISENGAGEMENT: Final = 13
APPEALS: Final = 5
"""Points of the grid, and how many appeals stand for all."""


class Plan:
    """Values of all states, steps and worlds."""

    def __init__(
        self,
        worlds: Worlds,
        appeals: Vector,
        steps: int,
        allowance: int | None = None,
        day: int = 0,
        grid: tuple[int, int] = (HABITUATION, DISENGAGEMENT),
    ) -> None:
        """`appeals` (m,) equally likely; `steps` moments from the first to the last.

        With an `allowance` only so many messages may be sent before it is renewed, which it is every `day`
        steps: what is left of it is a part of the state, and a message's price is what the next one would
        have been worth. Without, values have one layer.
        """
        self._worlds, self._steps, self._grid = worlds, steps, grid
        self._limited = allowance is not None
        layers = 1 if allowance is None else allowance + 1
        count = len(worlds.limit)
        h = np.arange(grid[0]) / (grid[0] - 1.0)
        d = np.arange(grid[1]) / (grid[1] - 1.0)
        grid_h, grid_d = np.repeat(h[:, None], grid[1], 1), np.repeat(d[None], grid[0], 0)
        places, shares, stays = self._after(grid_h, grid_d)
        w = worlds.reward[..., None, None]
        earned = (w[:, :, :, 0] * (1.0 - grid_h) + w[:, :, :, 1] * grid_h + w[:, :, :, 3] * grid_d) * stays
        by_appeal = worlds.reward[:, :, :, 2]
        p = appeals[None, None]
        resented = worlds.resented[:, :, :1] * (1.0 - p) + worlds.resented[:, :, 1:2] * p
        u = worlds.resented[:, :, 2:, None, None, None]
        resented = np.clip(resented[..., None, None] + (u[:, :, 0] * grid_h + u[:, :, 1] * grid_d), 0.0, 1.0)
        fit = (p - 0.5)[..., None, None] * (
            (1.0 - resented) * by_appeal[:, :, :1, None, None] + resented * by_appeal[:, :, 1:, None, None]
        )
        value = np.zeros((layers, count, *grid))
        values = [value]
        for step in reversed(range(steps - 1)):
            q = self._at(value, places, shares)
            q += earned
            welcome = q[:, :, :, 0, None]
            by = resented * (q[:, :, :, 1, None] - welcome)
            by += welcome
            by += fit
            best = by[:, :, 0]
            for action in range(1, by.shape[2]):
                if self._limited:
                    np.maximum(best[1:], by[:-1, :, action], out=best[1:])
                else:
                    np.maximum(best, by[:, :, action], out=best)
            value = best[:, :, 0]
            for i in range(1, len(appeals)):
                value = value + best[:, :, i]
            value = value / float(len(appeals))
            if day and step and step % day == 0:
                value[:-1] = value[-1]
            values.append(value)
        self._values = values[::-1]

    def preferences(self, moment: Moment, left: int | None = None, appeals: Vector | None = None) -> Matrix:
        """(k, actions): what each action is worth in each world, over all that is left.

        `left` of the allowance (1 at least, where there is one); `appeals` (k,) of the moment where each
        world has a view of its own.
        """
        return self._worth(moment, left, appeals, ahead=True)

    def rewards(self, moment: Moment, appeals: Vector) -> Matrix:
        """(k, actions): what each action is worth in each world by itself, whatever follows."""
        return self._worth(moment, None, appeals, ahead=False)

    def _worth(self, moment: Moment, left: int | None, appeals: Vector | None, ahead: bool) -> Matrix:
        worlds = self._worlds
        value = self._values[min(moment.step + 1, self._steps - 1)]
        h, d = np.array([[moment.habituation]]), np.array([[moment.disengagement]])
        places, shares, stays = self._after(h, d)
        x = reward_features(moment)
        p = np.full(len(worlds.limit), moment.appeal) if appeals is None else appeals
        reward = worlds.reward[..., 0] * x[0]
        for i in (1, 2, 3):
            reward = reward + worlds.reward[..., i] * (x[i] if i != 2 else (p - 0.5)[:, None, None])
        after = self._at(value if ahead else np.zeros_like(value), places, shares)
        # Waiting keeps what is left of the allowance, a message takes one.
        layer = 0 if left is None else min(left, len(value) - 1)
        kept, spent = after[layer], after[max(layer - 1, 0)]
        q = (reward[..., None, None] + 0.0) * stays + spent
        q[:, WAIT] = ((reward[..., None, None] + 0.0) * stays)[:, WAIT] + kept[:, WAIT]
        q = q[..., 0, 0]
        u = worlds.resented
        resented = u[..., 0] * (1.0 - p)[:, None] + u[..., 1] * p[:, None]
        resented = np.clip(
            resented + (u[..., 2] * moment.habituation + u[..., 3] * moment.disengagement), 0.0, 1.0
        )
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
        scaled_h, scaled_d = to_h * (self._grid[0] - 1.0), to_d * (self._grid[1] - 1.0)
        at_h = np.minimum(scaled_h.astype(np.int64), self._grid[0] - 2)
        at_d = np.minimum(scaled_d.astype(np.int64), self._grid[1] - 2)
        over_h, over_d = scaled_h - at_h, scaled_d - at_d
        world = np.arange(len(worlds.limit))[:, None, None, None, None]
        first = (world * self._grid[0] + at_h) * self._grid[1] + at_d
        places = [first, first + 1, first + self._grid[1], first + self._grid[1] + 1]
        shares = [
            (1.0 - over_h) * (1.0 - over_d) * stays,
            (1.0 - over_h) * over_d * stays,
            over_h * (1.0 - over_d) * stays,
            over_h * over_d * stays,
        ]
        return places, shares, stays

    def _at(self, value: Matrix, places: list[Any], shares: list[Matrix]) -> Matrix:
        """(layers, k, actions, 2, a, b) of values (layers, k, h, d)."""
        flat = value.reshape(len(value), -1)
        result: Matrix = np.take(flat, places[0], axis=1)
        result *= shares[0]
        for place, share in zip(places[1:], shares[1:], strict=True):
            part = np.take(flat, place, axis=1)
            part *= share
            result += part
        return result
