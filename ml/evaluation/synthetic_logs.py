"""Synthetic bandit logs whose truth is known, to test what off-policy intervals promise.

A `World` fixes contexts' law, the mean reward of each arm, the noise, and the policy to be evaluated; its
true value comes from many fresh contexts. A `Logger` plays it: uniformly, by a fixed softmax, or adaptively
(epsilon-greedy with decaying exploration, Thompson sampling with a decaying floor), always with the exact
probability recorded. Logs of one world are drawn side by side, so an adaptive logger steps through all of
them at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from ml.evaluation.ope.log import Log

Array = npt.NDArray[np.float64]
Noise = Literal["binary", "normal", "skewed"]
LoggerKind = Literal["uniform", "softmax", "epsilon-greedy", "thompson"]
ModelKind = Literal["ridge", "none", "wrong"]


@dataclass(frozen=True)
class Setting:
    """One kind of log. `sharpness` > 0 makes the evaluated policy prefer good arms, < 0 bad ones."""

    name: str
    n: int = 1000
    arms: int = 5
    width: int = 4
    noise: Noise = "binary"
    base: float = 0.0
    sharpness: float = 2.0
    logger: LoggerKind = "softmax"
    logger_sharpness: float = 1.0
    decay: float = 0.5
    floor: float = 0.02
    model: ModelKind = "ridge"


@dataclass(frozen=True)
class World:
    """The truth behind a setting's logs. `reward_weights` (arms, width + 1) is linear in the context."""

    setting: Setting
    reward_weights: Array
    value: float

    def scores(self, contexts: Array) -> Array:
        """(..., width) -> (..., arms): linear part with one interaction, so that ridge is not exact."""
        linear = contexts @ self.reward_weights[:, :-1].T + self.reward_weights[:, -1]
        twist = (contexts[..., :1] * contexts[..., 1:2]) * np.sign(self.reward_weights[:, 0])
        return np.asarray(linear + 0.5 * twist)

    def means(self, contexts: Array) -> Array:
        scores = self.scores(contexts) + self.setting.base
        if self.setting.noise == "binary":
            return np.asarray(1 / (1 + np.exp(-scores)))
        if self.setting.noise == "skewed":
            return np.asarray(np.exp(0.5 * scores))
        return scores

    def evaluated(self, contexts: Array) -> Array:
        return softmax(self.setting.sharpness * self.scores(contexts))

    def draw(self, rng: np.random.Generator, means: Array) -> Array:
        if self.setting.noise == "binary":
            return np.asarray(rng.random(means.shape) < means, dtype=np.float64)
        if self.setting.noise == "skewed":
            return np.asarray(means * rng.exponential(size=means.shape))
        return np.asarray(means + rng.standard_normal(means.shape))


