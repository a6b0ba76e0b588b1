"""`learned`, version 2: as version 1, more careful, and with a sum that says why.

What a simulated year showed of version 1: the plan prices what a tip takes from the next day or two, but not
the trust that an unwelcome one costs for weeks, so it spoke wherever a tip was worth a little. Here each draw
of what could be true of the person

- is for speaking by what it gains above `CARE`, on an S-curve, instead of with a whole vote;
- on the page compares the tip's own worth with nothing at all: no later moment is better than one that was
  asked for, but a tip that is not welcome may well be left out;
- plans over as many moments a day as there are.

The probability is the mean over the draws, and stays within bounds that are further out: one unasked tip in
twenty moments was more than all that was earned unasked.
"""

from collections import OrderedDict
from math import floor
from typing import Final

import numpy as np

from ml.features import v2 as features
from ml.learning.normals import normals
from ml.learning.person_model import WAIT, Moment
from ml.learning.planning import Plan
from ml.recommender.arithmetic import Matrix, Vector, dot, squash, total
from ml.recommender.draws import UNITS, apportion
from ml.recommender.fatigue import SPEAK, Planned
from ml.recommender.policies import learned_v1
from ml.recommender.policies.learned_v1 import largest, reasons_of, times_each
from ml.recommender.policy import PAGE_RULE, Account, Situation, Sum, Verdict

WORLDS: Final = 8
ACT_MIN: Final = 200
ACT_MAX: Final = 9500
"""Bounds of the probability of acting, in units: neither answer ever stops being tried."""
PAGE_MIN: Final = 3000
"""Who opens the page asks for a tip, and their answers teach most."""
TIP_MIN: Final = 100
"""Least probability of each candidate, in units."""
BOLD: Final = 0.1
"""Share of the posterior's spread that draws of the weights take: the bounds and the page try enough, and a
person answers too seldom for more to pay.
"""
STEEP: Final = 2.0
"""How fast the appeal of a moment rises with the expected worth of speaking."""
CARE: Final = 0.12
PAGE_CARE: Final = 0.05
"""What a tip has to be worth beyond what is planned for: trust that is lost for weeks."""
SLOPE: Final = 40.0
PAGE_SLOPE: Final = 15.0
"""How fast a draw's share of speaking rises with what is gained."""
MOMENTS_A_DAY: Final = 12
DAYS: Final = 2
"""How far ahead is planned."""
MOST_LEFT: Final = 3
"""Of the budget; more counts as that many."""
GRID: Final = (5, 6)
PLANS_KEPT: Final = 256

_plans: OrderedDict[tuple[str, int], Plan] = OrderedDict()
"""A cache: a plan is a function of its key."""


class LearnedPolicy(learned_v1.LearnedPolicy):
    """The learners of the moment and of the arms by themselves are version 1's."""

    version = "v2"
    page_rule = PAGE_RULE

    def prepare(self, planned: Planned | None, daily_budget: int) -> None:
        if planned is not None:
            plan_of(planned, min(MOST_LEFT, daily_budget))

    def judge(self, situation: Situation) -> Verdict:
        planned = situation.planned
        if planned is None:
            raise ValueError("the policy learned needs a prior that knows of fatigue; common.v3 does")
        width = len(features.WEIGHTS)
        z = normals(f"{situation.seed}|weights", width * WORLDS).reshape(width, WORLDS)
        drawn = situation.belief.drawn(z * BOLD)
        moment = features.moment_part(situation.context)
        # (candidates, TIP)
        tips = np.stack(
            [features.tip_part(situation.context, each.features) for each in situation.candidates]
        )
        best: list[int] = _worths(tips, features.tip_weights(drawn)).argmax(axis=0).tolist()
        effects = times_each(features.moment_weights(drawn), moment).tolist()
        mean = situation.belief.mean
        moment_weights, tip_weights = features.moment_weights(mean), features.tip_weights(mean)
        expected: list[float] = _worths(tips, tip_weights[:, None])[:, 0].tolist()
        # Of the tip that a world likes best its own word would be too good: it was the highest of many draws.
        own = [effects[world] + expected[best[world]] for world in range(WORLDS)]
        at, left = _standing(situation, squash(STEEP * (dot(moment_weights, moment) + max(expected))))
        parts = dict(
            zip(
                features.CONTEXT,
                zip(moment.tolist(), (moment * moment_weights).tolist(), strict=True),
                strict=False,
            )
        )
        if situation.page:
            gains = [worth - PAGE_CARE for worth in own]
            likely = _share(gains, PAGE_SLOPE)
            act = max(PAGE_MIN, _units(likely))
        else:
            plan = plan_of(planned, min(MOST_LEFT, situation.daily_budget))
            appeals = np.array([squash(STEEP * worth) for worth in own])
            gained, of_the_plan = _weighed(plan, at, left, appeals)
            gains = [gain - CARE for gain in gained]
            likely = _share(gains, SLOPE)
            act = max(ACT_MIN, _units(likely))
            parts |= of_the_plan
        liked = total(expected[each] for each in best) / WORLDS
        so_far = total([*(part for _, part in parts.values()), liked])
        parts["later"] = (1.0, total(gains) / WORLDS - so_far)
        # `features.thousandths` of what each feature of each tip adds, all at once.
        told = np.floor(tips * tip_weights * 1000.0 + 0.5)
        counts: list[int] = np.count_nonzero(told, axis=1).tolist()
        votes = [0.0] * len(tips)
        for world in [each for each in range(WORLDS) if gains[each] > 0.0] or range(WORLDS):
            votes[best[world]] += 1.0
        return Verdict(
            act=min(ACT_MAX, act),
            tips=tuple(apportion(votes, TIP_MIN)),
            moment_reasons=reasons_of("moment", parts),
            tip_reasons=tuple(
                largest("tip", zip(features.TIP, values, rounded, strict=True))
                for values, rounded in zip(tips.tolist(), (told / 1000.0).tolist(), strict=True)
            ),
            account=Account(
                moment=_sum(parts),
                tips=tuple(Sum(worth, count) for worth, count in zip(expected, counts, strict=True)),
                expected=liked,
                act=likely,
                page=situation.page,
            ),
            added=(at.appeal,),
        )


