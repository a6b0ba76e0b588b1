"""People's years: what they had of them with each policy, and how far that is from an oracle's."""

from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.figure import Figure

from ml.evaluation.population.bench import price_of, progress
from ml.evaluation.population.days import Lived, PolicyOf, live
from ml.evaluation.population.rules import Oracle, statics
from ml.recommender.policies import CURRENT

TRIED_DAYS: Final = 40
"""Static rules are tried on so many days of the year; the best three of them live all of it."""
LIVE_ALL: Final = 3
Row = dict[str, Any]


def years(first: int, people: int, days: int) -> Row:
    """The years of `people` from the number `first` on: mean regret of each policy, and how much less
    `learned` has than each other; 95% intervals by bootstrap over people.
    """
    rows = []
    for number in range(first, first + people):
        rows.append(year(number, days))
        told = {name: round(value, 1) for name, value in rows[-1]["reward"].items()}
        progress(f"{len(rows)}/{people} people: {told}")
    names = [name for name in rows[0]["regret"] if name != "oracle"]
    regret = {name: np.array([row["regret"][name] for row in rows]) for name in names}
    reward = {name: np.array([row["reward"][name] for row in rows]) for name in rows[0]["reward"]}
    return {
        "first": first,
        "days": days,
        "regret": {name: _interval(regret[name]) for name in names},
        "reward": {name: _interval(values) for name, values in reward.items()},
        "learnedLess": {
            name: _interval(regret[name] - regret["learned"]) for name in names if name != "learned"
        },
        "learnedBetterFor": {
            name: int(np.sum(regret[name] > regret["learned"])) for name in names if name != "learned"
        },
        "people": [{key: value for key, value in row.items() if key != "curves"} for row in rows],
        "curves": {
            name: np.mean([row["curves"][name] for row in rows], axis=0).tolist()
            for name in rows[0]["curves"]
        },
    }


def _interval(values: Any) -> Row:
    """Mean, and its 95% interval over people (a single one has none)."""
    rng = np.random.default_rng(0)
    means = values[rng.integers(0, len(values), (4000, len(values)))].mean(1)
    low, high = np.quantile(means, [0.025, 0.975])
    interval = [float(low), float(high)] if len(values) > 1 else None
    return {"mean": float(values.mean()), "interval": interval}


def year(number: int, days: int) -> Row:
    """Cumulative expected reward by day of an oracle, the policies, and the best static rule in hindsight."""
    price = price_of(number)
    curves = {"oracle": _curve(live(number, partial(Oracle, price=price), days=days), days)}
    progress("oracle")
    for name in sorted(CURRENT):
        curves[name] = _curve(live(number, _always(name), days=days), days)
        progress(name)
    rules = statics()
    tried = {
        name: live(number, lambda _, rule=rule: rule, days=min(days, TRIED_DAYS)).total  # type: ignore[misc]
        for name, rule in rules.items()
    }
    whole = {}
    for name in sorted(tried, key=lambda name: -tried[name])[:LIVE_ALL]:
        whole[name] = _curve(live(number, partial(_same, rules[name]), days=days), days)
        progress(f"static: {name}")
    best = max(whole, key=lambda name: whole[name][-1])
    curves["best static rule"] = whole[best]
    oracle = curves["oracle"][-1]
    return {
        "person": number,
        "days": days,
        "price": price,
        "static": best,
        "reward": {name: curve[-1] for name, curve in curves.items()},
        "regret": {name: oracle - curve[-1] for name, curve in curves.items()},
        "curves": curves,
    }


def _always(name: str) -> PolicyOf:
    return lambda _: CURRENT[name]


def _same(rule: Any, _: object) -> Any:
    return rule


def _curve(lived: Lived, days: int) -> list[float]:
    by_day = np.zeros(days)
    for each in lived.faced:
        by_day[min(each.day, days - 1)] += each.mean
    return [float(value) for value in np.cumsum(by_day)]


def plot(path: Path, found: Row) -> None:
    """Regret against the oracle by day."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    oracle = np.array(found["curves"]["oracle"])
    for name, curve in found["curves"].items():
        if name != "oracle":
            axes.plot(np.arange(1, len(curve) + 1), oracle - np.array(curve), label=name)
    axes.axhline(0.0, color="grey", linewidth=0.5)
    axes.set_xlabel("day")
    axes.set_ylabel("regret against the oracle, expected reward")
    axes.legend(fontsize="small")
    figure.savefig(path, metadata={"Date": None, "Title": "Regret against the oracle by day"})
