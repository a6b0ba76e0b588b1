"""`learned`: draws of what could be true of the person vote on whether to speak, and which tip.

Each of `WORLDS` draws is a person as they might be: weights of the moment and the tips from the posterior
of the belief, and how they tire from that of the person model. In each, the best candidate is found, and
speaking of it now is compared with waiting, both with all that follows until tomorrow evening: what a tip
costs in habituation and disengagement, and what its place in the day's budget would have been worth later,
by dynamic programming. The votes are the probabilities, so an answer is the more certain the more is known
(Thompson, "On the likelihood that one unknown probability exceeds another", 1933).
"""

from collections import OrderedDict
from collections.abc import Iterable
from math import floor
from typing import Final

import numpy as np

from ml.features import v2 as features
from ml.learning.act_or_wait import ActOrWait
from ml.learning.arms import Arms
from ml.learning.normals import normals
from ml.learning.person_model import WAIT, Moment, PersonPrior
from ml.learning.planning import Plan
from ml.recommender.arithmetic import Matrix, Vector, dot, squash, total
from ml.recommender.draws import apportion
from ml.recommender.fatigue import SPEAK, Planned
from ml.recommender.policy import FIRST_PAGE_RULE, Reason, Situation, Verdict

WORLDS: Final = 8
ACT_MIN: Final = 500
ACT_MAX: Final = 9500
"""Bounds of the probability of acting, in units: neither answer ever stops being tried."""
ACT_ON_PAGE: Final = ACT_MAX
"""Who opens the page asks for a tip."""
ACT_UNASKED: Final = 8000
"""The same where no world has a tip that would be welcome."""
TIP_MIN: Final = 200
"""Least probability of each candidate, in units."""
BOLD: Final = 0.2
"""Share of the posterior's spread that draws of the weights take: the bounds and the page try enough, and a
person answers too seldom for more to pay.
"""
STEEP: Final = 2.0
"""How fast the appeal of a moment rises with the expected worth of speaking."""
MOMENTS_A_DAY: Final = 8
DAYS: Final = 2
"""How far ahead is planned."""
MOST_LEFT: Final = 3
"""Of the budget; more counts as that many."""
GRID: Final = (5, 6)
PLANS_KEPT: Final = 256
REASONS: Final = 5

_plans: OrderedDict[tuple[str, int], Plan] = OrderedDict()
"""A cache: a plan is a function of its key."""