def plan_of(planned: Planned, budget: int) -> Plan:
    """Worlds drawn from the person model, and the best plan in each."""
    key = (planned.digest, budget)
    plan = _plans.get(key)
    if plan is None:
        worlds = planned.model.draw(planned.digest, WORLDS)
        steps = MOMENTS_A_DAY * DAYS + 1
        plan = Plan(worlds, planned.appeals, steps, budget, MOMENTS_A_DAY, GRID)
        _plans[key] = plan
        if len(_plans) > PLANS_KEPT:
            _plans.popitem(last=False)
    else:
        _plans.move_to_end(key)
    return plan


def _standing(situation: Situation, appeal: float) -> tuple[Moment, int]:
    """Where the person stands, and what is left of the budget."""
    standing = features.standing(situation.context, features.thousandths(appeal))
    slot = min(MOMENTS_A_DAY - 1, floor(situation.day_gone * MOMENTS_A_DAY))
    at = Moment(standing.appeal, standing.habituation, standing.disengagement, slot)
    return at, min(MOST_LEFT, situation.tips_left)


def _share(gains: list[float], slope: float) -> float:
    """Mean over the draws of how far each would speak."""
    return total(squash(slope * gain) for gain in gains) / WORLDS


def _units(share: float) -> int:
    return floor(share * UNITS + 0.5)


def _worths(tips: Matrix, weights: Matrix) -> Matrix:
    """(candidates, TIP) and (TIP, k): (candidates, k) products, summed from the first to the last."""
    result: Matrix = np.add.accumulate(weights[:, None, :] * tips.T[:, :, None], axis=0)[-1]
    return result


def _weighed(
    plan: Plan, at: Moment, left: int, appeals: Vector
) -> tuple[list[float], dict[str, tuple[float, float]]]:
    """What speaking is worth more than waiting, in each world; and of it what makes a moment another one than
    its features say: fatigue, and that the day's budget is not endless.
    """
    rested = Moment(at.appeal, 0.0, 0.0, at.step)
    preferences = plan.compared([(at, left), (rested, left), (at, MOST_LEFT)], appeals)
    gained, unless_tired, unless_spent = (preferences[:, :, SPEAK] - preferences[:, :, WAIT]).tolist()
    sum_of_gains = total(gain - CARE for gain in gained)
    return gained, {
        "tired": (1.0, (sum_of_gains + CARE * WORLDS - total(unless_tired)) / WORLDS),
        "spent": (1.0, (sum_of_gains + CARE * WORLDS - total(unless_spent)) / WORLDS),
    }


def _sum(parts: dict[str, tuple[float, float]]) -> Sum:
    told = [features.thousandths(part) for _, part in parts.values()]
    return Sum(total(part for _, part in parts.values()), len([each for each in told if each != 0.0]))
