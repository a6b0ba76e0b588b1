"""A recorded event as it travels over the broker and in answers of the history."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message

from oo_contracts.events import read_event
from oo_contracts.instants import epoch_ms

STREAM_DELETED: Final = "$streamDeleted"
"""Type of the record that the store keeps in the place of a stream that was deleted for good. It has neither
payload nor metadata.
"""


class EnvelopeMalformed(ValueError):
    """Not an envelope with oO's metadata."""


@dataclass(frozen=True, slots=True)
class Metadata:
    correlation_id: str
    causation_id: str
    user_id: str
    tenant_id: str
    schema_version: int
    producer: str
    occurred_at: int
    """Milliseconds since 1970, by the producer's word."""
    recorded_at: int
    """Milliseconds since 1970, by the platform's clock."""
    command_id: str
    traceparent: str | None = None
    """W3C trace context, where traces are kept."""


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """An event as it was recorded, its payload upcast and parsed into the generated class."""

    id: str
    type: str
    stream: str
    revision: int
    position: int
    """Commit position in the store: the order over all streams."""
    metadata: Metadata
    data: Message


@dataclass(frozen=True, slots=True)
class Address:
    """Where an event lies: what can be known of it without reading its payload."""

    id: str
    type: str
    stream: str
    revision: int
    position: int


def read_address(json: object) -> Address:
    """Raises EnvelopeMalformed."""
    if not isinstance(json, Mapping):
        raise EnvelopeMalformed("an envelope is a JSON object")
    return Address(
        id=_text(json, "id"),
        type=_text(json, "type"),
        stream=_text(json, "stream"),
        revision=_number(json, "revision"),
        position=_number(json, "position"),
    )


def read_metadata(json: object) -> Metadata:
    """Raises EnvelopeMalformed."""
    if not isinstance(json, Mapping):
        raise EnvelopeMalformed("metadata is a JSON object")
    version = json.get("schemaVersion", 0)
    if not isinstance(version, int) or isinstance(version, bool):
        raise EnvelopeMalformed("metadata.schemaVersion is not a whole number")
    return Metadata(
        correlation_id=_text(json, "$correlationId"),
        causation_id=_text(json, "$causationId"),
        user_id=_text(json, "userId", ""),
        tenant_id=_text(json, "tenantId", ""),
        schema_version=version,
        producer=_text(json, "producer"),
        occurred_at=_moment(json, "occurredAt"),
        recorded_at=_moment(json, "recordedAt"),
        command_id=_text(json, "commandId"),
        traceparent=_text(json, "traceparent", "") or None,
    )


def read_envelope(json: object) -> RecordedEvent:
    """Raises EnvelopeMalformed, or EventUnreadable when this build cannot read the payload."""
    address = read_address(json)
    assert isinstance(json, Mapping)  # read_address has seen to it
    metadata = read_metadata(json.get("metadata"))
    return _recorded(address, metadata, read_event(address.type, metadata.schema_version, json.get("data")))


def read_unread(json: object) -> RecordedEvent:
    """An event of which only the address counts, and the metadata as far as they can be read: `data` is
    `Empty`, whatever the payload is. Raises EnvelopeMalformed where there is no address.
    """
    address = read_address(json)
    assert isinstance(json, Mapping)  # read_address has seen to it
    try:
        metadata = read_metadata(json.get("metadata"))
    except EnvelopeMalformed:
        metadata = Metadata("", "", "", "", 0, "", 0, 0, "")
    return _recorded(address, metadata, Empty())


def _recorded(address: Address, metadata: Metadata, data: Message) -> RecordedEvent:
    return RecordedEvent(
        id=address.id,
        type=address.type,
        stream=address.stream,
        revision=address.revision,
        position=address.position,
        metadata=metadata,
        data=data,
    )


def _text(json: Mapping[str, object], field: str, default: str | None = None) -> str:
    value = json.get(field, default)
    if not isinstance(value, str):
        raise EnvelopeMalformed(f"{field} is not a text")
    return value


def _number(json: Mapping[str, object], field: str) -> int:
    value = json.get(field)
    if not isinstance(value, str) or not (value.isascii() and value.isdigit()):
        raise EnvelopeMalformed(f"{field} is not a decimal number in a text")
    return int(value)


def _moment(json: Mapping[str, object], field: str) -> int:
    try:
        return epoch_ms(_text(json, field))
    except ValueError as error:
        raise EnvelopeMalformed(f"{field}: {error}") from error
