"""Random Fourier features without a cosine: waves along random directions, out of + − × ÷ and rounding.

cos(wᵀx + b) over normal w has the Gaussian kernel as its mean product (Rahimi & Recht, "Random features for
large-scale kernel machines", 2007). The cosine is a polynomial of the turn left over after whole turns, exact
to 1e-6, which is far below what random directions leave.
"""

from typing import Final

import numpy as np

from ml.learning.normals import normals, uniforms
from ml.recommender.arithmetic import Matrix, Vector

_TURNS_A_RADIAN: Final = 0.15915494309189535
_TAYLOR: Final = (
    1.0,
    -19.739208802178716,
    64.93939402266828,
    -85.45681720669371,
    60.24464137187664,
    -26.426256783374388,
    7.903536371318465,
    -1.7143907110886711,
)
"""(−1)ᵏ (2π)²ᵏ / (2k)!"""


def cosine_of_turns(turns: Vector) -> Vector:
    """cos(2π t) for any t, elementwise."""
    left = turns - np.floor(turns + 0.5)
    square = left * left
    result: Vector = np.full_like(square, _TAYLOR[-1])
    for coefficient in reversed(_TAYLOR[:-1]):
        result = result * square + coefficient
    return result


class Waves:
    """`count` fixed waves over `width` inputs whose kernel has the length `scale` · √width."""

    def __init__(self, width: int, count: int, scale: float, key: str) -> None:
        reach = _TURNS_A_RADIAN / (scale * float(np.sqrt(np.float64(max(width, 1)))))
        self._directions: Matrix = normals(key, width * count).reshape(width, count) * reach
        self._phases: Vector = uniforms(f"{key}|phase", count)

    def __call__(self, x: Vector) -> Vector:
        """(width,) -> (count,), each from -1 to 1."""
        turns = self._phases
        for i in range(len(x)):
            turns = turns + self._directions[i] * x[i]
        return cosine_of_turns(turns)
