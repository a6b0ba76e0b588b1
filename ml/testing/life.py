"""A person's events, made in memory as the services would record them.

`Life` plays the services around the recommender: it numbers events, makes proposals facts, closes outcomes
and horizons. With `live` it also plays the person, from a seed. Nothing of it is shipped; it feeds tests and
measures.
"""

import itertools
import json
import random
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

from google.protobuf.message import Message

from ml.recommender.agenda import Trigger
from ml.recommender.catalogue import load_advices
from ml.recommender.decide import Decision, decide, unavailability
from ml.recommender.fold import PRIORS, new_person, prior_of
from ml.recommender.person import Person
from ml.recommender.policies import CURRENT
from ml.recommender.policy import Policy
from ml.recommender.prior import Prior
from ml.recommender.record import record_of
from ml.recommender.shortlist import shortlist
from oo.v1 import candidates_pb2, decisions_pb2, operations_pb2, signals_pb2, tips_pb2, users_pb2
from oo_contracts.envelope import RecordedEvent, read_envelope
from oo_contracts.events import EVENTS, payload_json
from oo_contracts.ids import (
    DecisionId,
    UserId,
    decision_id_of,
    new_user_id,
    record_command_id_of,
    tenant_id,
)
from oo_contracts.instants import instant, timestamp, timestamp_ms
from oo_contracts.streams import stream_of

MONDAY = 1_767_571_200_000
"""2026-01-05T00:00:00Z, a Monday."""
MINUTE = 60_000
HOUR = 60 * MINUTE
ADVICES = load_advices()
_PRIORITIES = (signals_pb2.PRIORITY_LOW, signals_pb2.PRIORITY_NORMAL, signals_pb2.PRIORITY_HIGH)
_CONTEXTS = (
    signals_pb2.CONTEXT_KIND_PAGE_CLOSED,
    signals_pb2.CONTEXT_KIND_DEVICE_ACTIVE,
    signals_pb2.CONTEXT_KIND_DEVICE_IDLE,
    signals_pb2.CONTEXT_KIND_PLACE_CHANGED,
)
_DEVICES = (signals_pb2.DEVICE_UNSPECIFIED, signals_pb2.DEVICE_PHONE, signals_pb2.DEVICE_DESKTOP)
_PLACES = (
    signals_pb2.PLACE_UNSPECIFIED,
    signals_pb2.PLACE_HOME,
    signals_pb2.PLACE_WORK,
    signals_pb2.PLACE_OUT,
)


def _ended_by(payload: Message) -> DecisionId | None:
    """The decision whose end an event is."""
    if isinstance(payload, tips_pb2.DecisionVoided):
        return DecisionId(payload.decision_id)
    if isinstance(payload, tips_pb2.TipProposed | tips_pb2.TipWithheld):
        return DecisionId(payload.decision.decision_id)
    return None


def user_of(number: int) -> UserId:
    return new_user_id(tenant_id("home"), random.Random(number).randbytes(16))


def skip_of(envelope: dict[str, Any], projection: str = "recommender") -> operations_pb2.ParkedEventSkipped:
    """What an operator records to have an event left out."""
    return operations_pb2.ParkedEventSkipped(
        projection=projection,
        stream=envelope["stream"],
        revision=int(envelope["revision"]),
        event_type=envelope["type"],
        reason="a test",
    )


