"""Decides again what was decided, out of the recorded events, and compares every field of the records."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ml.features import FEATURE_MAPS
from ml.recommender.agenda import Trigger
from ml.recommender.decide import Decision, Offer, decide
from ml.recommender.fold import new_person, prior_of
from ml.recommender.person import Person
from ml.recommender.policies import PolicyUnknown, policy_of
from ml.recommender.policy import Account, Policy
from ml.recommender.prior import Prior, PriorUnknown
from ml.recommender.record import record_of
from ml.recommender.skips import SKIPS, kept, left_out_by, left_out_of
from oo.v1 import decisions_pb2, tips_pb2
from oo_contracts.envelope import RecordedEvent
from oo_contracts.events import EventUnreadable, payload_json
from oo_contracts.ids import DecisionId, UserId, decision_id_of
from oo_contracts.instants import timestamp_ms
from oo_contracts.streams import stream_of

Json = dict[str, Any]
_ABSENT: Final = None


@dataclass(frozen=True, slots=True)
class Difference:
    """A field of a record that came out otherwise. Paths have dots: `candidates.2.probability`."""

    field: str
    recorded: object
    replayed: object


@dataclass(frozen=True, slots=True)
class Replayed:
    """A recorded decision, made again."""

    user: UserId
    decision_id: DecisionId
    position: int
    recorded: Json
    replayed: Json
    """Empty where it could not be made again; then `differences` says why."""
    differences: tuple[Difference, ...]
    account: Account | None = None
    """How the probability of acting came about when it was made again, where its policy tells."""

    @property
    def identical(self) -> bool:
        return not self.differences


@dataclass(frozen=True, slots=True)
class History:
    """A person's decisions made again, and the state at the end."""

    user: UserId
    state: Person
    decisions: tuple[Replayed, ...]


@dataclass(frozen=True, slots=True)
class _Recorded:
    event: RecordedEvent
    record: decisions_pb2.DecisionRecord


def replay(user: UserId, events: Sequence[RecordedEvent], prior_version: str) -> History:
    """Replays a person's decisions. `events` are those of the person's streams, in any order, from the first
    on. What was left out when a decision was made is left out when it is made again.

    The state at the end is folded from the prior of `prior_version`.
    """
    ordered = _ordered(events)
    decided = [_Recorded(event, record) for event in ordered if (record := record_in(event)) is not None]
    versions = {each.record.prior_version for each in decided}
    replayed = {
        again.decision_id: again
        for version in sorted(versions)
        for again in _replay_prior(user, ordered, decided, version)
    }
    return History(
        user=user,
        state=_fold(user, ordered, prior_of(prior_version), left_out_of(ordered)),
        decisions=tuple(replayed[DecisionId(each.record.decision_id)] for each in decided),
    )


@dataclass(frozen=True, slots=True)
class Judged:
    """A recorded decision, and what another policy or prior would have made of the same moment."""

    record: decisions_pb2.DecisionRecord
    decision: Decision


def judged(user: UserId, events: Sequence[RecordedEvent], policy: Policy, prior: Prior) -> list[Judged]:
    """What `policy` with `prior` would have decided at each recorded decision, in their order, the past being
    as it was: candidates and what their sources said of them are the record's. A decision that had folded
    what this build cannot read, and what was left out only later, is not among them.

    `events` are those of the person's streams, in any order, from the first on.
    """
    ordered = _ordered(events)
    decided = [
        _Recorded(event, record) for event in kept(ordered) if (record := record_in(event)) is not None
    ]
    moments = _moments(ordered)
    return [
        Judged(each.record, _decide(state, each, moments, policy, prior))
        for state, each in _states(user, ordered, decided, prior)
        if isinstance(state, Person)
    ]


def differences(recorded: Json, replayed: Json) -> tuple[Difference, ...]:
    """Every leaf in which two records differ, in the order of their paths; numbers bit for bit."""
    return tuple(_compare("", recorded, replayed))


