"""What a decision chooses among: the most urgent todos and the most fitting advices, ten at most."""

from collections.abc import Sequence
from typing import Final

from ml.features import FEATURE_MAPS
from ml.recommender.catalogue import Advice
from ml.recommender.decide import CANDIDATES, Offer
from ml.recommender.person import DAY, HOUR, Person, RefHistory
from ml.recommender.policy import Policy
from oo.v1 import candidates_pb2, decisions_pb2
from oo_contracts.ids import is_content_ref

ADVICES: Final = 4
"""Most advices, where there are todos enough."""
REFS_LENGTH: Final = 480
"""Most characters of all references together: a record stays under 4 KiB with the longest of them."""


def shortlist(
    person: Person,
    at: int,
    items: Sequence[candidates_pb2.CandidateItem],
    advices: Sequence[Advice],
    policy: Policy,
) -> list[Offer]:
    """Offers for a decision at `at`, out of what the integrations service listed and the catalogue.

    What was finished, or answered lately, is left out for a while.
    """
    features = FEATURE_MAPS[policy.features]
    context = features.context_features(person, at)
    todos = {
        item.ref: Offer(item.ref, decisions_pb2.TIP_KIND_TODO, features.given_by_todo(item, at))
        for item in items
        if item.kind == decisions_pb2.TIP_KIND_TODO
        and is_content_ref(item.ref)
        and item.ref not in person.finished
        and not _rests(person.refs.get(item.ref), at, good=20 * HOUR, refused=DAY)
    }
    tips = {
        advice.ref: Offer(
            advice.ref, decisions_pb2.TIP_KIND_ADVICE, features.given_by_advice(advice, context)
        )
        for advice in advices
        if not _rests(person.refs.get(advice.ref), at, good=20 * HOUR, refused=3 * DAY)
    }
    due, overdue, priority = (features.GIVEN.index(name) for name in ("due", "overdue", "priority"))
    urgent = sorted(
        todos.values(),
        key=lambda offer: (
            -offer.given[overdue],
            -offer.given[due],
            -offer.given[priority],
            _proposed(person, offer.ref),
            offer.ref,
        ),
    )
    fit = features.GIVEN.index("fit")
    fitting = sorted(
        tips.values(), key=lambda offer: (_proposed(person, offer.ref), -offer.given[fit], offer.ref)
    )
    chosen = [*urgent[: CANDIDATES - ADVICES], *fitting[:ADVICES]]
    room = REFS_LENGTH
    kept: list[Offer] = []
    for offer in chosen:
        if len(offer.ref) <= room:
            room -= len(offer.ref)
            kept.append(offer)
    return kept


def _proposed(person: Person, ref: str) -> int:
    past = person.refs.get(ref)
    return past.proposed if past is not None else 0


def _rests(past: RefHistory | None, at: int, good: int, refused: int) -> bool:
    """Whether a reference is left alone: it was done or dismissed lately, or put off until later."""
    if past is None:
        return False
    return (
        (past.good_at is not None and at - past.good_at < good)
        or (past.refused_at is not None and at - past.refused_at < refused)
        or (past.snoozed_until is not None and at < past.snoozed_until)
    )
