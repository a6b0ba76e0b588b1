"""The bench's worlds, played: StepCountJITAI with other parameters, and what full knowledge of one earns.

A process of the bench's own environment (older NumPy), which the harness talks to over lines of JSON. The
learner plays in the project's environment and sees observations and rewards alone.
"""

from __future__ import annotations

import json
import math
import sys
import unicodedata
import warnings
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from StepCountJITAI.envs import StepCountJITAI  # type: ignore[import-not-found]

from ml.evaluation.moments.parameters import STEPS, World

Array = npt.NDArray[np.float64]
FIXED: Final[World] = {
    "n_version": 1,
    "σs": 20.0,
    "chosen_a": 0.01,
    "chosen_obs_names": ["P", "H", "D"],
    "b_display": False,
}
GRID_H: Final = np.linspace(0.0, 1.0, 51)
GRID_D: Final = np.linspace(0.0, 1.0, 61)


def argument(name: str) -> str:
    """Python reads its own names in NFKC, where the micro sign is the Greek letter."""
    return unicodedata.normalize("NFKC", name)


def make(world: World, seed: int) -> Any:
    """The environment. Raises TypeError for a parameter that it does not have."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return StepCountJITAI(
            **{**FIXED, **{argument(name): value for name, value in world.items()}, "seed": seed}
        )


class Optimum:
    """Value of (habituation, disengagement, step) by dynamic programming with the world's own parameters."""

    def __init__(self, env: Any) -> None:
        self._env = env
        appeals = appeal_atoms(float(env.sigma))
        h, d = np.meshgrid(GRID_H, GRID_D, indexing="ij")
        values = [np.zeros_like(h)]
        for step in reversed(range(STEPS)):
            values.append(self._worth(values[-1], h, d, appeals[:, None, None], step).max(0).mean(0))
        self._values = values[::-1]

    def __call__(self, p: float, h: float, d: float, step: int) -> int:
        value = self._values[min(step + 1, STEPS)]
        return int(self._worth(value, np.array(h), np.array(d), np.array(p), step).argmax())

    def _worth(self, value: Array, h: Array, d: Array, p: Array, step: int) -> Array:
        env = self._env
        pays = 0.0 if step == STEPS - 1 else 1.0
        base = (1 - p) * env.µs[0] + p * env.µs[1]
        sent, calmer, angrier = np.minimum(1, h + env.εh), (1 - env.δd) * d, np.minimum(1, d + env.εd)
        gone = angrier >= env.D_threshold
        wait = pays * base + interpolated(value, (1 - env.δh) * h, d)
        generic = pays * (base + (1 - sent) * env.ρ1) + interpolated(value, sent, calmer)
        right = pays * (base + (1 - sent) * env.ρ2) + interpolated(value, sent, calmer)
        wrong = np.where(gone, 0.0, pays * (base + (1 - sent) * env.ρ3) + interpolated(value, sent, angrier))
        options = np.broadcast_arrays(wait, generic, (1 - p) * right + p * wrong, p * right + (1 - p) * wrong)
        return np.stack(options)


def interpolated(value: Array, h: Array, d: Array) -> Array:
    """Bilinear in the grid."""
    at_h, at_d = np.clip(h, 0, 1) * (len(GRID_H) - 1), np.clip(d, 0, 1) * (len(GRID_D) - 1)
    i = np.minimum(at_h.astype(int), len(GRID_H) - 2)
    j = np.minimum(at_d.astype(int), len(GRID_D) - 2)
    u, v = at_h - i, at_d - j
    low = value[i, j] * (1 - v) + value[i, j + 1] * v
    high = value[i + 1, j] * (1 - v) + value[i + 1, j + 1] * v
    return np.asarray(low * (1 - u) + high * u)


def appeal_atoms(sigma: float, count: int = 25) -> Array:
    """Equally likely values of P(context = 1) given the noisy observation."""
    if sigma <= 0.1:
        return np.array([0.0, 1.0])
    rng = np.random.default_rng(0)
    context = np.arange(20_000) % 2
    x = context + sigma * rng.standard_normal(20_000)
    appeal = 1 / (1 + np.exp((0.5 - x) / sigma**2))
    return np.asarray(np.sort(appeal).reshape(count, -1).mean(1))


def optimum_of(world: World, episodes: int = 100, seed: int = 10_007) -> float:
    """Mean return of the optimum, played."""
    env = make(world, seed)
    best = Optimum(env)
    returns = []
    for _ in range(episodes):
        (obs, _), total, step, done = env.reset(), 0.0, 0, False
        while not done:
            obs, reward, done, _, _ = env.step(best(float(obs[0]), float(obs[1]), float(obs[2]), step))
            total, step = total + reward, step + 1
        returns.append(total)
    return math.fsum(returns) / episodes


class Stage:
    """One world at a time, and what may be asked of it."""

    def __init__(self) -> None:
        self._env: Any = None

    def make(self, world: World, seed: int) -> None:
        self._env = make(world, seed)

    def reset(self) -> list[float]:
        observed, _ = self._env.reset()
        return [float(value) for value in observed]

    def step(self, action: int) -> list[Any]:
        """Observation, reward, and whether the day is over."""
        observed, reward, done, _, _ = self._env.step(action)
        return [[float(value) for value in observed], float(reward), bool(done)]

    def optimum(self, world: World) -> float:
        return optimum_of(world)


def serve() -> None:
    """Answers `[name, arguments]`, one a line, until its input ends."""
    stage, answers = Stage(), sys.stdout
    # The environment prints; that would be taken for an answer.
    sys.stdout = sys.stderr
    asked: dict[str, Callable[..., Any]] = {
        "make": stage.make,
        "reset": stage.reset,
        "step": stage.step,
        "optimum": stage.optimum,
    }
    for line in sys.stdin:
        name, arguments = json.loads(line)
        try:
            answer = {"answer": asked[name](*arguments)}
        except (TypeError, AssertionError, IndexError) as error:
            answer = {"error": str(error)}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    serve()
