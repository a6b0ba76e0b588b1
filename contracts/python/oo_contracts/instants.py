"""Moments. Code computes with milliseconds since 1970 (int); JSON has RFC 3339 in UTC with 0 or 3 digits."""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

_RFC3339: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d\d):(\d\d))", re.ASCII
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()


def instant(milliseconds: int) -> str:
    """The canonical text of a moment."""
    at = _EPOCH + timedelta(milliseconds=milliseconds)
    fraction = f".{milliseconds % 1000:03d}" if milliseconds % 1000 else ""
    return (
        f"{at.year:04d}-{at.month:02d}-{at.day:02d}T{at.hour:02d}:{at.minute:02d}:{at.second:02d}{fraction}Z"
    )


def parse_instant(text: str) -> str | None:
    """Reads RFC 3339 with any offset, cut to the millisecond; None where it is no date."""
    milliseconds = _milliseconds(text)
    return None if milliseconds is None else instant(milliseconds)


def epoch_ms(text: str) -> int:
    """Milliseconds since 1970. Raises ValueError when `text` is no RFC 3339 time."""
    milliseconds = _milliseconds(text)
    if milliseconds is None:
        raise ValueError(f"not an RFC 3339 time with an offset: {text!r}")
    return milliseconds


def _milliseconds(text: str) -> int | None:
    match = _RFC3339.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    fraction, sign, offset_hour, offset_minute = match.groups()[6:]
    millisecond = int((fraction or "")[:3].ljust(3, "0"))
    # RFC 3339 has no hour 24; JavaScript takes it as the end of the day, so this does too.
    end_of_day = hour == 24 and minute == second == millisecond == 0
    if (hour > 23 and not end_of_day) or minute > 59 or second > 59:
        return None
    try:
        days = date(year, month, day).toordinal() - _EPOCH_DAY
    except ValueError:
        return None
    local = ((days * 24 + hour) * 60 + minute) * 60_000 + second * 1000 + millisecond
    if sign is None:
        return local
    if int(offset_hour) > 23 or int(offset_minute) > 59:
        return None
    offset = (int(offset_hour) * 60 + int(offset_minute)) * 60_000
    return local + offset if sign == "-" else local - offset


def timestamp(milliseconds: int) -> Timestamp:
    return Timestamp(seconds=milliseconds // 1000, nanos=milliseconds % 1000 * 1_000_000)


def timestamp_ms(at: Timestamp) -> int:
    return at.seconds * 1000 + at.nanos // 1_000_000
