"""The states of all people of this worker, in memory: made of events alone, and made again from them at a
start.
"""

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping
from logging import Logger
from typing import Any, Final

from ml.recommender.fold import new_person
from ml.recommender.person import Person
from ml.recommender.prior import Prior
from oo_contracts.envelope import STREAM_DELETED, RecordedEvent, read_address, read_envelope
from oo_contracts.ids import UserId
from oo_contracts.partition import partition_of
from oo_contracts.streams import FOLDED_CATEGORIES, owner_of

Folded = Callable[[UserId, RecordedEvent], None]
Left = Callable[[UserId], None]
LEAVING: Final = frozenset({"UserErased", STREAM_DELETED})
"""After one of these nothing of the person is kept, also where this build cannot read their events."""


class Gap(Exception):
    """Events of a person are missing between what is folded and what came: they have to be folded anew."""

    def __init__(self, user: UserId) -> None:
        super().__init__(user)
        self.user = user


class People:
    """Folds events into the persons of the given partitions. `folded` is told of every event, `left` of every
    person who was known here and has left.
    """

    def __init__(
        self,
        prior: Prior,
        partitions: Collection[int],
        log: Logger,
        folded: Folded,
        left: Left = lambda _: None,
    ) -> None:
        self._prior = prior
        self._partitions = partitions
        self._log = log
        self._folded = folded
        self._told_of_leaving = left
        self._people: dict[UserId, Person] = {}
        self.parked: dict[UserId, str] = {}
        """People with an event that this build cannot read, and why: they wait, everyone else goes on."""
        self._left: dict[str, int] = {}

    def start_from(self, prior: Prior) -> None:
        """Folds everybody from this prior. Raises ValueError once somebody is folded from another."""
        if self._people and prior is not self._prior:
            raise ValueError("people are folded already; another prior counts from the next start on")
        self._prior = prior

    def __len__(self) -> int:
        return len(self._people)

    def __iter__(self) -> Iterator[UserId]:
        return iter(self._people)

    def owns(self, user: UserId) -> bool:
        """Whether the person is of the given partitions: of anybody else nothing is known here."""
        return partition_of(user) in self._partitions

    def get(self, user: UserId) -> Person | None:
        """None where nothing is known of the person, or where they are parked or have left."""
        person = self._people.get(user)
        return None if person is None or person.erased or user in self.parked else person

    @property
    def left(self) -> Mapping[str, int]:
        """Who has left, by a digest of the pseudonym, and at which position."""
        return self._left

    def has_left(self, user: UserId) -> bool:
        return bool(self._left) and _trace_of(user) in self._left

    def leave(self, user: UserId, position: int) -> None:
        """Forgets a person for good. What is still told of them is passed over, as by who folds it all."""
        trace = _trace_of(user)
        self._left[trace] = min(position, self._left.get(trace, position))
        was_parked = self.parked.pop(user, None) is not None
        if self._people.pop(user, None) is not None or was_parked:
            self._told_of_leaving(user)

    def restore(self, people: Mapping[UserId, Person], left: Mapping[str, int]) -> None:
        """States that were folded before, out of the same prior and the same store, and who had left."""
        if self._people:
            raise ValueError("people are folded already")
        self._people = dict(people)
        self._left = dict(left)

    def fold(self, envelope: dict[str, Any]) -> None:
        """Folds an event, unless it was folded before or is not of this worker's people. Raises Gap.

        Raises EnvelopeMalformed where it is not an event at all.
        """
        address = read_address(envelope)
        owner = owner_of(address.stream)
        if owner is None or owner.user_id is None or not self.owns(owner.user_id):
            return
        if owner.category not in FOLDED_CATEGORIES:
            return
        user = owner.user_id
        if address.type in LEAVING:
            self.leave(user, address.position)
            return
        if user in self.parked:
            return
        person = self._people.get(user)
        if person is None:
            if self.has_left(user):
                return
            person = self._people[user] = new_person(user, self._prior)
        last = person.revisions.get(address.stream, -1)
        if address.revision <= last:
            return
        if address.revision > last + 1 or address.position < person.position:
            raise Gap(user)
        self._fold(person, envelope)

    def refold(self, user: UserId, envelopes: list[dict[str, Any]]) -> None:
        """Makes a person's state anew out of all events of their streams, in the order of positions."""
        self.parked.pop(user, None)
        person = self._people[user] = new_person(user, self._prior)
        for envelope in envelopes:
            address = read_address(envelope)
            if address.type in LEAVING:
                self.leave(user, address.position)
                return
            if user not in self.parked:
                self._fold(person, envelope)

    def _fold(self, person: Person, envelope: dict[str, Any]) -> None:
        try:
            event = read_envelope(envelope)
            person.fold(event)
        except (ValueError, LookupError) as error:
            self.parked[person.user] = str(error)
            self._log.error(
                "an event cannot be applied; this person waits for a build that can",
                extra={"userId": person.user, "stream": envelope.get("stream"), "reason": str(error)},
            )
            return
        self._folded(person.user, event)


def _trace_of(user: UserId) -> str:
    """Of who has left not even the pseudonym is kept."""
    return hashlib.sha256(user.encode()).hexdigest()[:32]
