"""`python -m ml.serving.replay`: decides again what was decided, and says where it came out otherwise.

Exit codes: 0 all came out bit-identical, 1 something differs, 2 wrong arguments, 3 the history cannot be
read, 4 there is no such person or decision.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from ml.recommender.explanations import explain, explain_void
from ml.recommender.fold import LATEST_PRIOR
from ml.recommender.person import Person
from ml.recommender.policy import Account
from ml.recommender.replay import Replayed, record_in, replay
from ml.recommender.skips import left_out_by
from ml.serving.broker import Unanswered
from ml.serving.past import everybody
from oo.v1 import decisions_pb2, tips_pb2
from oo_contracts.envelope import RecordedEvent
from oo_contracts.ids import UserId, is_user_id, is_uuid
from oo_contracts.instants import epoch_ms, instant

EXIT_DIFFERS: Final = 1
EXIT_USAGE: Final = 2
EXIT_UNAVAILABLE: Final = 3
EXIT_NOT_FOUND: Final = 4

Json = dict[str, Any]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns the exit code."""
    parser = _parser()
    wanted = parser.parse_args(arguments)
    if wanted.user is None and wanted.decision is None and not wanted.all:
        parser.error("one of --user, --all and --decision is needed")
    if wanted.user is not None and not is_user_id(wanted.user):
        parser.error(f"--user: not a pseudonym: {wanted.user}; expected TENANT_RANDOM")
    if wanted.decision is not None and not is_uuid(wanted.decision):
        parser.error(f"--decision: not a decision's id: {wanted.decision}; expected a UUID")
    try:
        until = None if wanted.until is None else epoch_ms(wanted.until)
    except ValueError as error:
        parser.error(f"--until: {error}")
    try:
        by_person = asyncio.run(everybody(wanted.events, wanted.user))
    except (Unanswered, OSError, ValueError) as error:
        print(f"The history cannot be read: {error}", file=sys.stderr)
        return EXIT_UNAVAILABLE
    try:
        if wanted.decision is not None:
            report = _decision(by_person, wanted.decision)
        else:
            report = _people(by_person, until)
    except (ValueError, LookupError) as error:
        print(f"The history cannot be folded by this build: {error}", file=sys.stderr)
        return EXIT_UNAVAILABLE
    if report is None:
        print("There is no such person or decision in the history.", file=sys.stderr)
        return EXIT_NOT_FOUND
    print(json.dumps(report, indent=None if wanted.json else 2) if wanted.json else _in_words(report))
    return 0 if report["identical"] else EXIT_DIFFERS


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ml.serving.replay",
        description="Folds recorded events again, makes each decision again, and compares every field.",
        epilog="OO_NATS_URL tells where the history is asked for, unless --events names a file.",
    )
    who = parser.add_mutually_exclusive_group()
    who.add_argument("--user", metavar="USER", help="the decisions of one person, by pseudonym")
    who.add_argument("--all", action="store_true", help="the decisions of everyone")
    parser.add_argument("--decision", metavar="ID", help="one decision, with its reasons in words")
    parser.add_argument("--until", metavar="TIME", help="only what was recorded up to then (RFC 3339)")
    parser.add_argument(
        "--events", metavar="FILE", type=Path, help="envelopes, one JSON a line, not the store's"
    )
    parser.add_argument("--json", action="store_true", help="JSON instead of words")
    return parser


def _people(by_person: dict[UserId, list[RecordedEvent]], until: int | None) -> Json | None:
    users = []
    for user, events in sorted(by_person.items()):
        # What was left out later is left out: nobody could fold it before either.
        taken = [
            event
            for event in events
            if until is None or event.metadata.recorded_at <= until or left_out_by(event) is not None
        ]
        history = replay(user, taken, _last_prior(taken))
        users.append(
            {
                "user": user,
                "events": len(taken),
                "decisions": len(history.decisions),
                "identical": all(each.identical for each in history.decisions),
                "differences": [_differing(each) for each in history.decisions if not each.identical],
                "state": _state(history.state),
            }
        )
    if not users:
        return None
    return {
        "identical": all(each["identical"] for each in users),
        "decisions": sum(int(str(each["decisions"])) for each in users),
        "users": users,
    }


