"""Reads canonical proto3 JSON, as oO's services write it, in a third of the time of `json_format`.

`ParseDict` looks at every value anew for what kind of field it is for. Here a message's fields are looked at
once, and a table of them is left. It knows the canonical forms alone. Whatever else it meets (a name or a
value that it does not know, null, a moment in another form) leaves the whole payload to `ParseDict`, so that
what is accepted, ignored and refused, and in which words, is its to say.
"""

import re
from collections.abc import Callable
from functools import cache
from typing import Any, Final, TypeVar

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import Message

from oo_contracts.instants import epoch_ms

_Message = TypeVar("_Message", bound=Message)
_Reader = Callable[[Any], Any]
"""Makes what a message's constructor takes for a field, out of a JSON value."""

_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):\d\d:\d\d(?:\.\d{3})?Z", re.ASCII)
_INTEGERS: Final = (
    FieldDescriptor.TYPE_INT32,
    FieldDescriptor.TYPE_SINT32,
    FieldDescriptor.TYPE_UINT32,
    FieldDescriptor.TYPE_INT64,
    FieldDescriptor.TYPE_UINT64,
)


class _Unusual(Exception):
    """Not in the canonical form, or not known here."""


def read_payload(json: dict[str, Any], message: type[_Message]) -> _Message:
    """`ParseDict(json, message(), ignore_unknown_fields=True)`. Raises ParseError."""
    try:
        return message(**_fields_of(message.DESCRIPTOR)(json))
    except (_Unusual, ValueError, TypeError, OverflowError):
        # The constructor refuses what is out of a field's range, or no text in Unicode.
        pass
    try:
        return ParseDict(json, message(), ignore_unknown_fields=True)
    except (SystemError, OverflowError) as error:
        # How protobuf meets half a character where an enum's name should be, and a number like 1e999.
        raise ParseError(
            f"{message.DESCRIPTOR.name}: a text is not Unicode, or a number too large"
        ) from error


@cache
def _fields_of(descriptor: Descriptor) -> _Reader:
    """Reads an object into what the constructor of the message takes."""
    readers = {field.json_name: (field.name, _reader(field)) for field in descriptor.fields}
    # Of several, one at most may be given, which is not looked at here. (An optional field is alone in one.)
    if any(len(oneof.fields) > 1 for oneof in descriptor.oneofs):
        return _unusual

    def read(json: Any) -> dict[str, Any]:
        if type(json) is not dict:
            raise _Unusual
        found = {}
        for name, value in json.items():
            known = readers.get(name)
            if known is None:
                raise _Unusual
            found[known[0]] = known[1](value)
        return found

    return read


def _reader(field: FieldDescriptor) -> _Reader:
    one = _reader_of_one(field)
    if not field.is_repeated:
        return one

    def read(json: Any) -> list[Any]:
        if type(json) is not list:
            raise _Unusual
        return [one(each) for each in json]

    return read


def _reader_of_one(field: FieldDescriptor) -> _Reader:
    message, enum = field.message_type, field.enum_type
    if message is not None:
        if message.full_name == "google.protobuf.Timestamp":
            return _moment
        if message.full_name.startswith("google.protobuf.") or message.GetOptions().map_entry:
            return _unusual

        def read_message(json: Any) -> dict[str, Any]:
            # Looked up when it is asked for: a message may hold its own kind.
            return _fields_of(message)(json)  # type: ignore[no-any-return]

        return read_message
    if enum is not None:
        numbers = {value.name: value.number for value in enum.values}

        def read_enum(json: Any) -> int:
            number = numbers.get(json) if type(json) is str else None
            if number is None:
                raise _Unusual
            return number

        return read_enum
    if field.type in _INTEGERS:
        return _integer
    return _SCALARS.get(field.type, _unusual)


def _unusual(_json: Any) -> Any:
    raise _Unusual


def _text(json: Any) -> str:
    if type(json) is not str:
        raise _Unusual
    return json


def _truth(json: Any) -> bool:
    if type(json) is not bool:
        raise _Unusual
    return json


def _double(json: Any) -> float:
    # Not what JSON has no number for, nor what became infinite when it was read.
    if type(json) is float and json - json == 0.0:
        return json
    if type(json) is int:
        return float(json)
    raise _Unusual


def _integer(json: Any) -> int:
    if type(json) is int:
        return json
    # 64 bits are a text in JSON.
    if type(json) is str and json.isascii() and json.isdigit():
        return int(json)
    raise _Unusual


def _moment(json: Any) -> dict[str, int]:
    if type(json) is not str or _MOMENT.fullmatch(json) is None:
        raise _Unusual
    milliseconds = epoch_ms(json)
    return {"seconds": milliseconds // 1000, "nanos": milliseconds % 1000 * 1_000_000}


_SCALARS: Final[dict[int, _Reader]] = {
    FieldDescriptor.TYPE_STRING: _text,
    FieldDescriptor.TYPE_BOOL: _truth,
    FieldDescriptor.TYPE_DOUBLE: _double,
}