class Life:
    """One person: events so far, the state that they fold to, and the time."""

    def __init__(
        self,
        number: int = 1,
        policy: Policy = CURRENT["heuristic"],
        now: int = MONDAY + 8 * HOUR,
        positions: Iterator[int] | None = None,
        prior: Prior | None = None,
    ) -> None:
        self.number = number
        self.user = user_of(number)
        self.policy = policy
        self.now = now
        self.prior = prior or prior_of(PRIORS[policy.features])
        self.person: Person = new_person(self.user, self.prior)
        self.envelopes: list[dict[str, Any]] = []
        self.items: dict[str, candidates_pb2.CandidateItem] = {}
        self.decisions: list[Decision] = []
        self._random = random.Random(number)
        self._positions = positions or itertools.count(1000, 10)
        self._revisions: dict[str, int] = {}
        self._open: dict[str, decisions_pb2.DecisionRecord] = {}
        self.ended: list[str] = []
        """Ids of the decisions that are facts, in their order."""

    @property
    def events(self) -> list[RecordedEvent]:
        return [read_envelope(envelope) for envelope in self.envelopes]

    def record(self, payload: Message, occurred_at: int | None = None) -> RecordedEvent:
        """Appends an event to the stream of its type's category, and folds it."""
        name = payload.DESCRIPTOR.name
        definition = EVENTS[name]
        stream = stream_of(definition.category, self.user)
        revision = self._revisions[stream] = self._revisions.get(stream, -1) + 1
        ids = [str(uuid.UUID(int=self._random.getrandbits(128))) for _ in range(4)]
        ended = _ended_by(payload)
        command = ids[3] if ended is None else record_command_id_of(ended)
        envelope = {
            "id": ids[0],
            "type": name,
            "stream": stream,
            "revision": str(revision),
            "position": str(next(self._positions)),
            "data": payload_json(payload),
            "metadata": {
                "$correlationId": ids[1],
                "$causationId": ids[2],
                "userId": self.user,
                "tenantId": "home",
                "schemaVersion": definition.version,
                "producer": "test",
                "occurredAt": instant(self.now if occurred_at is None else occurred_at),
                "recordedAt": instant(self.now),
                "commandId": command,
            },
        }
        # Through text, as over the wire.
        self.envelopes.append(json.loads(json.dumps(envelope)))
        event = read_envelope(self.envelopes[-1])
        self.person.fold(event)
        return event

    def register(self, consent: bool = True, budget: int = 3, utc_offset: int = 0) -> None:
        self.record(users_pb2.UserRegistered(utc_offset_minutes=utc_offset))
        if consent:
            self.record(users_pb2.ConsentGranted(scope=users_pb2.CONSENT_SCOPE_TIPS, terms_version="v1"))
        self.record(
            users_pb2.PreferencesChanged(
                quiet_from_minute=22 * 60, quiet_until_minute=7 * 60, daily_budget=budget
            )
        )

    def task(self, ref: str, due_in: int | None = None, priority: signals_pb2.Priority | None = None) -> None:
        """A task appears, also among the candidates."""
        due_at = None if due_in is None else timestamp(self.now + due_in)
        importance = signals_pb2.PRIORITY_NORMAL if priority is None else priority
        self.items[ref] = candidates_pb2.CandidateItem(
            ref=ref, kind=decisions_pb2.TIP_KIND_TODO, priority=importance, due_at=due_at
        )
        self.record(
            signals_pb2.TaskObserved(
                ref=ref, state=signals_pb2.TASK_STATE_OPEN, priority=importance, due_at=due_at
            )
        )

    def open_page(self, utc_offset: int = 0) -> None:
        self.record(
            signals_pb2.ContextObserved(
                kind=signals_pb2.CONTEXT_KIND_PAGE_OPENED,
                device=signals_pb2.DEVICE_PHONE,
                utc_offset_minutes=utc_offset,
            )
        )

    def decide(self, trigger: Trigger, decision_id: DecisionId) -> Decision:
        items: Sequence[candidates_pb2.CandidateItem] = (
            [] if unavailability(self.person, trigger, self.policy) else list(self.items.values())
        )
        offers = shortlist(self.person, trigger.at, items, ADVICES, self.policy)
        return decide(self.person, trigger, offers, self.policy, self.prior, decision_id)

    def decide_due(self) -> list[Decision]:
        """Makes every decision that is due, and records it as the tips service would."""
        made = []
        while due := self.person.agenda.due(self.now):
            decision_id, trigger = due[0]
            made.append(self.decide(trigger, decision_id))
            self.end(made[-1])
        self.decisions += made
        return made

    def ask(self) -> Decision:
        """A decision that somebody asked for, recorded."""
        request = str(uuid.UUID(int=self._random.getrandbits(128)))
        kind = decisions_pb2.TRIGGER_KIND_REQUEST
        decision = self.decide(
            Trigger(kind, request, self.now, request, request),
            decision_id_of(self.user, decisions_pb2.TriggerKind.Name(kind), request),
        )
        self.end(decision)
        self.decisions.append(decision)
        return decision

    def end(self, decision: Decision) -> None:
        """Makes a decision a fact."""
        self.accept(record_of(decision))

    def accept(self, record: decisions_pb2.DecisionRecord) -> None:
        """Makes a proposed decision a fact, as the tips service does."""
        if not record.unavailable:
            for earlier in list(self._open.values()):
                if not earlier.choice:
                    self.close(earlier, tips_pb2.OUTCOME_KIND_WAITED)
            self._open[record.decision_id] = record
        self.ended.append(record.decision_id)
        ended = tips_pb2.TipProposed if record.choice else tips_pb2.TipWithheld
        self.record(ended(decision=record))

    def void(self, record: decisions_pb2.DecisionRecord) -> None:
        """Ends a proposed decision without a fact, as the tips service does with one that comes too late."""
        self.ended.append(record.decision_id)
        self.record(
            tips_pb2.DecisionVoided(
                decision_id=record.decision_id, reason=tips_pb2.VOID_REASON_STALE, trigger=record.trigger
            )
        )

    def close(self, record: decisions_pb2.DecisionRecord, outcome: tips_pb2.OutcomeKind) -> None:
        if self._open.pop(record.decision_id, None) is None:
            return
        self.record(
            tips_pb2.DecisionOutcomeClosed(
                decision_id=record.decision_id,
                outcome=outcome,
                horizon_started_at=record.decided_at,
                horizon_ended_at=timestamp(min(self.now, timestamp_ms(record.holds_until))),
            )
        )

    def answer(self, outcome: tips_pb2.OutcomeKind) -> None:
        """The active tip is shown, and answered or left."""
        tip = self.person.active_tip
        assert tip is not None, "no tip is active"
        if outcome != tips_pb2.OUTCOME_KIND_NEVER_SHOWN:
            self.record(tips_pb2.TipShown(tip_id=tip.id))
        answers: dict[tips_pb2.OutcomeKind, Message] = {
            tips_pb2.OUTCOME_KIND_COMPLETED: tips_pb2.TipCompleted(tip_id=tip.id),
            tips_pb2.OUTCOME_KIND_ACCEPTED: tips_pb2.TipAccepted(tip_id=tip.id),
            tips_pb2.OUTCOME_KIND_DISMISSED: tips_pb2.TipDismissed(tip_id=tip.id),
            tips_pb2.OUTCOME_KIND_SNOOZED: tips_pb2.TipSnoozed(
                tip_id=tip.id, until=timestamp(self.now + 3 * HOUR)
            ),
            tips_pb2.OUTCOME_KIND_IGNORED: tips_pb2.TipExpired(tip_id=tip.id, shown=True),
            tips_pb2.OUTCOME_KIND_NEVER_SHOWN: tips_pb2.TipExpired(tip_id=tip.id),
        }
        self.record(answers[outcome])
        self.close(self._open[tip.id], outcome)

    def live(self, days: int) -> None:
        """Plays a person for some days: signals, decisions and answers, all from the seed."""
        if not self.envelopes:
            self.register()
        until = self.now + days * 24 * HOUR
        while self.now < until:
            self.now += self._random.randrange(5, 100) * MINUTE
            self._settle_tip()
            self.decide_due()
            if not self.person.quiet(self.now):
                self._signal()
            self.decide_due()

    def _signal(self) -> None:
        draw = self._random
        kind = draw.randrange(8)
        if kind == 0:
            due = draw.choice([None, draw.randrange(1, 60) * HOUR])
            self.task(f"demo:task:{draw.randrange(1000)}", due, draw.choice(_PRIORITIES))
        elif kind == 1 and self.items:
            ref = draw.choice(sorted(self.items))
            del self.items[ref]
            self.record(signals_pb2.TaskCompleted(ref=ref))
        elif kind == 2:
            self.record(signals_pb2.MoodReported(valence=draw.randrange(-2, 3), energy=draw.randrange(-2, 3)))
        elif kind == 3:
            ref = f"demo:habit:{draw.randrange(4)}"
            self.record(signals_pb2.HabitChecked(ref=ref, done=draw.random() < 0.7, streak=draw.randrange(9)))
        elif kind == 4:
            start = self.now + draw.randrange(0, 300) * MINUTE
            self.record(
                signals_pb2.BusyTimeObserved(
                    ref=f"demo:event:{draw.randrange(100)}",
                    starts_at=timestamp(start),
                    ends_at=timestamp(start + draw.randrange(15, 120) * MINUTE),
                    cancelled=draw.random() < 0.1,
                )
            )
        elif kind == 5:
            self.open_page()
        else:
            self.record(
                signals_pb2.ContextObserved(
                    kind=draw.choice(_CONTEXTS), device=draw.choice(_DEVICES), place=draw.choice(_PLACES)
                )
            )

    def _settle_tip(self) -> None:
        tip = self.person.active_tip
        if tip is None:
            return
        if self.now > tip.holds_until:
            self.answer(
                self._random.choice([tips_pb2.OUTCOME_KIND_IGNORED, tips_pb2.OUTCOME_KIND_NEVER_SHOWN])
            )
        elif self._random.random() < 0.7:
            self.answer(
                self._random.choice(
                    [
                        tips_pb2.OUTCOME_KIND_COMPLETED,
                        tips_pb2.OUTCOME_KIND_ACCEPTED,
                        tips_pb2.OUTCOME_KIND_DISMISSED,
                        tips_pb2.OUTCOME_KIND_SNOOZED,
                    ]
                )
            )
