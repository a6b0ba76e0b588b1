"""When a person's next decision is due: a pure function of their events and the time.

A decision point opens with a trigger and stays open until a decision with its id is recorded: proposed,
withheld or voided. Triggers are relevant signals, the page's opening, and moments: the one that the last
recorded decision set (`reconsiderAt`; another decision before it is due takes its place), and the ends of
snoozes.

At most `POINTS_PER_HOUR` points of a person open in an hour of the clock, by the triggers' times; further
triggers are not due. The last `KEPT_FOR_PAGE` of them are for the page alone, so that a busy hour does not
leave who opens it without an answer.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from oo.v1 import decisions_pb2
from oo_contracts.ids import DecisionId, UserId, decision_id_of, record_command_id_of

POINTS_PER_HOUR: Final = 12
KEPT_FOR_PAGE: Final = 3
_HOUR: Final = 3_600_000
_HOURS_KEPT: Final = 3


@dataclass(frozen=True, slots=True)
class Trigger:
    """Why a decision is made. `at` is milliseconds since 1970."""

    kind: decisions_pb2.TriggerKind
    id: str
    at: int
    correlation_id: str
    causation_id: str
    """The event that the decision follows from."""


class Agenda:
    """The decision points of one person."""

    def __init__(self, user: UserId) -> None:
        self._user = user
        self._open: OrderedDict[DecisionId, Trigger] = OrderedDict()
        self._reconsider: Trigger | None = None
        self._snoozes: dict[str, Trigger] = {}
        self._opened: dict[int, int] = {}

    def advance(self, now: int) -> None:
        """Opens the points of the moments that are over at `now`."""
        if not self._snoozes and (self._reconsider is None or self._reconsider.at > now):
            return
        for trigger in self._due_moments(now):
            self._forget(trigger)
            self.open(trigger)

    def open(self, trigger: Trigger) -> None:
        """Opens a point, if its hour has room for one."""
        hour = trigger.at // _HOUR
        opened = self._opened.get(hour, 0)
        if opened >= _room(trigger.kind):
            return
        self._opened[hour] = opened + 1
        for past in [past for past in self._opened if past < hour - _HOURS_KEPT]:
            del self._opened[past]
        self._open[self.decision_id(trigger)] = trigger

    def close(self, decision_id: DecisionId, trigger_id: str) -> None:
        """A decision of this id, with a trigger of this id, was recorded."""
        self._open.pop(decision_id, None)
        if self._reconsider is not None and self._reconsider.id == trigger_id:
            self._reconsider = None
        self._snoozes.pop(trigger_id, None)

    def close_recorded(self, command_id: str) -> None:
        """A decision was recorded by this command; of what was recorded nothing can be known. Left open, its
        point would be decided for ever: the first end of an id is its only one.
        """
        moments = [(self.decision_id(trigger), trigger) for trigger in self._moments()]
        for decision_id, trigger in [*self._open.items(), *moments]:
            if record_command_id_of(decision_id) == command_id:
                self.close(decision_id, trigger.id)

    def reconsider(self, trigger: Trigger | None) -> None:
        """The newest recorded decision wants to be asked again, or not."""
        self._reconsider = trigger

    def snooze(self, trigger: Trigger) -> None:
        self._snoozes[trigger.id] = trigger

    def due(self, now: int) -> list[tuple[DecisionId, Trigger]]:
        """What is to be decided at `now`: the open points in the order of their opening, then moments that
        are over.
        """
        due, opened = list(self._open.items()), dict(self._opened)
        for trigger in self._due_moments(now):
            hour = trigger.at // _HOUR
            if opened.get(hour, 0) < _room(trigger.kind):
                opened[hour] = opened.get(hour, 0) + 1
                due.append((self.decision_id(trigger), trigger))
        return due

    def next_moment(self, now: int) -> int | None:
        """When the next moment after `now` is, if one is set."""
        return min((trigger.at for trigger in self._moments() if trigger.at > now), default=None)

    def decision_id(self, trigger: Trigger) -> DecisionId:
        return decision_id_of(self._user, decisions_pb2.TriggerKind.Name(trigger.kind), trigger.id)

    @property
    def triggers(self) -> list[str]:
        """Ids of what is due, or will be."""
        return [*(trigger.id for trigger in self._open.values()), *(each.id for each in self._moments())]

    def clear(self) -> None:
        """Nothing is due any more: the person has left."""
        self._open.clear()
        self._snoozes.clear()
        self._reconsider = None

    def _moments(self) -> list[Trigger]:
        reconsider = [self._reconsider] if self._reconsider is not None else []
        return [*reconsider, *self._snoozes.values()]

    def _due_moments(self, now: int) -> list[Trigger]:
        moments = [trigger for trigger in self._moments() if trigger.at <= now]
        return sorted(moments, key=lambda trigger: (trigger.at, trigger.id))

    def _forget(self, trigger: Trigger) -> None:
        if self._reconsider is trigger:
            self._reconsider = None
        else:
            self._snoozes.pop(trigger.id, None)


def _room(kind: decisions_pb2.TriggerKind) -> int:
    """How many points an hour may have before one of this kind."""
    return POINTS_PER_HOUR - (0 if kind == decisions_pb2.TRIGGER_KIND_PAGE_OPENED else KEPT_FOR_PAGE)
