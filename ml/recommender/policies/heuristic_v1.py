"""`heuristic`: does what is believed best, with what is left to chance bounded from below.

Before anything is known of a person their belief is the prior, whose mean says what a sensible person would
do (not now when busy, less after a dismissal, rather what is due). Each answer moves it.
"""

from math import floor
from typing import Final

from ml.features import v1 as features
from ml.recommender.arithmetic import Vector, dot, squash, total
from ml.recommender.draws import UNITS, apportion
from ml.recommender.fatigue import Planned
from ml.recommender.policy import FIRST_PAGE_RULE, Account, Reason, Situation, Sum, Verdict

ACT_MIN: Final = 500
ACT_MAX: Final = 9500
"""Bounds of the probability of acting, in units: neither answer ever stops being tried."""
ACT_ON_PAGE: Final = ACT_MAX
"""Who opens the page asks for a tip."""
TIP_MIN: Final = 200
"""Least probability of each candidate, in units."""
SLOPE: Final = 3.0
"""How fast the probability of acting rises with its expected worth."""
SPREAD: Final = 0.25
"""A candidate this much worse than the best is a sixteenth as likely."""
REASONS: Final = 5


class HeuristicPolicy:
    """Likelier to act the more speaking is worth; prefers the tips of most worth."""

    name = "heuristic"
    version = "v1"
    features = features.VERSION
    page_rule = FIRST_PAGE_RULE

    def prepare(self, planned: Planned | None, daily_budget: int) -> None:
        """Nothing takes long."""

    def judge(self, situation: Situation) -> Verdict:
        mean = situation.belief.mean
        moment_weights, tip_weights = features.moment_weights(mean), features.tip_weights(mean)
        moment = features.moment_part(situation.context)
        tips = [features.tip_part(situation.context, each.features) for each in situation.candidates]
        worths = [dot(tip_weights, tip) for tip in tips]
        best = max(worths)
        shares = apportion([_fourth(1.0 / (1.0 + (best - worth) / SPREAD)) for worth in worths], TIP_MIN)
        expected = total(share * worth / UNITS for share, worth in zip(shares, worths, strict=True))
        likely = squash(SLOPE * (dot(moment_weights, moment) + expected))
        act = min(ACT_MAX, max(ACT_MIN, floor(likely * UNITS + 0.5)))
        return Verdict(
            act=ACT_ON_PAGE if situation.page else act,
            tips=tuple(shares),
            moment_reasons=_reasons("moment", features.CONTEXT, moment, moment_weights),
            tip_reasons=tuple(_reasons("tip", features.TIP, tip, tip_weights) for tip in tips),
            account=Account(
                moment=_sum(moment, moment_weights),
                tips=tuple(_sum(tip, tip_weights) for tip in tips),
                expected=expected,
                act=likely,
                page=situation.page,
            ),
        )


def _fourth(x: float) -> float:
    square = x * x
    return square * square


def _reasons(prefix: str, names: tuple[str, ...], values: Vector, weights: Vector) -> tuple[Reason, ...]:
    """The largest contributions, in thousandths, largest first; none that is nothing."""
    rounded = _thousandths(values, weights)
    order = sorted(range(len(names)), key=lambda i: (-abs(rounded[i]), i))[:REASONS]
    return tuple(
        Reason(_code(prefix, names[i], float(values[i]), rounded[i]), rounded[i])
        for i in order
        if rounded[i] != 0.0
    )


def _thousandths(values: Vector, weights: Vector) -> list[float]:
    return [floor(float(each) * 1000.0 + 0.5) / 1000 for each in weights * values]


def _sum(values: Vector, weights: Vector) -> Sum:
    shown = [each for each in _thousandths(values, weights) if each != 0.0]
    return Sum(dot(weights, values), len(shown))


def _code(prefix: str, name: str, value: float, contribution: float) -> str:
    """`moment.mood_low.against`: the feature, whether it is below zero, and what it speaks for."""
    return f"{prefix}.{name}{'_low' if value < 0.0 else ''}.{'for' if contribution > 0.0 else 'against'}"
