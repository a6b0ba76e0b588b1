"""The bench's worlds as parameters; what plays them is `worlds`, in an environment of its own."""

from __future__ import annotations

import unicodedata
from typing import Any, Final

import numpy as np

World = dict[str, Any]
STEPS: Final = 51
ACTIONS: Final = 4
DEFAULT_WORLDS: Final[tuple[World, ...]] = ({"sigma": 0.0}, {"sigma": 0.4}, {"sigma": 1.0})
MEANS: Final = unicodedata.normalize("NFKC", "µs")
VARIED: Final[World] = {
    "δh": 0.1,
    "εh": 0.05,
    "δd": 0.1,
    "εd": 0.4,
    MEANS: 0.1,
    "ρ1": 50.0,
    "ρ2": 200.0,
    "σs": 20.0,
    "D_threshold": 0.99,
}
LAST_LIMIT: Final = 0.99
"""Beyond this nobody would ever leave."""
NOISES: Final = (0.0, 0.4, 1.0)
VARIATION: Final = 0.4


def drawn(rng: np.random.Generator) -> World:
    """A person: every parameter within ±40% of the default, noise one of three."""
    world: World = {"sigma": float(rng.choice(NOISES))}
    for name, default in VARIED.items():
        values = (default * rng.uniform(1 - VARIATION, 1 + VARIATION, size=2)).tolist()
        world[name] = values if name == MEANS else values[0]
    world["D_threshold"] = min(world["D_threshold"], LAST_LIMIT)
    return world
