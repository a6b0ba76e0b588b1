"""RFC 9457 problem documents, the same kinds as in problems.ts."""

from collections.abc import Sequence
from typing import Final

KINDS: Final[dict[str, tuple[int, str]]] = {
    "invalid-input": (400, "The input is not valid"),
    "malformed-json": (400, "The body is not JSON"),
    "not-signed-in": (401, "Nobody is signed in"),
    "foreign-user": (403, "That is another person’s"),
    "unknown-user": (404, "There is no such person"),
    "unknown-tip": (404, "There is no such tip"),
    "not-found": (404, "There is nothing here"),
    "already-answered": (409, "The tip has been answered already"),
    "conflict": (409, "Others wrote at the same time"),
    "too-large": (413, "The body is too large"),
    "unsupported-media-type": (415, "The body has to be JSON"),
    "from-the-future": (422, "The time lies in the future"),
    "too-many-requests": (429, "Too many requests"),
    "internal": (500, "Something went wrong here"),
    "unavailable": (503, "A part of the system does not answer"),
}


def problem(kind: str, detail: str, errors: Sequence[tuple[str, str]] = ()) -> dict[str, object]:
    """A problem document as JSON. `errors` are pairs of a field's path and what is wrong with it."""
    status, title = KINDS[kind]
    return {
        "type": f"urn:oo:problem:{kind}",
        "title": title,
        "status": status,
        "detail": detail,
        "errors": [{"field": field, "message": message} for field, message in errors],
    }


def invalid_input(errors: Sequence[tuple[str, str]]) -> dict[str, object]:
    """A problem that names each field that was not accepted."""
    fields = "; ".join(f"{field}: {message}" for field, message in errors)
    return problem("invalid-input", f"Correct and send again. {fields}", errors)
