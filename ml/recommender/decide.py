"""One decision: a pure function of the person's state, the moment, the candidates, policy, prior and decision
id.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ml.features import FEATURE_MAPS
from ml.recommender.agenda import Trigger
from ml.recommender.draws import UNITS, Draws
from ml.recommender.person import HOUR, MINUTE, Person
from ml.recommender.policy import Account, Candidate, PageRule, Policy, Reason, Situation, Verdict
from ml.recommender.prior import Prior
from oo.v1 import decisions_pb2
from oo_contracts.ids import DecisionId

SECOND: Final = 1000
TODO_HOLDS: Final = 2 * HOUR
ADVICE_HOLDS: Final = 45 * MINUTE
WAIT_HOLDS: Final = 60 * MINUTE
"""Horizons: how long an answer counts."""
LONGEST_WAIT: Final = 4 * HOUR
"""After this long it asks again, however long the person's calendar says that they are busy."""
AFTER_TIP: Final = 15 * MINUTE
"""How long after a tip's end the next moment is, when no signal comes before."""
CANDIDATES: Final = 10
"""Most candidates of a decision, so that a record stays short."""

# Numbers of the draws; a policy's own begin at draws.POLICY.
_ACT: Final = 0
_TIP: Final = 1


@dataclass(frozen=True, slots=True)
class Offer:
    """A candidate as its source gave it."""

    ref: str
    kind: decisions_pb2.TipKind
    given: tuple[float, ...]
    """Values of the feature map's GIVEN."""


@dataclass(frozen=True, slots=True)
class Decision:
    """All of a decision; `record.record_of` writes it down."""

    id: DecisionId
    trigger: Trigger
    policy: Policy
    prior: Prior
    state_digest: str
    folded_to: tuple[tuple[str, int], ...]
    context: tuple[float, ...]
    candidates: tuple[Candidate, ...]
    unavailable: tuple[decisions_pb2.Unavailability, ...]
    act: int
    """Probability of acting, in units of `draws.UNITS`."""
    tips: tuple[int, ...]
    """Probability of each candidate, given that it acts."""
    seed: str
    choice: Candidate | None
    """None is WAIT."""
    moment_reasons: tuple[Reason, ...]
    tip_reasons: tuple[Reason, ...]
    holds_until: int
    reconsider_at: int | None
    utc_offset: int
    """Minutes east of UTC that the local day was reckoned with."""
    account: Account | None
    """How the probability of acting came about; not recorded."""

    @property
    def decided_at(self) -> int:
        return self.trigger.at


def decide(
    state: Person,
    context: Trigger,
    candidates: Sequence[Offer],
    policy: Policy,
    prior: Prior,
    decision_id: DecisionId,
) -> Decision:
    """Acts or waits and, acting, says which of the candidates (at most `CANDIDATES`) to tip.

    `context` is the moment: what triggered the decision, and when. `state` has to be folded from `prior`.
    """
    if state.prior is not prior and state.prior.digest != prior.digest:
        raise ValueError(f"the state of {state.user} is not folded from the prior {prior.version}")
    if len(candidates) > CANDIDATES:
        raise ValueError(f"{len(candidates)} candidates; a decision takes {CANDIDATES} at most")
    features, at = FEATURE_MAPS[policy.features], context.at
    page = on_page(state, context, policy)
    seen = features.context_features(state, at)
    seed = decision_id.replace("-", "")
    unavailable = unavailability(state, context, policy)
    offered = tuple(
        Candidate(offer.ref, offer.kind, (*offer.given, *features.derived(state, offer.ref, at)))
        for offer in ([] if unavailable else candidates)
    )
    if not unavailable and not offered:
        unavailable = (decisions_pb2.UNAVAILABILITY_NO_CANDIDATE,)
    verdict = Verdict(act=0, tips=())
    choice: Candidate | None = None
    tip_reasons: tuple[Reason, ...] = ()
    if not unavailable:
        budget = state.preferences.daily_budget
        verdict = policy.judge(
            Situation(
                seen,
                offered,
                state.belief,
                page,
                seed,
                planned=state.fatigue.planned,
                tips_left=budget - state.tips_of_day(at),
                daily_budget=budget,
                day_gone=state.day_gone(at),
            )
        )
        drawn = _draw(verdict, seed)
        if drawn is not None:
            choice = offered[drawn]
            tip_reasons = verdict.tip_reasons[drawn] if verdict.tip_reasons else ()
    holds_until, reconsider_at = _times(state, at, policy.page_rule if page else None, unavailable, choice)
    return Decision(
        id=decision_id,
        trigger=context,
        policy=policy,
        prior=prior,
        state_digest=state.digest,
        folded_to=tuple(sorted(state.revisions.items())),
        context=(*seen, *verdict.added),
        candidates=offered,
        unavailable=unavailable,
        act=verdict.act,
        tips=verdict.tips,
        seed=seed,
        choice=choice,
        moment_reasons=verdict.moment_reasons,
        tip_reasons=tip_reasons,
        holds_until=holds_until,
        reconsider_at=reconsider_at,
        utc_offset=state.utc_offset,
        account=verdict.account,
    )


