"""Random numbers that replay alone: SHA-256 of a key and a counter, cut into pieces of 16 bits.

A normal deviate is twelve uniform ones added up, less six (Irwin and Hall): mean 0, variance 1, no logarithm
or cosine, and no value beyond 6. A posterior's draws need no better tails than that.
"""

import hashlib
from typing import Final

import numpy as np

from ml.recommender.arithmetic import Vector

_PIECES: Final = 16
"""Of 16 bits, in one SHA-256."""
_TERMS: Final = 12


def uniforms(key: str, count: int) -> Vector:
    """(count,) in the open interval (0, 1), multiples of 2⁻¹⁶ and a half."""
    blocks = (count + _PIECES - 1) // _PIECES
    digests = [hashlib.sha256(f"{key}|{block}".encode()).digest() for block in range(blocks)]
    pieces = np.frombuffer(b"".join(digests), dtype=">u2")[:count].astype(np.float64)
    result: Vector = (pieces + 0.5) / 65536.0
    return result


def normals(key: str, count: int) -> Vector:
    """(count,) of mean 0 and variance 1 (less 2⁻³²)."""
    terms = uniforms(key, count * _TERMS).reshape(_TERMS, count)
    result: Vector = terms[0] - 6.0
    for i in range(1, _TERMS):
        result = result + terms[i]
    return result
