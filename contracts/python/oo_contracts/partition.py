"""The one stated hash of a pseudonym."""

import hashlib
from typing import Final

from oo_contracts.ids import UserId

PARTITIONS: Final = 64


def partition_of(user: UserId) -> int:
    """The first four bytes of SHA-256 of the pseudonym, big-endian, modulo `PARTITIONS`."""
    return int.from_bytes(hashlib.sha256(user.encode()).digest()[:4], "big") % PARTITIONS
