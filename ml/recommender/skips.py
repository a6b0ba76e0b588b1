"""What operators have said of a person's events: which of them the recommender leaves out.

An event that cannot be applied parks its person. An operator may give it up: `ParkedEventSkipped` in the
person's `skips` stream, with the recommender's name where a read model's would stand. A state then leaves
that event out from its beginning on, wherever the skip stands in the order of the store: it is passed, and
nothing is taken from it. `folded_to` of a decision names the last skip that it had seen, so that a replay
leaves out what the decision had left out, no more and no less. Skips of other names are no part of a state.
"""

from collections.abc import Iterable
from typing import Final, Protocol

from oo.v1 import operations_pb2
from oo_contracts.envelope import RecordedEvent

RECOMMENDER: Final = "recommender"
SKIPS: Final = "skips"
"""Category of the streams that say it."""
SKIPPED: Final = operations_pb2.ParkedEventSkipped.DESCRIPTOR.name


class _Placed(Protocol):
    @property
    def stream(self) -> str: ...
    @property
    def revision(self) -> int: ...


def address_of(event: _Placed) -> str:
    """`STREAM@REVISION`"""
    return f"{event.stream}@{event.revision}"


def left_out_by(event: RecordedEvent) -> str | None:
    """The address of what an event says is to be left out here; None where it says nothing of it."""
    skipped = event.data
    if not isinstance(skipped, operations_pb2.ParkedEventSkipped) or skipped.projection != RECOMMENDER:
        return None
    return address_of(skipped)


def left_out_of(events: Iterable[RecordedEvent]) -> frozenset[str]:
    """The addresses of all that the events say is to be left out."""
    return frozenset(address for event in events if (address := left_out_by(event)) is not None)


def kept(events: Iterable[RecordedEvent]) -> list[RecordedEvent]:
    """A person's events without those that are left out, and without what was said of them."""
    whole = list(events)
    left_out = left_out_of(whole)
    return [
        event
        for event in whole
        if address_of(event) not in left_out and not isinstance(event.data, operations_pb2.ParkedEventSkipped)
    ]
