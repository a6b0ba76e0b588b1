"""The states of all people of this worker, in memory: made of events alone, and made again from them at a
start.
"""

import hashlib
import traceback
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from logging import Logger
from typing import Any, Final

from ml.recommender.fold import new_person
from ml.recommender.person import Person
from ml.recommender.prior import Prior
from ml.recommender.skips import SKIPPED, SKIPS, address_of, left_out_by
from oo_contracts.envelope import (
    STREAM_DELETED,
    Address,
    EnvelopeMalformed,
    RecordedEvent,
    read_address,
    read_envelope,
    read_metadata,
    read_unread,
)
from oo_contracts.ids import UserId
from oo_contracts.partition import partition_of
from oo_contracts.streams import FOLDED_CATEGORIES, owner_of

Folded = Callable[[UserId, RecordedEvent], None]
Left = Callable[[UserId], None]
LEAVING: Final = frozenset({"UserErased", STREAM_DELETED})
"""After one of these nothing of the person is kept, also where this build cannot read their events."""


class Gap(Exception):
    """Events of a person are missing between what is folded and what came, or one that was folded is to be
    left out: they have to be folded anew.
    """

    def __init__(self, user: UserId) -> None:
        super().__init__(user)
        self.user = user


@dataclass(frozen=True, slots=True)
class Parked:
    """The event that a person waits at."""

    event: Address
    recorded_at: int | None
    """Milliseconds since 1970; None where this build cannot read it. Since when the person waits: every
    process says the same, also after a restart.
    """
    error: str
    seen: Mapping[str, int]
    """Last revision of each stream that is known to be there, folded or not."""
    behind: int = 0
    """Events of the person that wait behind it."""


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
        self.parked: dict[UserId, Parked] = {}
        """People with an event that cannot be applied: they wait, everyone else goes on."""
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

    def has(self, user: UserId, event: Address) -> bool:
        """Whether the event is folded, or waits."""
        return event.revision <= self._seen(user).get(event.stream, -1)

    def fold(self, envelope: dict[str, Any]) -> None:
        """Folds an event, unless it was folded before or is not of this worker's people. Raises Gap.

        Raises EnvelopeMalformed where it is not an event at all.
        """
        address = read_address(envelope)
        owner = owner_of(address.stream)
        if owner is None or owner.user_id is None or not self.owns(owner.user_id):
            return
        user = owner.user_id
        if address.type in LEAVING:
            self.leave(user, address.position)
            return
        if not concerns(address, envelope) or self.has_left(user) or self.has(user, address):
            return
        if owner.category == SKIPS:
            # What is to be left out was folded, or is what the person waits at.
            raise Gap(user)
        parked = self.parked.get(user)
        if parked is not None:
            # What comes late stands before what the person waits at, and may be what they wait at in truth.
            if not _follows(address, parked.seen, parked.event.position):
                raise Gap(user)
            seen = {**parked.seen, address.stream: address.revision}
            self.parked[user] = replace(parked, seen=seen, behind=parked.behind + 1)
            return
        person = self._people.get(user)
        if person is None:
            person = self._people[user] = new_person(user, self._prior)
        if not _follows(address, person.revisions, person.position):
            raise Gap(user)
        self._fold(person, address, envelope)

    def refold(self, user: UserId, envelopes: list[dict[str, Any]]) -> int:
        """Makes a person's state anew out of all events of their streams, in the order of positions. Gives
        how many it took; those that are left out are among them.
        """
        concerning = list[tuple[Address, dict[str, Any]]]()
        for envelope in envelopes:
            try:
                address = read_address(envelope)
            except EnvelopeMalformed as error:
                self._log.error("what the store told is no event", extra={"reason": str(error)})
                continue
            if address.type in LEAVING:
                self.leave(user, address.position)
                return 0
            if concerns(address, envelope):
                concerning.append((address, envelope))
        if self.has_left(user):
            # Meanwhile: the events were read before.
            return 0
        self.parked.pop(user, None)
        person = self._people[user] = new_person(user, self._prior)
        person.left_out = frozenset(
            left_out
            for address, envelope in concerning
            if address.type == SKIPPED and (left_out := _left_out_by(envelope)) is not None
        )
        for place, (address, envelope) in enumerate(concerning):
            if not self._fold(person, address, envelope):
                waiting = [behind for behind, _ in concerning[place + 1 :]]
                parked = self.parked[user]
                seen = {**parked.seen, **{behind.stream: behind.revision for behind in waiting}}
                self.parked[user] = replace(parked, seen=seen, behind=len(waiting))
                return place
        return len(concerning)

    def _fold(self, person: Person, address: Address, envelope: dict[str, Any]) -> bool:
        """False where the person is parked at the event."""
        seen = {**person.revisions, address.stream: address.revision}
        try:
            read = read_unread if address_of(address) in person.left_out else read_envelope
            event = read(envelope)
            person.fold(event)
        except Exception as error:
            # Whatever it is, a bug of a fold also: it is about one person, and ends no one else's.
            self._park(person.user, Parked(address, _recorded_at(envelope), _told(error), seen))
            return False
        self._folded(person.user, event)
        return True

    def _park(self, user: UserId, parked: Parked) -> None:
        # What the event has half changed is no state.
        del self._people[user]
        self.parked[user] = parked
        self._log.error(
            "an event cannot be applied; this person waits. See: oo parked show recommender USER",
            extra={"userId": user, "event": address_of(parked.event), "reason": parked.error},
        )

    def _seen(self, user: UserId) -> Mapping[str, int]:
        if user in self.parked:
            return self.parked[user].seen
        return self._people[user].revisions if user in self._people else {}


def concerns(address: Address, envelope: dict[str, Any]) -> bool:
    """Whether a person's state depends on an event of their streams. A skip that cannot be read may be one of
    ours: nothing is to be folded by mistake that an operator has given up.
    """
    owner = owner_of(address.stream)
    if owner is None or owner.category in FOLDED_CATEGORIES:
        return owner is not None
    if address.type != SKIPPED:
        return False
    try:
        return left_out_by(read_envelope(envelope)) is not None
    except ValueError:
        return True


def _follows(address: Address, revisions: Mapping[str, int], position: int) -> bool:
    """Whether an event that is not known yet is the next of its stream, and stands behind a position."""
    return address.revision == revisions.get(address.stream, -1) + 1 and address.position > position


def _left_out_by(envelope: dict[str, Any]) -> str | None:
    try:
        return left_out_by(read_envelope(envelope))
    except ValueError:
        return None


def _recorded_at(envelope: dict[str, Any]) -> int | None:
    try:
        return read_metadata(envelope.get("metadata")).recorded_at
    except EnvelopeMalformed:
        return None


def _told(error: Exception) -> str:
    """What cannot be read says so itself; a bug is found by where it is."""
    if isinstance(error, ValueError):
        return str(error)
    where = "".join(traceback.format_tb(error.__traceback__)[-3:])
    return f"{type(error).__name__}: {error}\n{where}".rstrip()


def _trace_of(user: UserId) -> str:
    """Of who has left not even the pseudonym is kept."""
    return hashlib.sha256(user.encode()).hexdigest()[:32]
