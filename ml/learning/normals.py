"""Random numbers that replay alone: SHA-256 of a key and a counter, cut into pieces of 16 bits.

A normal deviate is twelve uniform ones added up, less six (Irwin and Hall): mean 0, variance 1, no logarithm
or cosine, and no value beyond 6. A posterior's draws need no better tails than that.
"""

import hashlib
from collections.abc import Sequence
from typing import Final

import numpy as np

from ml.recommender.arithmetic import Matrix, Vector

_PIECES: Final = 16
"""Of 16 bits, in one SHA-256."""
_TERMS: Final = 12


def uniforms(key: str, count: int) -> Vector:
    """(count,) in the open interval (0, 1), multiples of 2⁻¹⁶ and a half."""
    result: Vector = _uniforms([key], count)[0]
    return result


def normals(key: str, count: int) -> Vector:
    """(count,) of mean 0 and variance 1 (less 2⁻³²)."""
    result: Vector = normals_of([key], count)[0]
    return result


def normals_of(keys: Sequence[str], count: int) -> Matrix:
    """(keys, count): the normals of several keys, in one go."""
    terms = _uniforms(keys, count * _TERMS).reshape(len(keys), _TERMS, count)
    terms[:, 0] -= 6.0
    result: Matrix = np.add.accumulate(terms, axis=1)[:, -1]
    return result


def _uniforms(keys: Sequence[str], count: int) -> Matrix:
    blocks = (count + _PIECES - 1) // _PIECES
    digests = []
    for key in keys:
        keyed = hashlib.sha256(f"{key}|".encode())
        for block in range(blocks):
            each = keyed.copy()
            each.update(b"%d" % block)
            digests.append(each.digest())
    pieces = np.frombuffer(b"".join(digests), dtype=">u2").reshape(len(keys), blocks * _PIECES)
    result: Matrix = pieces[:, :count].astype(np.float64)
    result += 0.5
    result /= 65536.0
    return result
