"""Makes a person's state out of a prior and the person's events."""

from collections.abc import Callable, Iterable
from functools import cache
from typing import Final

from ml.features import FEATURE_MAPS
from ml.recommender.belief import Lesson
from ml.recommender.person import Person, Teacher
from ml.recommender.policies import policy_of
from ml.recommender.prior import Prior, PriorUnknown, load_prior
from oo.v1 import decisions_pb2, tips_pb2
from oo_contracts.envelope import RecordedEvent
from oo_contracts.ids import UserId

COMMON_PRIOR: Final = "common.v1"
"""The prior that new decisions start from."""

prior_of: Final[Callable[[str], Prior]] = cache(load_prior)


def new_person(user: UserId, prior: Prior) -> Person:
    """A person of whom nothing is known but the prior. Raises PriorUnknown."""
    return Person(user, prior, _teacher(prior))


def fold(user: UserId, prior: Prior, events: Iterable[RecordedEvent]) -> Person:
    """The state after `events` of the person's streams, given in the order of positions."""
    person = new_person(user, prior)
    for event in events:
        person.fold(event)
    return person


def _teacher(prior: Prior) -> Teacher:
    features = FEATURE_MAPS.get(prior.features)
    if features is None or prior.names != features.WEIGHTS:
        raise PriorUnknown(f"the prior {prior.version} is not over a feature map that is known here")

    def teach(record: decisions_pb2.DecisionRecord, outcome: tips_pb2.OutcomeKind) -> Lesson | None:
        # A record speaks in its policy's features; another map than this prior's cannot read it.
        if policy_of(record.policy, record.policy_version).features != prior.features:
            return None
        return features.lesson(record, outcome)

    return teach
