"""Holds Python to the vectors that contracts/src/vectors.unit.spec.ts holds TypeScript to."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from oo.v1 import decisions_pb2, metadata_pb2
from oo_contracts import canonical, envelope, events, ids, instants, partition, problems, streams, subjects
from oo_contracts.upcasters import upcast

VECTORS = Path(__file__).parents[2] / "vectors"


def vectors(name: str) -> Any:
    return json.loads((VECTORS / f"{name}.json").read_text())


def test_ids() -> None:
    cases = vectors("ids")
    for case in cases["users"]:
        assert ids.new_user_id(ids.tenant_id(case["tenant"]), bytes.fromhex(case["random"])) == case["user"]
        assert ids.tenant_of(ids.user_id(case["user"])) == case["tenant"]
    for text in cases["notUsers"]:
        assert not ids.is_user_id(text), text
    for case in cases["signalCommandIds"]:
        assert ids.signal_command_id(case["user"], case["producer"], case["key"]) == case["id"]
    for case in cases["eventIds"]:
        assert ids.event_id_of(case["command"], case["index"], case["decided"]) == case["id"]
    assert {case["kind"] for case in cases["decisionIds"]} == set(decisions_pb2.TriggerKind.keys()[1:])
    for case in cases["decisionIds"]:
        assert ids.decision_id_of(case["user"], case["kind"], case["trigger"]) == case["id"]
    for case in cases["derivedCommandIds"]:
        assert ids.derived_command_id(case["name"], case["subject"]) == case["id"]
    for case in cases["recordCommandIds"]:
        assert ids.record_command_id_of(case["decision"]) == case["id"]


def test_partitions() -> None:
    for case in vectors("partitions"):
        assert partition.partition_of(case["user"]) == case["partition"]


def test_stream_owners() -> None:
    for case in vectors("streams"):
        owner = streams.owner_of(case["stream"])
        expected = case["owner"]
        assert (owner is None) == (expected is None), case["stream"]
        if owner is not None:
            assert (owner.category, owner.user_id) == (expected["category"], expected.get("userId"))


def test_subjects() -> None:
    cases = vectors("subjects")
    for case in cases["events"]:
        assert subjects.event_subject(case["stream"], case["type"]) == case["subject"]
    for case in cases["people"]:
        assert subjects.proposal_subject(case["user"]) == case["proposal"]
        assert subjects.changed_subject("current-tip", case["user"]) == case["changed"]
        assert subjects.recommend_subject(case["user"]) == case["recommend"]
        assert subjects.parked_subject(case["user"]) == case["parked"]
        assert subjects.retry_parked_subject(case["user"]) == case["retryParked"]
    assert cases["fixed"] == {
        "eventsStream": subjects.EVENTS_STREAM,
        "proposalsStream": subjects.PROPOSALS_STREAM,
        "eventsSubjects": subjects.EVENTS_SUBJECTS,
        "proposalsSubjects": subjects.PROPOSALS_SUBJECTS,
        "headerPosition": subjects.HEADER_POSITION,
        "headerRevision": subjects.HEADER_REVISION,
        "historyRead": subjects.HISTORY_READ,
        "historyHead": subjects.HISTORY_HEAD,
        "candidates": subjects.CANDIDATES,
        "progress": subjects.progress_subject("recommender"),
        "clock": subjects.CLOCK_SUBJECT,
        "clockQuery": subjects.CLOCK_QUERY,
    }


def test_instants() -> None:
    for case in vectors("instants"):
        assert instants.parse_instant(case["text"]) == case["instant"], case["text"]
        if case["instant"] is None:
            with pytest.raises(ValueError, match="RFC 3339"):
                instants.epoch_ms(case["text"])
        else:
            assert instants.epoch_ms(case["instant"]) == case["epochMs"]
            assert instants.timestamp_ms(instants.timestamp(case["epochMs"])) == case["epochMs"]


def test_canonical_json_and_digests() -> None:
    for case in vectors("digests"):
        assert canonical.canonical_json(case["value"]) == case["canonical"].encode()
        assert canonical.digest_of(case["value"]) == case["digest"]


def test_payloads_of_every_event_type() -> None:
    cases = vectors("payloads")
    for case in cases:
        message = events.read_event(case["type"], case["version"], case["json"])
        assert canonical.canonical_json(events.payload_json(message)) == case["canonical"].encode(), case[
            "type"
        ]
    assert {case["type"] for case in cases} == set(events.EVENTS)


def test_upcasts() -> None:
    for case in vectors("upcasts"):
        assert upcast(case["type"], case["version"], case["json"]) == case["upcast"]


def test_envelopes() -> None:
    for case in vectors("envelopes"):
        event, expected = envelope.read_envelope(case["json"]), case["read"]
        assert (event.id, event.type, event.stream) == (expected["id"], expected["type"], expected["stream"])
        assert (str(event.revision), str(event.position)) == (expected["revision"], expected["position"])
        meta, wanted = event.metadata, expected["metadata"]
        assert (meta.correlation_id, meta.causation_id) == (wanted["correlationId"], wanted["causationId"])
        assert (meta.user_id, meta.tenant_id) == (wanted["userId"], wanted["tenantId"])
        assert (meta.schema_version, meta.producer) == (wanted["schemaVersion"], wanted["producer"])
        assert instants.instant(meta.occurred_at) == wanted["occurredAt"]
        assert instants.instant(meta.recorded_at) == wanted["recordedAt"]
        assert meta.command_id == wanted["commandId"]
        assert canonical.canonical_json(events.payload_json(event.data)).decode() == expected["canonical"]


def test_metadata_has_the_fields_of_the_schema() -> None:
    written = {field.name for field in metadata_pb2.EventMetadata.DESCRIPTOR.fields}
    assert written == {field.name for field in dataclasses.fields(envelope.Metadata)}


def test_problems() -> None:
    cases = vectors("problems")
    assert [problems.problem(kind, "Ask again.") for kind in problems.KINDS] == cases["plain"]
    assert problems.problem("invalid-input", "Mend it.", [("data.dueAt", "is no time")]) == cases["withField"]


@pytest.mark.parametrize(
    ("event_type", "version", "json_value", "reason"),
    [
        ("NoSuchEvent", 1, {}, "type is not known"),
        ("TipShown", 2, {}, "newest version known"),
        ("TipShown", 1, [], "not an object"),
        ("TipShown", 1, {"tipId": 5}, "tipId"),
        ("TaskObserved", 1, {"urgency": "high"}, "TaskObservedV1"),
    ],
)
def test_unreadable_events_say_why(event_type: str, version: int, json_value: object, reason: str) -> None:
    with pytest.raises(events.EventUnreadable, match=reason):
        events.read_event(event_type, version, json_value)


@pytest.mark.parametrize("field", ["id", "type", "stream", "revision", "position", "metadata"])
def test_malformed_envelopes_name_the_field(field: str) -> None:
    whole = vectors("envelopes")[0]["json"]
    with pytest.raises(envelope.EnvelopeMalformed, match=field):
        envelope.read_envelope({**whole, field: 7})
