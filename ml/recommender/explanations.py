"""Codes of a decision in words: `contracts/explanations.json`, which the gateway reads as well."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

from oo.v1 import decisions_pb2, tips_pb2

EXPLANATIONS_FILE: Final = Path(__file__).parents[2] / "contracts" / "explanations.json"

Words = Mapping[str, Mapping[str, str]]


@cache
def words() -> Words:
    """The tables: reasons, unavailable, triggers, voided."""
    tables = json.loads(EXPLANATIONS_FILE.read_text("utf-8"))
    return {name: table for name, table in tables.items() if not name.startswith("$")}


def explain(record: decisions_pb2.DecisionRecord) -> dict[str, object]:
    """What a record says, in codes and words, as JSON."""
    tables = words()
    trigger = decisions_pb2.TriggerKind.Name(record.trigger.kind)
    obstacles = [decisions_pb2.Unavailability.Name(code) for code in record.unavailable]
    return {
        "outcome": "proposed" if record.choice else "withheld",
        "trigger": _say(tables["triggers"], trigger),
        "obstacles": [_say(tables["unavailable"], code) for code in obstacles],
        "momentReasons": [_reason(tables["reasons"], each) for each in record.moment_reasons],
        "tipReasons": [_reason(tables["reasons"], each) for each in record.tip_reasons],
        "actProbability": record.act_probability,
        "choice": record.choice or None,
        "alternatives": [
            {"ref": each.ref, "probability": each.probability}
            for each in sorted(record.candidates, key=lambda one: (-one.probability, one.ref))
        ],
    }


def explain_void(voided: tips_pb2.DecisionVoided) -> dict[str, object]:
    """What became of a decision that was no fact."""
    tables = words()
    return {
        "outcome": "voided",
        "trigger": _say(tables["triggers"], decisions_pb2.TriggerKind.Name(voided.trigger.kind)),
        "obstacles": [_say(tables["voided"], tips_pb2.VoidReason.Name(voided.reason))],
    }


def _say(table: Mapping[str, str], code: str) -> dict[str, object]:
    return {"code": code, "words": table.get(code, code)}


def _reason(table: Mapping[str, str], reason: decisions_pb2.Reason) -> dict[str, object]:
    return _say(table, reason.code) | {"contribution": reason.contribution}