class LearnedPolicy:
    """The newest version is what oO serves by default; benches of the moment play `person`."""

    name = "learned"
    version = "v1"
    features = features.VERSION
    page_rule = FIRST_PAGE_RULE

    @staticmethod
    def person(prior: PersonPrior, key: str, steps: int) -> ActOrWait:
        """The learner of the moment by itself, where a moment's appeal is given and not reckoned."""
        return ActOrWait(prior, key, steps)

    @staticmethod
    def arms(width: int, arms: int, key: str) -> Arms:
        """The learner of which of several arms, for contexts that are not known to be linear. Tips are chosen
        by the belief, which costs a thirtieth of its memory.
        """
        return Arms(width, arms, key)

    def prepare(self, planned: Planned | None, daily_budget: int) -> None:
        if planned is not None:
            plan_of(planned, min(MOST_LEFT, daily_budget))

    def judge(self, situation: Situation) -> Verdict:
        planned = situation.planned
        if planned is None:
            raise ValueError("the policy learned needs a prior that knows of fatigue; common.v2 does")
        belief = situation.belief
        width = len(features.WEIGHTS)
        z = normals(f"{situation.seed}|weights", width * WORLDS).reshape(width, WORLDS)
        drawn = belief.drawn(z * BOLD)
        moment = features.moment_part(situation.context)
        tips = [features.tip_part(situation.context, each.features) for each in situation.candidates]
        worths = np.stack([times_each(features.tip_weights(drawn), tip) for tip in tips])
        best = [highest(worths[:, world].tolist()) for world in range(WORLDS)]
        effects = times_each(features.moment_weights(drawn), moment).tolist()
        mean = belief.mean
        moment_weights, tip_weights = features.moment_weights(mean), features.tip_weights(mean)
        expected = [dot(tip_weights, tip) for tip in tips]
        # Of the tip that a world likes best its own word would be too good: it was the highest of many draws.
        appeals = np.array(
            [squash(STEEP * (effects[world] + expected[best[world]])) for world in range(WORLDS)]
        )
        appeal = features.thousandths(squash(STEEP * (dot(moment_weights, moment) + max(expected))))
        standing = features.standing(situation.context, appeal)
        slot = min(MOMENTS_A_DAY - 1, floor(situation.day_gone * MOMENTS_A_DAY))
        at = Moment(appeal, standing.habituation, standing.disengagement, slot)
        left = min(MOST_LEFT, situation.tips_left)
        plan = plan_of(planned, min(MOST_LEFT, situation.daily_budget))
        gains = _gains(plan, at, left, appeals)
        speaking = [world for world in range(WORLDS) if gains[world] > 0.0]
        _, act = apportion([float(WORLDS - len(speaking)), float(len(speaking))])
        voters = speaking or range(WORLDS)
        votes = [0.0] * len(tips)
        for world in voters:
            votes[best[world]] += 1.0
        return Verdict(
            act=_on_page(plan, at, appeals) if situation.page else min(ACT_MAX, max(ACT_MIN, act)),
            tips=tuple(apportion(votes, TIP_MIN)),
            moment_reasons=_moment_reasons(plan, at, left, appeals, gains, moment, moment_weights),
            tip_reasons=tuple(
                reasons_of(
                    "tip", dict(zip(features.TIP, zip(tip, tip * tip_weights, strict=True), strict=True))
                )
                for tip in tips
            ),
            added=(appeal,),
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


def _on_page(plan: Plan, at: Moment, appeals: Vector) -> int:
    """Who looks at the page is not left waiting for a better moment; only for a tip that is not welcome."""
    rewards = plan.rewards(at, appeals)[:, SPEAK].tolist()
    return ACT_ON_PAGE if any(reward > 0.0 for reward in rewards) else ACT_UNASKED


def _gains(plan: Plan, at: Moment, left: int, appeals: Vector) -> list[float]:
    """What speaking is worth more than waiting, in each world."""
    preferences = plan.preferences(at, left, appeals)
    gains: list[float] = (preferences[:, SPEAK] - preferences[:, WAIT]).tolist()
    return gains


def _moment_reasons(
    plan: Plan, at: Moment, left: int, appeals: Vector, gains: list[float], moment: Vector, weights: Vector
) -> tuple[Reason, ...]:
    """Of the features, and of what makes a moment another one than its features say: fatigue, and that the
    day's budget is not endless.
    """
    rested = _gains(plan, Moment(at.appeal, 0.0, 0.0, at.step), left, appeals)
    last = _gains(plan, Moment(at.appeal, at.habituation, at.disengagement, at.step), MOST_LEFT, appeals)
    contributions = dict(zip(features.CONTEXT, zip(moment, moment * weights, strict=True), strict=False))
    contributions["tired"] = (1.0, (total(gains) - total(rested)) / WORLDS)
    contributions["spent"] = (1.0, (total(gains) - total(last)) / WORLDS)
    return reasons_of("moment", contributions)


def reasons_of(prefix: str, contributions: dict[str, tuple[float, float]]) -> tuple[Reason, ...]:
    """The largest contributions, in thousandths, largest first; none that is nothing."""
    return largest(
        prefix,
        [
            (name, float(value), features.thousandths(float(contribution)))
            for name, (value, contribution) in contributions.items()
        ],
    )


def largest(prefix: str, rounded: Iterable[tuple[str, float, float]]) -> tuple[Reason, ...]:
    """The same of (name, value, contribution in thousandths)."""
    told = [each for each in rounded if each[2] != 0.0]
    told.sort(key=_size, reverse=True)
    return tuple(Reason(_code(prefix, *each), each[2]) for each in told[:REASONS])


def _size(told: tuple[str, float, float]) -> float:
    return abs(told[2])


def _code(prefix: str, name: str, value: float, contribution: float) -> str:
    """`moment.mood_low.against`: the feature, whether it is below zero, and what it speaks for."""
    return f"{prefix}.{name}{'_low' if value < 0.0 else ''}.{'for' if contribution > 0.0 else 'against'}"


def highest(values: list[float]) -> int:
    """Index of the largest; of several, the first."""
    return max(range(len(values)), key=lambda i: (values[i], -i))


def times_each(weights: Matrix, x: Vector) -> Vector:
    """(n, k) weights and (n,) features: (k,) products, summed from the first to the last."""
    result: Vector = np.add.accumulate(weights * x[:, None], axis=0)[-1]
    return result
