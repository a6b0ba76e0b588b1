"""Random bits out of a counter, and probabilities that a draw from them meets exactly.

A decision's bits are SHA-256 of its seed, the number of the draw and a counter, so that any decision replays
alone and in any order (counter-based generation: Salmon et al., "Parallel random numbers: as easy as 1, 2,
3", 2011). Probabilities are whole numbers of ten-thousandths, so that they are short in JSON, sum to one
exactly, and are met exactly by an unbiased whole-number draw.
"""

import hashlib
from collections.abc import Sequence
from math import floor
from typing import Final

from ml.recommender.arithmetic import total

UNITS: Final = 10_000
"""Probability one."""
POLICY: Final = 2
"""Number of a policy's first own draw; those before decide whether to act, and for which tip."""
_RANGE: Final = 1 << 64


class Draws:
    """The draws of one decision.

    >>> draws = Draws("00" * 16)
    >>> draws.below(6, 0) == draws.below(6, 0)
    True
    """

    def __init__(self, seed: str) -> None:
        self._seed = seed

    def bits(self, draw: int, counter: int) -> int:
        """64 random bits: the same for the same seed, number of the draw and counter."""
        digest = hashlib.sha256(f"{self._seed}|{draw}|{counter}".encode()).digest()
        return int.from_bytes(digest[:8], "big")

    def below(self, n: int, draw: int) -> int:
        """A whole number from 0 to n - 1, all equally likely: bits beyond the last multiple of n are passed
        over.
        """
        counter, limit = 0, _RANGE - _RANGE % n
        while (bits := self.bits(draw, counter)) >= limit:
            counter += 1
        return bits % n

    def pick(self, units: Sequence[int], draw: int) -> int:
        """An index, with probability units[index] / UNITS. `units` sum to UNITS."""
        left = self.below(UNITS, draw)
        for index, share in enumerate(units):
            if left < share:
                return index
            left -= share
        raise ValueError(f"probabilities sum to {sum(units)} of {UNITS}")


def apportion(weights: Sequence[float], floor_units: int = 0) -> list[int]:
    """Weights (≥ 0, not all 0) as units that sum to UNITS, each at least `floor_units`; the rest by largest
    remainder.

    Ties go to the lower index. Raises ValueError when the floors do not leave anything to share out.
    """
    share = UNITS - floor_units * len(weights)
    whole = total(weights)
    if share < 0 or not whole > 0.0:
        raise ValueError(f"cannot apportion {share} units over weights that sum to {whole}")
    exact = [weight * share / whole for weight in weights]
    units = [floor(value) for value in exact]
    by_remainder = sorted(range(len(units)), key=lambda index: (units[index] - exact[index], index))
    missing = share - sum(units)
    # Rounding can make the floors sum to one more than there is.
    for index in by_remainder[:missing] if missing >= 0 else reversed(by_remainder):
        if missing == 0:
            break
        step = 1 if missing > 0 else -1
        if units[index] + step >= 0:
            units[index] += step
            missing -= step
    return [floor_units + value for value in units]


def probability(units: int) -> float:
    """The nearest double to units / UNITS: short in JSON."""
    return units / UNITS