def _decision(by_person: dict[UserId, list[RecordedEvent]], decision_id: str) -> Json | None:
    for user, events in by_person.items():
        for event in events:
            record = record_in(event)
            if record is not None and record.decision_id == decision_id:
                history = replay(user, events, _last_prior(events))
                again = next(each for each in history.decisions if each.decision_id == decision_id)
                return {
                    "user": user,
                    "identical": again.identical,
                    "record": again.recorded,
                    "replayed": again.replayed,
                    "differences": [asdict(each) for each in again.differences],
                    "explanation": explain(record) | {"account": _account(again.account, record)},
                    "after": _after(events, decision_id),
                }
            if isinstance(event.data, tips_pb2.DecisionVoided) and event.data.decision_id == decision_id:
                # Nothing was recorded that could be compared.
                return {"user": user, "identical": True, "explanation": explain_void(event.data)}
    return None


def _account(account: Account | None, record: decisions_pb2.DecisionRecord) -> Json | None:
    """Where the policy tells: what the reasons add up to with those that are too small to be recorded."""
    if account is None:
        return None
    told = asdict(account)
    tips = zip(record.candidates, told.pop("tips"), strict=True)
    return told | {"tip": next((tip for each, tip in tips if each.ref == record.choice), None)}


def _after(events: Iterable[RecordedEvent], decision_id: str) -> list[Json]:
    """What was recorded of the decision later: shown, answered, its outcome."""
    later = []
    for event in events:
        about = getattr(event.data, "tip_id", None)
        if isinstance(event.data, tips_pb2.DecisionOutcomeClosed):
            about = event.data.decision_id
        if about == decision_id:
            entry: Json = {"type": event.type, "occurredAt": instant(event.metadata.occurred_at)}
            if isinstance(event.data, tips_pb2.DecisionOutcomeClosed):
                entry["outcome"] = tips_pb2.OutcomeKind.Name(event.data.outcome)
            later.append(entry)
    return later


def _last_prior(events: Iterable[RecordedEvent]) -> str:
    """The prior that the person's newest decision started from; the one of new people where there is none."""
    records = [record for event in events if (record := record_in(event)) is not None]
    return records[-1].prior_version if records else LATEST_PRIOR


def _differing(again: Replayed) -> Json:
    return {
        "decisionId": again.decision_id,
        "position": str(again.position),
        "fields": [asdict(each) for each in again.differences],
    }


def _state(person: Person) -> Json:
    return {
        "foldedTo": {stream: str(revision) for stream, revision in sorted(person.revisions.items())},
        "priorVersion": person.prior.version,
        "stateDigest": person.digest,
        "outcomesLearned": person.belief.learned,
        "openTasks": len(person.tasks),
        "activeTip": None if person.active_tip is None else person.active_tip.id,
        "openDecisionPoints": len(person.agenda.due(-1)),
    }


def _in_words(report: Json) -> str:
    if "explanation" in report:
        return _why(report)
    lines = []
    for each in report["users"]:
        verdict = "all bit-identical" if each["identical"] else f"{len(each['differences'])} differ"
        lines.append(f"{each['user']}: {each['decisions']} decisions from {each['events']} events, {verdict}")
        for differing in each["differences"]:
            lines.append(f"  {differing['decisionId']}")
            lines += [_difference(field, "    ") for field in differing["fields"]]
    return "\n".join(lines)


def _why(report: Json) -> str:
    explanation = report["explanation"]
    lines = [explanation["outcome"], f"  {explanation['trigger']['words']}"]
    lines += [f"  {each['words']}" for each in explanation["obstacles"]]
    for name, title in (("momentReasons", "The moment:"), ("tipReasons", "The tip:")):
        reasons = explanation.get(name, [])
        lines += [title] if reasons else []
        lines += [f"  {each['contribution']:+.3f}  {each['words']}" for each in reasons]
    if "record" in report:
        same = "Made again, it came out bit-identical."
        lines.append(same if report["identical"] else "Made again, it came out otherwise:")
        lines += [_difference(each, "  ") for each in report["differences"]]
    return "\n".join(lines)


def _difference(field: Json, indent: str) -> str:
    return f"{indent}{field['field']}: recorded {field['recorded']}, now {field['replayed']}"


if __name__ == "__main__":
    sys.exit(main())
