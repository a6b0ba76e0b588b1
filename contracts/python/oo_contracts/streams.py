"""Names of streams."""

from dataclasses import dataclass
from typing import Final

from oo_contracts.ids import UserId, is_user_id

PERSON_CATEGORIES: Final = ("user", "signals", "tips", "skips")
FOLDED_CATEGORIES: Final = ("user", "signals", "tips")
"""What a person's state is made of. What operators said about events (`skips`) tells which of them count."""
SHARED_STREAMS: Final = ("priors", "policies", "erasures")


@dataclass(frozen=True, slots=True)
class StreamOwner:
    category: str
    user_id: UserId | None = None
    """None for a stream of which there is one."""


def stream_of(category: str, user: UserId) -> str:
    """`tips-home_…`: the stream of a person in a category. Raises ValueError for another category."""
    if category not in PERSON_CATEGORIES:
        raise ValueError(f"no person has a stream {category!r}; known are {', '.join(PERSON_CATEGORIES)}")
    return f"{category}-{user}"


def streams_of(user: UserId) -> list[str]:
    """All streams that a person's state depends on."""
    return [stream_of(category, user) for category in PERSON_CATEGORIES]


def owner_of(stream: str) -> StreamOwner | None:
    """Whose stream this is, or None where the name is not one of oO's."""
    if stream in SHARED_STREAMS:
        return StreamOwner(stream)
    category, dash, user = stream.partition("-")
    if dash and category in PERSON_CATEGORIES and is_user_id(user):
        return StreamOwner(category, UserId(user))
    return None