def _replay_prior(
    user: UserId, ordered: Sequence[RecordedEvent], decided: Iterable[_Recorded], version: str
) -> Iterable[Replayed]:
    """Makes all decisions again that started from one prior, in one pass over the events where that is
    possible.
    """
    mine = [each for each in decided if each.record.prior_version == version]
    try:
        prior = prior_of(version)
        new_person(user, prior)
    except PriorUnknown as error:
        yield from (_impossible(user, each, str(error)) for each in mine)
        return
    moments = _moments(ordered)
    for state, each in _states(user, ordered, mine, prior):
        if isinstance(state, Person):
            yield _again(state, each, moments)
        else:
            yield _impossible(user, each, str(state))


def _states(
    user: UserId, ordered: Sequence[RecordedEvent], decided: Iterable[_Recorded], prior: Prior
) -> Iterator[tuple[Person | EventUnreadable, _Recorded]]:
    """The person as each decision saw them, folded from `prior`, in one pass where that is possible. A state
    is good until the next one is asked for. Instead of it, why there is none: what another build had folded
    was left out later, and cannot be read.
    """
    skips = [event for event in ordered if event.stream == stream_of(SKIPS, user)]
    by_skips: dict[frozenset[str], list[_Recorded]] = {}
    for each in decided:
        by_skips.setdefault(_left_out(skips, each.record), []).append(each)
    for left_out, alike in by_skips.items():
        yield from _states_without(user, ordered, alike, prior, left_out)


def _states_without(
    user: UserId,
    ordered: Sequence[RecordedEvent],
    decided: Iterable[_Recorded],
    prior: Prior,
    left_out: frozenset[str],
) -> Iterator[tuple[Person | EventUnreadable, _Recorded]]:
    """The same for decisions that had left the same events out."""
    state, folded = new_person(user, prior), 0
    state.left_out = left_out
    place = {(event.stream, event.revision): index for index, event in enumerate(ordered)}
    passed: list[tuple[int, _Recorded]] = []
    for each in decided:
        cut = _cut(place, each.record)
        if cut is not None:
            passed.append((cut, each))
        else:
            # Not what the recommender had seen at one moment: fold just what the record names.
            try:
                apart = _fold(user, _named(ordered, each.record), prior, left_out)
            except EventUnreadable as error:
                yield error, each
            else:
                yield apart, each
    unreadable: EventUnreadable | None = None
    for cut, each in sorted(passed, key=lambda pair: pair[0]):
        try:
            for event in ordered[folded:cut] if unreadable is None else ():
                state.fold(event)
        except EventUnreadable as error:
            unreadable = error
        folded = cut
        yield unreadable or state, each


def _again(state: Person, each: _Recorded, moments: Mapping[str, int]) -> Replayed:
    record = each.record
    recorded = payload_json(record)
    try:
        policy = policy_of(record.policy, record.policy_version)
    except PolicyUnknown as error:
        return _impossible(state.user, each, str(error))
    decision = _decide(state, each, moments, policy, prior_of(record.prior_version))
    replayed = payload_json(record_of(decision))
    return Replayed(
        user=state.user,
        decision_id=DecisionId(record.decision_id),
        position=each.event.position,
        recorded=recorded,
        replayed=replayed,
        differences=differences(recorded, replayed),
        account=decision.account,
    )


def _decide(
    state: Person, each: _Recorded, moments: Mapping[str, int], policy: Policy, prior: Prior
) -> Decision:
    record = each.record
    given = len(FEATURE_MAPS[policy.features].GIVEN)
    kind = decisions_pb2.TriggerKind.Name(record.trigger.kind)
    return decide(
        state,
        Trigger(
            kind=record.trigger.kind,
            id=record.trigger.id,
            at=moments.get(_moment(record.trigger.kind, record.trigger.id), timestamp_ms(record.trigger.at)),
            correlation_id=each.event.metadata.correlation_id,
            causation_id=each.event.metadata.causation_id,
        ),
        [Offer(one.ref, one.kind, tuple(one.features)[:given]) for one in record.candidates],
        policy,
        prior,
        decision_id_of(state.user, kind, record.trigger.id),
    )


def _impossible(user: UserId, each: _Recorded, reason: str) -> Replayed:
    return Replayed(
        user=user,
        decision_id=DecisionId(each.record.decision_id),
        position=each.event.position,
        recorded=payload_json(each.record),
        replayed={},
        differences=(Difference("(decision)", "recorded", reason),),
    )


