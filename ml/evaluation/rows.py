"""What a measurement is told as: a row with its name, and its ratio to what it was measured beside."""

import json
from collections.abc import Sequence
from typing import Any

Row = dict[str, Any]


def row(name: str, value: float, unit: str, baseline: float | None = None) -> Row:
    """`baseline` is of the same unit, and of the same run."""
    ratio = None if baseline is None else value / baseline
    return {"name": name, "value": value, "unit": unit, "baseline": baseline, "ratio": ratio}


def print_rows(rows: Sequence[Row], *, as_json: bool, width: int, digits: int) -> None:
    """`width` is that of the names, `digits` are those behind the point of a ratio."""
    if as_json:
        print(json.dumps(rows))
        return
    for one in rows:
        against = "" if one["baseline"] is None else f"  {one['ratio']:.{digits}f} × {one['baseline']:.3g}"
        print(f"{one['name']:{width}} {one['value']:12.3f} {one['unit']}{against}")
