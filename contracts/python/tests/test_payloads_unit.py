"""`read_payload` reads what `ParseDict` reads, and refuses what it refuses, in its words."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict, ParseDict, ParseError
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.testing.life import Life
from oo.v1 import commands_pb2, decisions_pb2, policies_pb2
from oo_contracts import payloads
from oo_contracts.events import EVENTS
from oo_contracts.payloads import read_payload
from oo_contracts.upcasters import upcast

LIFE = Life(41)
LIFE.live(6)
RECORDED: list[tuple[type[Message], Any]] = [
    (
        EVENTS[each["type"]].message,
        upcast(each["type"], each["metadata"]["schemaVersion"], each["data"]),
    )
    for each in LIFE.envelopes
]
VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "payloads.json").read_text())
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.sampled_from(
        [
            *(
                "",
                "0",
                "-1",
                "007",
                "1.0",
                " 1",
                "12",
                "1e3",
                "NaN",
                "Infinity",
                "١",
                "\ud800",
                "TASK_STATE_OPEN",
            ),
            *("2026-01-01T00:00:00Z", "2026-01-01T00:00:00.123Z", "2026-01-01T00:00:00.123456Z"),
            *(
                "2026-01-01T24:00:00Z",
                "2026-02-30T00:00:00Z",
                "2026-01-01T00:00:00+01:00",
                "0000-01-01T00:00:00Z",
            ),
        ]
    ),
    st.sampled_from([[], {}, [None], [{}], [[]], {"x": 1}, [1, "2"], ["a", 1]]),
    st.text(max_size=3),
)


def outcome(read: Any, payload: Any, message: type[Message]) -> Any:
    """The bytes that came out, or the words of a refusal."""
    try:
        found = read(payload, message)
    except (SystemError, OverflowError):
        # Only Google's own. Ours says it as a refusal.
        return ParseError, f"{message.DESCRIPTOR.name}: a text is not Unicode, or a number too large"
    except (ParseError, ValueError, TypeError) as error:
        return type(error), str(error)
    return found.SerializeToString(deterministic=True)


def by_google(payload: Any, message: type[Message]) -> Message:
    return ParseDict(payload, message(), ignore_unknown_fields=True)


def places(payload: Any) -> list[tuple[Any, Any]]:
    """(container, key) of everything in a payload."""
    found: list[tuple[Any, Any]] = []
    items = (
        payload.items()
        if isinstance(payload, dict)
        else enumerate(payload)
        if isinstance(payload, list)
        else ()
    )
    for key, value in items:
        found += [(payload, key), *places(value)]
    return found


def test_what_is_recorded_is_read_by_the_table_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = [by_google(payload, message) for message, payload in RECORDED]

    def unexpected(*_: Any, **__: Any) -> None:
        raise AssertionError("left to ParseDict")

    monkeypatch.setattr(payloads, "ParseDict", unexpected)
    assert len({message for message, _ in RECORDED}) > 10
    for (message, payload), wanted in zip(RECORDED, expected, strict=True):
        found = read_payload(payload, message)
        assert found == wanted
        assert found.SerializeToString(deterministic=True) == wanted.SerializeToString(deterministic=True)


@settings(max_examples=1500, deadline=None)
@given(st.sampled_from([each for each in RECORDED if each[1]]), st.integers(0, 10_000), ODD, st.booleans())
def test_an_odd_value_anywhere_comes_out_as_before(
    recorded: tuple[type[Message], Any], place: int, odd: Any, renames: bool
) -> None:
    message, payload = recorded[0], copy.deepcopy(recorded[1])
    found = places(payload)
    container, key = found[place % len(found)]
    if renames and isinstance(container, dict):
        container[str(odd)] = container.pop(key)
    else:
        container[key] = odd
    assert outcome(read_payload, payload, message) == outcome(by_google, payload, message)


def test_a_field_that_is_there_and_says_nothing_is_there() -> None:
    payload = {"reconsiderAt": "1970-01-01T00:00:00Z", "trigger": {}, "candidates": [{}], "choice": ""}
    found = read_payload(payload, decisions_pb2.DecisionRecord)
    assert found.HasField("reconsider_at")
    assert found.HasField("trigger")
    assert found == by_google(payload, decisions_pb2.DecisionRecord)


@pytest.mark.parametrize(
    "message", [commands_pb2.DESCRIPTOR, policies_pb2.DESCRIPTOR], ids=["commands", "policies"]
)
def test_every_kind_of_message_is_read_alike(message: Any) -> None:
    """Where one of several may be given, too."""
    values: list[Any] = ["x", 1, 1.5, True, {}, [], "2026-01-01T00:00:00Z", None]
    for descriptor in message.message_types_by_name.values():
        kind = descriptor._concrete_class
        for field in descriptor.fields:
            for value in values:
                payload = {field.json_name: value}
                assert outcome(read_payload, payload, kind) == outcome(by_google, payload, kind)
        both: Any = {field.json_name: {} for field in descriptor.fields if field.message_type is not None}
        assert outcome(read_payload, both, kind) == outcome(by_google, both, kind)


def test_the_payloads_of_the_shared_vectors() -> None:
    cases = [each for each in json_objects(VECTORS) if "type" in each]
    assert cases
    for case in cases:
        definition = EVENTS.get(case["type"])
        for payload in (value for value in case.values() if isinstance(value, dict)):
            if definition is not None:
                message = definition.message
                assert outcome(read_payload, payload, message) == outcome(by_google, payload, message)
                again = MessageToDict(by_google(payload, message))
                assert MessageToDict(read_payload(again, message)) == again


def json_objects(value: Any) -> list[dict[str, Any]]:
    nested = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [
        *([value] if isinstance(value, dict) else []),
        *(one for each in nested for one in json_objects(each)),
    ]


@pytest.mark.parametrize("odd", ["\ud800", float("inf")])
def test_what_protobuf_fails_at_is_refused_as_everything_else(odd: object) -> None:
    payload = {"kind": odd, "device": "DEVICE_DESKTOP"}
    with pytest.raises(ParseError, match="not Unicode"):
        read_payload(payload, EVENTS["ContextObserved"].message)