def prepare(state: Person, policy: Policy) -> None:
    """Makes at leisure what the person's next decision will ask for. The decision is the same without."""
    policy.prepare(state.fatigue.planned, state.preferences.daily_budget)


def on_page(person: Person, trigger: Trigger, policy: Policy) -> bool:
    """Whether the person opened the page just now, or waits on it at a moment (or signal) that followed."""
    if trigger.kind == decisions_pb2.TRIGGER_KIND_PAGE_OPENED:
        return True
    if policy.page_rule.through_signals:
        return person.waits_on_page(trigger.at)
    return trigger.kind == decisions_pb2.TRIGGER_KIND_MOMENT and person.page_open(trigger.at)


def unavailability(
    person: Person, trigger: Trigger, policy: Policy
) -> tuple[decisions_pb2.Unavailability, ...]:
    """Why nothing may be said now, whatever the candidates; empty where speaking is allowed."""
    at = trigger.at
    reasons = {
        decisions_pb2.UNAVAILABILITY_NO_CONSENT: not person.consents_to_tips(),
        decisions_pb2.UNAVAILABILITY_QUIET_HOURS: person.quiet(at) and not on_page(person, trigger, policy),
        decisions_pb2.UNAVAILABILITY_BUDGET_SPENT: person.tips_of_day(at) >= person.preferences.daily_budget,
        decisions_pb2.UNAVAILABILITY_TIP_ACTIVE: person.active_tip is not None,
    }
    return tuple(reason for reason, holds in reasons.items() if holds)


def _draw(verdict: Verdict, seed: str) -> int | None:
    """Index of the chosen candidate; None is WAIT."""
    draws = Draws(seed)
    if draws.below(UNITS, _ACT) >= verdict.act:
        return None
    return draws.pick(verdict.tips, _TIP)


def _times(
    person: Person,
    at: int,
    page: PageRule | None,
    unavailable: tuple[decisions_pb2.Unavailability, ...],
    choice: Candidate | None,
) -> tuple[int, int | None]:
    """Until when the decision holds, and when to ask again if no signal comes before.

    `page` is the rule for somebody who waits on the page; None where nobody does.
    """
    if choice is not None:
        holds_until = at + (TODO_HOLDS if choice.kind == decisions_pb2.TIP_KIND_TODO else ADVICE_HOLDS)
        return holds_until, person.after_quiet(holds_until + AFTER_TIP)
    if not unavailable:
        if page is not None:
            return at + page.again, at + page.again
        busy_until, _ = person.busy_at(at)
        again = at + WAIT_HOLDS if busy_until is None else min(busy_until, at + LONGEST_WAIT)
        return at + WAIT_HOLDS, person.after_quiet(again)
    # Nothing is measured where nothing could be said; a decision holds for a while all the same.
    holds_until = at + WAIT_HOLDS
    if decisions_pb2.UNAVAILABILITY_NO_CONSENT in unavailable:
        return holds_until, None
    if person.active_tip is not None:
        reconsider_at = max(at, person.active_tip.holds_until) + AFTER_TIP
    elif decisions_pb2.UNAVAILABILITY_BUDGET_SPENT in unavailable:
        reconsider_at = person.next_local_day(at)
    elif decisions_pb2.UNAVAILABILITY_QUIET_HOURS in unavailable:
        reconsider_at = at
    elif page is not None and page.through_signals:
        return holds_until, at + page.again
    else:
        reconsider_at = holds_until
    return holds_until, person.after_quiet(reconsider_at)
