"""Plays the policy's learner in the bench's worlds."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ml.evaluation.moments.elsewhere import Refused, Worlds
from ml.evaluation.moments.parameters import ACTIONS, DEFAULT_WORLDS, STEPS, World, drawn
from ml.learning.act_or_wait import ActOrWait
from ml.learning.empirical_bayes import learned_prior
from ml.learning.person_model import WAIT, Episode, Moment, PersonPrior, cold_prior
from ml.recommender.policies.learned_v2 import LearnedPolicy

POOL_EPISODES = 5
POLICY = LearnedPolicy
"""The class that oO serves as `learned`."""


def arguments(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("--params", type=Path, metavar="FILE", help="JSON list of StepCountJITAI arguments")
    parser.add_argument("--episodes", type=int, default=50)
    parser.add_argument("--runs", type=int, default=20, help="runs a world; with --pool alone, new people")
    parser.add_argument("--pool", type=int, default=0, metavar="N", help="learn a prior from N people first")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, metavar="OUT")
    parser.add_argument("--plot", type=Path, metavar="OUT.svg", help="share of the optimum by episode")
    return parser


class Played:
    """Returns of a run's episodes, and how often it acted."""

    def __init__(self) -> None:
        self.returns: list[float] = []
        self.sent = 0
        self.steps = 0


def play(
    worlds: Worlds, world: World, prior: PersonPrior, episodes: int, seed: int
) -> tuple[Played, ActOrWait]:
    """One run: the learner starts from the prior and keeps what it learns over the episodes."""
    worlds.make(world, seed)
    learner = POLICY.person(prior, f"run {seed}", STEPS)
    played = Played()
    for _ in range(episodes):
        moment, total, done = moment_of(worlds.reset(), 0), 0.0, False
        while not done:
            choice = learner.decide(moment)
            obs, reward, done = worlds.step(choice.action)
            then = moment_of(obs, moment.step + 1)
            over = then.step >= STEPS
            learner.learn(Episode(moment, choice.action, reward, then, done and not over, over))
            moment, total = then, total + reward
            played.sent += choice.action != WAIT
            played.steps += 1
        played.returns.append(total)
    return played, learner


def moment_of(obs: Any, step: int) -> Moment:
    p, h, d = (float(value) for value in obs)
    return Moment(p, h, d, step)


def pooled_prior(worlds: Worlds, people: int, seed: int) -> PersonPrior:
    """Learned from `people` drawn ones of `POOL_EPISODES` episodes each, played cold."""
    rng = np.random.default_rng([seed, 1])
    models = []
    for number in range(people):
        _, learner = play(
            worlds, drawn(rng), cold_prior(ACTIONS), POOL_EPISODES, 100_000 + 1000 * seed + number
        )
        models.append(learner.model)
        progress(f"pool {number + 1}/{people}")
    return learned_prior(f"pool of {people}, seed {seed}", models)


def summary(world: World, runs: list[Played], best: float) -> dict[str, Any]:
    """`mean`, `first10` and `first2` are mean returns an episode, `share` and so on those over the
    optimum's."""
    returns = np.array([run.returns for run in runs])
    means = returns.mean(1)
    spread = means if len(means) > 1 else returns[0]
    mean, first10, first2 = (float(returns[:, :upto].mean()) for upto in (returns.shape[1], 10, 2))
    return {
        "world": world,
        "mean": round(mean, 1),
        "first10": round(first10, 1),
        "first2": round(first2, 1),
        "se": round(float(spread.std(ddof=1) / np.sqrt(len(spread))) if len(spread) > 1 else 0.0, 1),
        "sent": round(sum(run.sent for run in runs) / sum(run.steps for run in runs), 3),
        "optimum": round(best, 1),
        "share": round(mean / best, 4),
        "share10": round(first10 / best, 4),
        "share2": round(first2 / best, 4),
    }


def run(options: argparse.Namespace, python: Path) -> int:
    """0 done, 2 wrong arguments."""
    with Worlds(python) as elsewhere:
        return bench(options, elsewhere)


def bench(options: argparse.Namespace, elsewhere: Worlds) -> int:
    try:
        worlds = worlds_of(options.params, elsewhere)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    prior = pooled_prior(elsewhere, options.pool, options.seed) if options.pool else cold_prior(ACTIONS)
    if worlds is None and options.pool:
        rng = np.random.default_rng([options.seed, 2])
        plays = [(drawn(rng), [options.seed * 1000 + run]) for run in range(options.runs)]
    else:
        seeds = [options.seed * 1000 + run for run in range(options.runs)]
        plays = [(world, seeds) for world in (worlds or DEFAULT_WORLDS)]
    rows, curves = [], []
    for number, (world, seeds) in enumerate(plays, 1):
        best = elsewhere.optimum(world)
        runs = []
        for run, seed in enumerate(seeds, 1):
            runs.append(play(elsewhere, world, prior, options.episodes, seed)[0])
            progress(f"world {number}/{len(plays)}, run {run}/{len(seeds)}")
        rows.append(summary(world, runs, best))
        curves.append(np.array([run.returns for run in runs]).mean(0) / best)
        print(json.dumps(rows[-1], ensure_ascii=False), flush=True)
    if options.json:
        options.json.write_text(json.dumps(rows, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    if options.plot:
        plot(options.plot, [row["world"] for row in rows], curves)
    return 0


def worlds_of(path: Path | None, elsewhere: Worlds) -> list[World] | None:
    """Raises ValueError, naming the entry and the remedy."""
    if path is None:
        return None
    try:
        worlds = json.loads(path.read_text("utf-8"))
    except (OSError, json.JSONDecodeError) as error:
        raise ValueError(f"--params {path}: {error}; give a JSON list of StepCountJITAI arguments") from error
    if not isinstance(worlds, list) or not all(isinstance(world, dict) for world in worlds) or not worlds:
        raise ValueError(f"--params {path}: not a JSON list of objects; give one object of arguments a world")
    for number, world in enumerate(worlds):
        try:
            elsewhere.make(world, 0)
        except Refused as error:
            raise ValueError(f"--params {path}: world {number}: {error}; `sigma` is needed") from error
    return worlds


def plot(path: Path, worlds: list[World], curves: list[np.ndarray[Any, Any]]) -> None:
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    for world, curve in zip(worlds, curves, strict=True):
        label = json.dumps(world, ensure_ascii=False) if len(curves) <= 6 else None
        axes.plot(range(1, len(curve) + 1), curve, label=label)
    axes.axhline(1.0, color="grey", linewidth=0.5)
    axes.set_xlabel("episode")
    axes.set_ylabel("share of the optimum")
    if len(curves) <= 6:
        axes.legend(fontsize="small")
    figure.savefig(path)


def progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
