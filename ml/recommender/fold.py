"""Makes a person's state out of a prior and the person's events."""

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Final

from ml.features import FEATURE_MAPS, READS, v2
from ml.learning.person_model import Moment
from ml.recommender.belief import Lesson
from ml.recommender.person import Person, Teacher
from ml.recommender.policies import POLICIES, policy_of
from ml.recommender.prior import Prior, PriorUnknown, load_prior
from ml.recommender.skips import left_out_of
from oo.v1 import decisions_pb2, tips_pb2
from oo_contracts.envelope import RecordedEvent
from oo_contracts.ids import UserId

COMMON_PRIOR: Final = "common.v1"
PRIORS: Final[Mapping[str, str]] = {"v1": COMMON_PRIOR, "v2": "common.v3"}
"""The prior that new decisions start from, for each feature map."""
LATEST_PRIOR: Final = PRIORS[v2.VERSION]

_published: Final[dict[str, Prior]] = {}
_shipped: Final[Callable[[str], Prior]] = cache(load_prior)


def publish(prior: Prior) -> None:
    """Makes a prior known that was read from its `PriorPublished`. The same version is the same prior."""
    _published[prior.version] = prior


def prior_of(version: str) -> Prior:
    """A prior that came with the code, or was published. Raises PriorUnknown."""
    return _published[version] if version in _published else _shipped(version)


def new_person(user: UserId, prior: Prior, taught: Callable[[Lesson], None] = lambda _: None) -> Person:
    """A person of whom nothing is known but the prior. `taught` is told of every lesson.

    Raises PriorUnknown.
    """
    return Person(user, prior, _Teacher(prior, taught))


def teacher_of(prior: Prior) -> Teacher:
    """Reads records for everybody who is folded from the prior. Raises PriorUnknown."""
    return _Teacher(prior, lambda _: None)


def fold(user: UserId, prior: Prior, events: Iterable[RecordedEvent]) -> Person:
    """The state after `events` of the person's streams, given in the order of positions. What they say is
    to be left out is left out.
    """
    whole = list(events)
    person = new_person(user, prior)
    person.left_out = left_out_of(whole)
    for event in whole:
        person.fold(event)
    return person


class _Teacher:
    """Reads records in the features that a prior is over. Raises PriorUnknown."""

    def __init__(self, prior: Prior, taught: Callable[[Lesson], None]) -> None:
        features = FEATURE_MAPS.get(prior.features)
        if features is None or prior.names != features.WEIGHTS:
            raise PriorUnknown(f"the prior {prior.version} is not over a feature map that is known here")
        self._features = features
        self._reads = READS[prior.features]
        self._taught = taught

    def lesson(self, record: decisions_pb2.DecisionRecord, outcome: tips_pb2.OutcomeKind) -> Lesson | None:
        # A record speaks in its policy's features; another map than those that this one reads is foreign.
        if policy_of(record.policy, record.policy_version).features not in self._reads:
            return None
        lesson = self._features.lesson(record, outcome)
        if lesson is not None:
            self._taught(lesson)
        return lesson

    def reward(self, outcome: tips_pb2.OutcomeKind) -> float | None:
        return v2.reward(outcome)

    def standing(self, record: decisions_pb2.DecisionRecord) -> Moment | None:
        policy = POLICIES.get((record.policy, record.policy_version))
        told = policy is not None and policy.features == v2.VERSION and v2.VERSION in self._reads
        return v2.recorded_standing(record) if told else None