def softmax(scores: Array) -> Array:
    shifted = np.exp(scores - scores.max(-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(-1, keepdims=True))


def make_world(setting: Setting, seed: int, contexts_for_truth: int = 200_000) -> World:
    """Draw a world; its value is a mean over `contexts_for_truth` fresh contexts."""
    rng = np.random.default_rng([seed, 0])
    weights = rng.standard_normal((setting.arms, setting.width + 1)) * 0.6
    world = World(setting, weights, 0.0)
    contexts = rng.standard_normal((contexts_for_truth, setting.width))
    value = float((world.evaluated(contexts) * world.means(contexts)).sum(1).mean())
    return World(setting, weights, value)


def draw_logs(world: World, seed: int, count: int) -> list[Log]:
    """`count` independent logs of the world."""
    setting = world.setting
    rng = np.random.default_rng([seed, 1])
    contexts = rng.standard_normal((count, setting.n, setting.width))
    means = world.means(contexts)
    if setting.logger in ("uniform", "softmax"):
        sharpness = 0.0 if setting.logger == "uniform" else setting.logger_sharpness
        probabilities = floored(softmax(sharpness * world.scores(contexts)), setting.floor)
        actions = choose(rng, probabilities)
        rewards = world.draw(rng, take(means, actions))
        pscores = take(probabilities, actions)
    else:
        actions, rewards, pscores = play_adaptively(world, rng, contexts, means)
    evaluated = world.evaluated(contexts)
    logs = []
    for i in range(count):
        q_hat = fitted(setting, rng, contexts[i], actions[i], rewards[i])
        logs.append(Log(setting.name, actions[i], rewards[i], pscores[i], evaluated[i], q_hat, None))
    return logs


def floored(probabilities: Array, floor: float) -> Array:
    """At least `floor` / arms for each arm."""
    return np.asarray((1 - floor) * probabilities + floor / probabilities.shape[-1])


def choose(rng: np.random.Generator, probabilities: Array) -> npt.NDArray[np.int64]:
    u = rng.random(probabilities.shape[:-1])[..., None]
    return np.asarray((u > probabilities.cumsum(-1)[..., :-1]).sum(-1), dtype=np.int64)


def take(values: Array, actions: npt.NDArray[np.int64]) -> Array:
    return np.asarray(np.take_along_axis(values, actions[..., None], -1)[..., 0])


def play_adaptively(
    world: World, rng: np.random.Generator, contexts: Array, means: Array
) -> tuple[npt.NDArray[np.int64], Array, Array]:
    """Epsilon-greedy or Thompson over one ridge regression an arm, in all logs at once."""
    setting = world.setting
    count, n, width = contexts.shape
    arms, size = setting.arms, width + 1
    inverse = np.broadcast_to(np.eye(size), (count, arms, size, size)).copy()
    moment = np.zeros((count, arms, size))
    actions = np.zeros((count, n), np.int64)
    rewards, pscores = np.zeros((count, n)), np.zeros((count, n))
    rows = np.arange(count)
    for t in range(n):
        features = np.concatenate([contexts[:, t], np.ones((count, 1))], 1)
        spread = np.einsum("caij,cj->cai", inverse, features)
        score = (spread * moment).sum(-1)
        epsilon = max(setting.floor, (t + 1.0) ** -setting.decay)
        if setting.logger == "epsilon-greedy":
            greedy = np.zeros((count, arms))
            greedy[rows, score.argmax(1)] = 1.0
        else:
            deviation = np.sqrt((spread * features[:, None]).sum(-1))
            draws = score[:, None] + deviation[:, None] * rng.standard_normal((count, 100, arms))
            winners = draws.argmax(-1)
            greedy = np.stack([(winners == a).mean(1) for a in range(arms)], 1)
        probabilities = floored(greedy, epsilon)
        action = choose(rng, probabilities)
        reward = world.draw(rng, means[rows, t, action])
        actions[:, t], rewards[:, t], pscores[:, t] = action, reward, probabilities[rows, action]
        chosen = spread[rows, action]
        gain = 1 + (chosen * features).sum(-1)
        inverse[rows, action] -= chosen[:, :, None] * chosen[:, None, :] / gain[:, None, None]
        moment[rows, action] += features * reward[:, None]
    return actions, rewards, pscores


def fitted(
    setting: Setting,
    rng: np.random.Generator,
    contexts: Array,
    actions: npt.NDArray[np.int64],
    rewards: Array,
) -> Array:
    """(n, arms) predictions, fitted across three folds; or none; or a wrong constant model."""
    n = len(actions)
    if setting.model == "none":
        return np.zeros((n, setting.arms))
    if setting.model == "wrong":
        constants = rng.standard_normal(setting.arms) * 0.5 + float(rewards.mean())
        return np.asarray(np.tile(constants, (n, 1)))
    features = np.concatenate([contexts, np.ones((n, 1))], 1)
    folds = rng.integers(3, size=n)
    predictions = np.zeros((n, setting.arms))
    for fold in range(3):
        for arm in range(setting.arms):
            rows = (folds != fold) & (actions == arm)
            x, y = features[rows], rewards[rows]
            weights = np.linalg.solve(x.T @ x + np.eye(features.shape[1]), x.T @ y)
            predictions[folds == fold, arm] = features[folds == fold] @ weights
    return predictions
