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
    "idempotency-key-reused": (422, "The key was used for something else"),
    "from-the-future": (422, "The time lies in the future"),
    "too-many-requests": (429, "Too many requests"),
    "internal": (500, "Something went wrong here"),
    "unavailable": (503, "A part of the system does not answer"),
}

FIELDS: Final[dict[str, tuple[str, str]]] = {
    "malformed-json": ("(body)", "is not well-formed JSON"),
    "not-signed-in": ("authorization", "is no token of oO’s, and there is no session"),
    "already-answered": ("tipId", "is of a tip that has its answer"),
    "unknown-user": ("userId", "is nobody’s"),
    "unknown-tip": ("tipId", "is no tip of this person’s, or an old one"),
    "too-large": ("(body)", "is too large"),
    "unsupported-media-type": ("content-type", "has to be application/json"),
}
"""The field in question where a kind leaves no doubt."""


def problem(kind: str, detail: str, errors: Sequence[tuple[str, str]] | None = None) -> dict[str, object]:
    """A problem document as JSON. `errors` are pairs of a field's path and what is wrong with it, by default
    the one that the kind is about.
    """
    status, title = KINDS[kind]
    if errors is None:
        errors = [FIELDS[kind]] if kind in FIELDS else []
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
