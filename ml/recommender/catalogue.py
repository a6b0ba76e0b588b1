"""The advices that oO can give by itself: `contracts/advices.json`."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ADVICES_FILE: Final = Path(__file__).parents[2] / "contracts" / "advices.json"


@dataclass(frozen=True, slots=True)
class Advice:
    ref: str
    theme: str
    """move, rest, plan or calm."""
    minutes: int
    when: tuple[tuple[str, float], ...]
    """Context features that the advice asks for (positive) or against (negative), with weights."""


def load_advices(file: Path = ADVICES_FILE) -> Sequence[Advice]:
    """The catalogue in its order. The gateway reads title and body from the same file."""
    entries: list[dict[str, Any]] = json.loads(file.read_text("utf-8"))["advices"]
    return [
        Advice(
            ref=entry["ref"],
            theme=entry["theme"],
            minutes=int(entry["minutes"]),
            when=tuple((name, float(weight)) for name, weight in entry["when"].items()),
        )
        for entry in entries
    ]
