"""The best finite-horizon plan in each drawn world, by dynamic programming over habituation and
disengagement.

Bellman's recursion from the last moment back: the value of a state is the mean over the appeal of the best
action's reward and the value of what it leads to. Between the grid's points values are interpolated linearly.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from ml.learning.person_model import WAIT, Moment, Worlds
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
        shape = (steps, 1 if allowance is None else allowance + 1, day)
        self._values = _backward(shape, allowance is not None, places, shares, earned, resented, fit)

    def preferences(self, moment: Moment, left: int | None = None, appeals: Vector | None = None) -> Matrix:
        """(k, actions): what each action is worth in each world, over all that is left.

        `left` of the allowance (1 at least, where there is one); `appeals` (k,) of the moment where each
        world has a view of its own.
        """
        result: Matrix = self._worth([(moment, left)], appeals, ahead=True)[0]
        return result

    def compared(self, cases: Sequence[tuple[Moment, int]], appeals: Vector) -> Matrix:
        """(n, k, actions): the preferences of several (moment, left), bit for bit, in one go. The moments
        are of one step.
        """
        return self._worth(cases, appeals, ahead=True)

    def rewards(self, moment: Moment, appeals: Vector) -> Matrix:
        """(k, actions): what each action is worth in each world by itself, whatever follows."""
        result: Matrix = self._worth([(moment, None)], appeals, ahead=False)[0]
        return result

    def _worth(
        self, cases: Sequence[tuple[Moment, int | None]], appeals: Vector | None, ahead: bool
    ) -> Matrix:
        worlds, moments = self._worlds, [moment for moment, _ in cases]
        if len({moment.step for moment in moments}) > 1 or (appeals is None and len(cases) > 1):
            raise ValueError("what is compared has one step, and the appeals of its own")
        value = self._values[min(moments[0].step + 1, self._steps - 1)]
        h = np.array([[moment.habituation for moment in moments]])
        d = np.array([[moment.disengagement for moment in moments]])
        p = np.full(len(worlds.limit), moments[0].appeal) if appeals is None else appeals
        places, shares, stays = self._after(h, d)
        after = self._at(value if ahead else np.zeros_like(value), places, shares)[..., 0, :, :]
        h, d, stays = h[0], d[0], stays[..., 0, :]
        # (k, actions, 2, n), and so on: the cases are last.
        w = worlds.reward[..., None]
        reward = w[:, :, :, 0] * (1.0 - h)
        reward = reward + w[:, :, :, 1] * h
        reward = reward + w[:, :, :, 2] * (p - 0.5)[:, None, None, None]
        reward = reward + w[:, :, :, 3] * d
        q = (reward + 0.0) * stays
        for i, (_, left) in enumerate(cases):
            # Waiting keeps what is left of the allowance, a message takes one.
            layer = 0 if left is None else min(left, value.shape[1] - 1)
            q[:, WAIT, :, i] += after[:, WAIT, :, i, layer]
            q[:, WAIT + 1 :, :, i] += after[:, WAIT + 1 :, :, i, max(layer - 1, 0)]
        u = worlds.resented[..., None]
        resented = u[:, :, 0] * (1.0 - p)[:, None, None] + u[:, :, 1] * p[:, None, None]
        resented = np.clip(resented + (u[:, :, 2] * h + u[:, :, 3] * d), 0.0, 1.0)
        result: Matrix = (q[:, :, 0] * (1.0 - resented) + q[:, :, 1] * resented).transpose(2, 0, 1)
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
        """(k, actions, 2, a, b, layers) of values (cells, layers)."""
        result: Matrix = np.take(value, places[0], axis=0)
        result *= shares[0][..., None]
        for place, share in zip(places[1:], shares[1:], strict=True):
            part = np.take(value, place, axis=0)
            part *= share[..., None]
            result += part
        return result


def _cells_last(values: Matrix) -> Matrix:
    """(k, actions, r, a, b) as (actions, r, cells)."""
    worlds, actions, r, a, b = values.shape
    result: Matrix = values.transpose(1, 2, 0, 3, 4).reshape(actions, r, worlds * a * b)
    return result


def _backward(
    shape: tuple[int, int, int],
    limited: bool,
    corners: list[Any],
    corner_shares: list[Matrix],
    earned: Matrix,
    resented: Matrix,
    fit: Matrix,
) -> list[Matrix]:
    """Values (cells, layers) of every step, by Bellman's recursion from the last one back. `shape` is steps,
    layers and the days' length; `resented` and `fit` are by appeal.

    The cells are next to last and the layers last, so that what a step reckons lies in one piece, and all of
    a cell is fetched at once.
    """
    steps, layers, day = shape
    # (actions, corners, reactions, cells), and with the layers.
    places: Any = np.stack([_cells_last(place) for place in corners], axis=1)
    shares = np.repeat(np.stack([_cells_last(share) for share in corner_shares], axis=1), layers, axis=-1)
    earned = np.repeat(_cells_last(earned), layers, axis=-1)
    resented = np.repeat(_cells_last(resented), layers, axis=-1)
    fit = np.repeat(_cells_last(fit), layers, axis=-1)
    if limited:
        # With nothing left of the allowance nothing is better than waiting.
        fit[WAIT + 1 :, :, ::layers] = -np.inf
    actions, moments, cells = len(earned), resented.shape[1], places.shape[-1]
    # Every step fills the same arrays anew.
    led = np.empty((*places.shape, layers))
    to = led.reshape(shares.shape)
    by = np.empty((actions, moments, cells * layers))
    q, welcome, resentful = to[:, 0], to[:, 0, :1], to[:, 0, 1:]
    worse = np.empty_like(welcome)
    value = np.zeros((cells, layers))
    spent = np.zeros_like(value)
    values = [value]
    for step in reversed(range(steps - 1)):
        # A message takes one of the allowance, so that it leads to the layer below.
        if limited:
            spent[:, 1:] = value[:, :-1]
        else:
            spent = value
        # A place is always one of a cell, so that "clip" does nothing but leave the check out.
        np.take(value, places[WAIT], axis=0, out=led[WAIT], mode="clip")
        np.take(spent, places[WAIT + 1 :], axis=0, out=led[WAIT + 1 :], mode="clip")
        to *= shares
        for corner in (1, 2, 3):
            q += to[:, corner]
        q += earned
        np.subtract(resentful, welcome, out=worse)
        np.multiply(resented, worse, out=by)
        by += welcome
        by += fit
        best = by[WAIT]
        for action in range(WAIT + 1, actions):
            np.maximum(best, by[action], out=best)
        for i in range(1, moments):
            best[0] += best[i]
        value = (best[0] / float(moments)).reshape(cells, layers)
        if day and step and step % day == 0:
            value[:, :-1] = value[:, -1:]
        values.append(value)
    return values[::-1]
