"""The event types, and how their payloads are read and written."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from google.protobuf.json_format import MessageToDict, ParseError
from google.protobuf.message import Message

from oo.v1 import operations_pb2, policies_pb2, signals_pb2, tips_pb2, users_pb2
from oo_contracts.payloads import read_payload
from oo_contracts.upcasters import upcast


@dataclass(frozen=True, slots=True)
class EventDefinition:
    category: str
    version: int
    """Version that is written now."""
    message: type[Message]


def _v1(category: str, *messages: type[Message]) -> dict[str, EventDefinition]:
    return {message.DESCRIPTOR.name: EventDefinition(category, 1, message) for message in messages}


EVENTS: Final[Mapping[str, EventDefinition]] = {
    "TaskObserved": EventDefinition("signals", 2, signals_pb2.TaskObserved),
    **_v1(
        "signals",
        signals_pb2.TaskCompleted,
        signals_pb2.HabitChecked,
        signals_pb2.BusyTimeObserved,
        signals_pb2.MoodReported,
        signals_pb2.ContextObserved,
    ),
    **_v1(
        "user",
        users_pb2.UserRegistered,
        users_pb2.PreferencesChanged,
        users_pb2.ConsentGranted,
        users_pb2.ConsentWithdrawn,
        users_pb2.UserErased,
    ),
    **_v1(
        "tips",
        tips_pb2.TipProposed,
        tips_pb2.TipWithheld,
        tips_pb2.DecisionVoided,
        tips_pb2.TipShown,
        tips_pb2.TipAccepted,
        tips_pb2.TipCompleted,
        tips_pb2.TipSnoozed,
        tips_pb2.TipDismissed,
        tips_pb2.TipExpired,
        tips_pb2.DecisionOutcomeClosed,
    ),
    **_v1("skips", operations_pb2.ParkedEventSkipped),
    **_v1("priors", policies_pb2.PriorPublished),
    **_v1("policies", policies_pb2.PolicyJudged),
}


class EventUnreadable(ValueError):
    """A recorded event that this build cannot read."""

    def __init__(self, event_type: str, version: int, reason: str) -> None:
        super().__init__(f"cannot read {event_type} version {version}: {reason}")
        self.event_type = event_type
        self.version = version


def payload_json(message: Message) -> dict[str, object]:
    """The payload as canonical proto3 JSON (defaults left out)."""
    json: dict[str, object] = MessageToDict(message)
    return json


def read_event(event_type: str, version: int, json: object) -> Message:
    """Reads a recorded payload: upcasts it from `version` and parses it, ignoring unknown fields.

    Raises EventUnreadable when the type or version is unknown or the payload does not fit.
    """
    definition = EVENTS.get(event_type)
    if definition is None:
        raise EventUnreadable(event_type, version, "the type is not known here")
    if version > definition.version:
        raise EventUnreadable(event_type, version, f"newest version known here is {definition.version}")
    if not isinstance(json, dict):
        raise EventUnreadable(event_type, version, "the payload is not an object")
    try:
        message = read_payload(upcast(event_type, version, json), definition.message)
    except (ParseError, ValueError) as error:
        raise EventUnreadable(event_type, version, str(error)) from error
    if isinstance(message, signals_pb2.TaskObserved):
        # The schemas' defaults: a task of which nothing else is said is open and of normal priority.
        message.state = message.state or signals_pb2.TASK_STATE_OPEN
        message.priority = message.priority or signals_pb2.PRIORITY_NORMAL
    return message