def record_in(event: RecordedEvent) -> decisions_pb2.DecisionRecord | None:
    """The decision that an event records, if it records one."""
    if isinstance(event.data, tips_pb2.TipProposed | tips_pb2.TipWithheld):
        return event.data.decision
    return None


def _moments(ordered: Iterable[RecordedEvent]) -> dict[str, int]:
    """When each possible trigger was, as the events tell. A request is told by its decision alone."""
    moments: dict[str, int] = {}
    for event in ordered:
        moments[_moment(decisions_pb2.TRIGGER_KIND_SIGNAL, event.id)] = event.metadata.recorded_at
        record = record_in(event)
        if record is not None and record.HasField("reconsider_at"):
            moment = _moment(decisions_pb2.TRIGGER_KIND_MOMENT, record.decision_id)
            moments[moment] = timestamp_ms(record.reconsider_at)
        elif isinstance(event.data, tips_pb2.TipSnoozed):
            moments[_moment(decisions_pb2.TRIGGER_KIND_MOMENT, event.id)] = timestamp_ms(event.data.until)
    return moments


def _moment(kind: decisions_pb2.TriggerKind, trigger_id: str) -> str:
    signal = kind in (decisions_pb2.TRIGGER_KIND_SIGNAL, decisions_pb2.TRIGGER_KIND_PAGE_OPENED)
    return f"{'signal' if signal else kind} {trigger_id}"


def _ordered(events: Iterable[RecordedEvent]) -> list[RecordedEvent]:
    """In the order of positions, without what was skipped elsewhere: nothing here depends on it."""
    concerning = [
        event
        for event in events
        if not event.stream.startswith(f"{SKIPS}-") or left_out_by(event) is not None
    ]
    return sorted(concerning, key=lambda event: event.position)


def _left_out(skips: Iterable[RecordedEvent], record: decisions_pb2.DecisionRecord) -> frozenset[str]:
    """What a decision had left out: the skips that it had seen say so."""
    named = {folded.stream: folded.revision for folded in record.folded_to}
    return left_out_of(event for event in skips if event.revision <= named.get(event.stream, -1))


def _cut(place: Mapping[tuple[str, int], int], record: decisions_pb2.DecisionRecord) -> int | None:
    """How many of the first events the decision had seen, None where what it had seen is no beginning of
    them.
    """
    last = [place.get((folded.stream, folded.revision), -1) for folded in record.folded_to]
    count = max(last, default=-1) + 1
    # Not folded.revision + 1: of a person's skips those of other names are not among the events.
    named = sum(
        sum((folded.stream, revision) in place for revision in range(folded.revision + 1))
        if folded.stream.startswith(f"{SKIPS}-")
        else folded.revision + 1
        for folded in record.folded_to
    )
    return count if -1 not in last and count == named else None


def _named(ordered: Sequence[RecordedEvent], record: decisions_pb2.DecisionRecord) -> list[RecordedEvent]:
    named = {folded.stream: folded.revision for folded in record.folded_to}
    return [event for event in ordered if event.revision <= named.get(event.stream, -1)]


def _fold(user: UserId, ordered: Iterable[RecordedEvent], prior: Prior, left_out: frozenset[str]) -> Person:
    person = new_person(user, prior)
    person.left_out = left_out
    for event in ordered:
        person.fold(event)
    return person


def _compare(path: str, recorded: object, replayed: object) -> Iterable[Difference]:
    if isinstance(recorded, Mapping) and isinstance(replayed, Mapping):
        for name in sorted(recorded.keys() | replayed.keys()):
            yield from _compare(_join(path, name), recorded.get(name, _ABSENT), replayed.get(name, _ABSENT))
    elif isinstance(recorded, list) and isinstance(replayed, list):
        for index in range(max(len(recorded), len(replayed))):
            yield from _compare(
                _join(path, str(index)),
                recorded[index] if index < len(recorded) else _ABSENT,
                replayed[index] if index < len(replayed) else _ABSENT,
            )
    # Two doubles are equal here when they are the same bits: neither NaN nor -0 is in a record.
    elif type(recorded) is not type(replayed) or recorded != replayed:
        yield Difference(path, recorded, replayed)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
