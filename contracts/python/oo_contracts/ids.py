"""Ids: the forms they have, and how they derive from one another."""

import hashlib
import re
import uuid
from typing import Final, NewType

UserId = NewType("UserId", str)
"""Pseudonym of a person: `TENANT_` and 26 characters of Crockford base 32."""
TenantId = NewType("TenantId", str)
DecisionId = NewType("DecisionId", str)
"""A decision's id. A tip is called by the id of the decision that proposed it."""

USER_ID: Final = re.compile(r"[a-z][a-z0-9]{0,19}_[0-9a-hjkmnp-tv-z]{26}")
TENANT_ID: Final = re.compile(r"[a-z][a-z0-9]{0,19}")
UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
CONTENT_REF: Final = re.compile(r"[a-z][a-z0-9]{0,31}:[a-z][a-z0-9]{0,31}:[A-Za-z0-9_-]{1,64}")

# The same namespaces as in ids.ts; they never change.
_SIGNAL_COMMAND: Final = uuid.UUID("5f3c2c1e-6c0f-5b1e-9d53-3f2a6f0b7a01").bytes
_EVENT: Final = uuid.UUID("5f3c2c1e-6c0f-5b1e-9d53-3f2a6f0b7a02").bytes
_DECISION: Final = uuid.UUID("5f3c2c1e-6c0f-5b1e-9d53-3f2a6f0b7a03").bytes
_COMMAND: Final = uuid.UUID("5f3c2c1e-6c0f-5b1e-9d53-3f2a6f0b7a04").bytes
_CROCKFORD: Final = "0123456789abcdefghjkmnpqrstvwxyz"


def is_user_id(text: str) -> bool:
    return USER_ID.fullmatch(text) is not None


def is_uuid(text: str) -> bool:
    return UUID.fullmatch(text) is not None


def is_content_ref(text: str) -> bool:
    return CONTENT_REF.fullmatch(text) is not None


def user_id(text: str) -> UserId:
    """Raises ValueError when `text` has not the form of a pseudonym."""
    if not is_user_id(text):
        raise ValueError(f"not a user id: {text!r}; expected TENANT_RANDOM")
    return UserId(text)


def tenant_id(text: str) -> TenantId:
    """Raises ValueError when `text` is not a tenant's name."""
    if TENANT_ID.fullmatch(text) is None:
        raise ValueError(f"not a tenant id: {text!r}; expected a letter and up to 19 a-z, 0-9")
    return TenantId(text)


def new_user_id(tenant: TenantId, random: bytes) -> UserId:
    """Makes a pseudonym out of 16 random bytes (given, so that this stays pure)."""
    if len(random) != 16:
        raise ValueError(f"a pseudonym takes 16 random bytes, got {len(random)}")
    bits = int.from_bytes(random, "big")
    digits = [_CROCKFORD[(bits >> (5 * place)) & 31] for place in reversed(range(26))]
    return user_id(f"{tenant}_{''.join(digits)}")


def tenant_of(user: UserId) -> TenantId:
    """The tenant that a pseudonym was made for."""
    return tenant_id(user[: user.index("_")])


def signal_command_id(user: UserId, producer: str, idempotency_key: str) -> str:
    return _uuid5(_SIGNAL_COMMAND, f"{user}\n{producer}\n{idempotency_key}")


def event_id_of(command: str, index: int, decided: str) -> str:
    """The id of the event at `index` (from 0) among those of a command; `decided` is what they all say."""
    return _uuid5(_EVENT, f"{command}\n{index}\n{decided}")


def decision_id_of(user: UserId, kind: str, trigger_id: str) -> DecisionId:
    """The decision's id that a trigger (`kind` as in TriggerKind, the id of what triggered) stands for."""
    return DecisionId(_uuid5(_DECISION, f"{user}\n{kind}\n{trigger_id}"))


def record_command_id_of(decision: DecisionId) -> str:
    """The id of the command that ends a decision, whatever its end."""
    return derived_command_id("record-decision", decision)


def derived_command_id(name: str, subject: str) -> str:
    return _uuid5(_COMMAND, f"{name}\n{subject}")


def _uuid5(namespace: bytes, name: str) -> str:
    """What `uuid.uuid5` gives (RFC 9562, 5.5), without the object that it makes: an id is derived for every
    decision point that is folded.
    """
    digest = bytearray(hashlib.sha1(namespace + name.encode(), usedforsecurity=False).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x50
    digest[8] = digest[8] & 0x3F | 0x80
    text = digest.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
