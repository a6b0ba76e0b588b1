"""What is known of a person: the fold of their events, in the order of the store.

Everything a decision may depend on is here and comes from events alone. What grows with a life is bounded:
the oldest entries of a table go when it is full, in the order in which they came, so that every fold forgets
alike.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message

from ml.learning.person_model import Moment
from ml.recommender.agenda import Agenda, Trigger
from ml.recommender.belief import Belief, Lesson
from ml.recommender.fatigue import DISMISSED, IGNORED, SHOWN, SNOOZED, WELCOMED, Fatigue
from ml.recommender.prior import Prior
from ml.recommender.skips import address_of, left_out_by
from oo.v1 import decisions_pb2, operations_pb2, signals_pb2, tips_pb2, users_pb2
from oo_contracts.envelope import RecordedEvent
from oo_contracts.events import EventUnreadable
from oo_contracts.ids import DecisionId, UserId
from oo_contracts.instants import timestamp_ms

MINUTE: Final = 60_000
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

LATE: Final = 15 * MINUTE
"""A signal that happened longer than this before it was recorded is history: it triggers nothing."""
PAGE_STAYS_OPEN: Final = 10 * MINUTE
"""A page that was not closed counts as open for this long: closing may go unsaid."""
ANSWERS_KEPT: Final = 5
TASKS_KEPT: Final = 1000
REFS_KEPT: Final = 1000

_Payload = TypeVar("_Payload", bound=Message)
_Value = TypeVar("_Value")


class Teacher(Protocol):
    """Reads recorded decisions, in the features that the prior is over."""

    def lesson(self, record: decisions_pb2.DecisionRecord, outcome: tips_pb2.OutcomeKind) -> Lesson | None:
        """What the outcome of a recorded decision teaches."""
        ...

    def reward(self, outcome: tips_pb2.OutcomeKind) -> float | None:
        """What an outcome is worth, None where it says nothing."""
        ...

    def standing(self, record: decisions_pb2.DecisionRecord) -> Moment | None:
        """How the person stood with being spoken to, where the record says so."""
        ...


@dataclass(frozen=True, slots=True)
class Preferences:
    quiet_from: int = 22 * 60
    quiet_until: int = 7 * 60
    daily_budget: int = 3


@dataclass(frozen=True, slots=True)
class Task:
    due_at: int | None
    observed_at: int


@dataclass(frozen=True, slots=True)
class Habit:
    at: int
    done: bool


@dataclass(frozen=True, slots=True)
class Mood:
    at: int
    valence: int
    energy: int


@dataclass(frozen=True, slots=True)
class Answer:
    at: int
    outcome: tips_pb2.OutcomeKind


@dataclass(frozen=True, slots=True)
class ActiveTip:
    id: str
    ref: str
    holds_until: int


@dataclass(slots=True)
class RefHistory:
    """What became of the tips of one reference."""

    proposed: int = 0
    good_at: int | None = None
    refused_at: int | None = None
    """Dismissed, or shown and ignored."""
    snoozed_until: int | None = None


class Person:
    """State of one person. `fold` changes it; everything else only reads."""

    def __init__(self, user: UserId, prior: Prior, teacher: Teacher) -> None:
        self.user = user
        self.prior = prior
        self.belief = Belief(prior)
        self.fatigue = Fatigue(prior.moments)
        self._teacher = teacher
        self.agenda = Agenda(user)
        self.revisions: dict[str, int] = {}
        """Last revision folded of each stream."""
        self.position = -1
        """Commit position of the last event folded."""
        self.left_out: frozenset[str] = frozenset()
        """Addresses of events that the state leaves out. Whoever folds events gives it before the first: a
        skip stands behind the event that it is about.
        """
        self.erased = False
        self.consents: set[users_pb2.ConsentScope] = set()
        self.preferences = Preferences()
        self.utc_offset = 0
        self.tasks: dict[str, Task] = {}
        """Open tasks by reference."""
        self.finished: dict[str, int] = {}
        """When tasks were done or gone, by reference."""
        self.busy: dict[str, tuple[int, int]] = {}
        self.habits: dict[str, Habit] = {}
        self.mood: Mood | None = None
        self.active_at: int | None = None
        self.device: signals_pb2.Device = signals_pb2.DEVICE_UNSPECIFIED
        self.place: signals_pb2.Place = signals_pb2.PLACE_UNSPECIFIED
        self.page_opened_at: int | None = None
        self._context_at = 0
        self.tips: list[int] = []
        """When tips were proposed, lately."""
        self.last_ref = ""
        self.active_tip: ActiveTip | None = None
        self.answers: list[Answer] = []
        """The last outcomes that say something, oldest first."""
        self.refs: dict[str, RefHistory] = {}
        self._undecided: dict[str, decisions_pb2.DecisionRecord] = {}
        """Available decisions whose outcome is open, by id."""
        self._refs_of_tips: dict[str, str] = {}
        self.requested: dict[str, decisions_pb2.DecisionRecord] = {}
        """The last decisions that somebody asked for, by the id of the request."""

    def fold(self, event: RecordedEvent) -> None:
        """Takes the next event of the person's streams, in the order of positions.

        Raises EventUnreadable where its payload was not read and it is not left out.
        """
        if isinstance(event.data, operations_pb2.ParkedEventSkipped):
            self._parked_event_skipped(event)
            return
        if self.left_out and address_of(event) in self.left_out:
            self._leave_out(event)
            return
        if isinstance(event.data, Empty):
            raise EventUnreadable(event.type, event.metadata.schema_version, "it was left out later")
        self.agenda.advance(event.metadata.recorded_at)
        self.revisions[event.stream] = event.revision
        self.position = event.position
        if self.erased:
            return
        relevant = FOLDS[event.type](self, event)
        if relevant is not None and event.metadata.occurred_at >= event.metadata.recorded_at - LATE:
            self.agenda.open(
                Trigger(
                    kind=relevant,
                    id=event.id,
                    at=event.metadata.recorded_at,
                    correlation_id=event.metadata.correlation_id,
                    causation_id=event.id,
                )
            )

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of all that is believed of the person."""
        believed, fatigue = self.belief.digest, self.fatigue.digest
        return hashlib.sha256(f"{believed}|{fatigue}".encode()).hexdigest() if fatigue else believed

    # What a decision asks.

    def consents_to_tips(self) -> bool:
        return users_pb2.CONSENT_SCOPE_TIPS in self.consents

    def local_minute(self, at: int) -> int:
        """Minutes since local midnight."""
        return (at // MINUTE + self.utc_offset) % (24 * 60)

    def local_day(self, at: int) -> int:
        """Days since 1970-01-01, local."""
        return (at // MINUTE + self.utc_offset) // (24 * 60)

    def local_weekday(self, at: int) -> int:
        """0 is Monday. (1970-01-01 was a Thursday.)"""
        return (self.local_day(at) + 3) % 7

    def quiet(self, at: int) -> bool:
        """Whether the moment lies in the quiet hours."""
        start, end, minute = self.preferences.quiet_from, self.preferences.quiet_until, self.local_minute(at)
        return start <= minute < end if start <= end else minute >= start or minute < end

    def after_quiet(self, at: int) -> int:
        """The end of the quiet hours that the moment lies in, or the moment itself."""
        if not self.quiet(at):
            return at
        left = (self.preferences.quiet_until - self.local_minute(at)) % (24 * 60)
        return (at // MINUTE + left) * MINUTE

    def day_gone(self, at: int) -> float:
        """Share of the day outside the quiet hours that is over, from 0 to 1."""
        start, end = self.preferences.quiet_until, self.preferences.quiet_from
        waking = (end - start) % (24 * 60) or 24 * 60
        return min(1.0, ((self.local_minute(at) - start) % (24 * 60)) / waking)

    def next_local_day(self, at: int) -> int:
        return ((self.local_day(at) + 1) * 24 * 60 - self.utc_offset) * MINUTE

    def tips_of_day(self, at: int) -> int:
        """Tips proposed on the local day of the moment."""
        day = self.local_day(at)
        return sum(1 for tip in self.tips if self.local_day(tip) == day)

    def page_open(self, at: int) -> bool:
        return self.page_opened_at is not None and at - self.page_opened_at < PAGE_STAYS_OPEN

    def waits_on_page(self, at: int) -> bool:
        """Whether the page is open and nothing was proposed since it was opened."""
        opened = self.page_opened_at
        return opened is not None and self.page_open(at) and not any(tip >= opened for tip in self.tips)

    def busy_at(self, at: int) -> tuple[int | None, int | None]:
        """Until when the person is busy at the moment (None: free), and when they next will be (None:
        unknown).
        """
        until = max((end for start, end in self.busy.values() if start <= at < end), default=None)
        following = min((start for start, _ in self.busy.values() if start > at), default=None)
        return until, following

    # What operators said.

    def _parked_event_skipped(self, event: RecordedEvent) -> None:
        """Of skips only those of the recommender count: a decision names the last one that it has seen."""
        if left_out_by(event) is None:
            return
        self.revisions[event.stream] = event.revision
        self.position = event.position

    def _leave_out(self, event: RecordedEvent) -> None:
        self.revisions[event.stream] = event.revision
        self.position = event.position
        if event.type in ENDS:
            self.agenda.close_recorded(event.metadata.command_id)

    # The folds. Each returns the kind of the decision point that its event opens, if any.

    def _task_observed(self, event: RecordedEvent) -> decisions_pb2.TriggerKind | None:
        task = _data(event, signals_pb2.TaskObserved)
        known = self.tasks.pop(task.ref, None)
        if task.state == signals_pb2.TASK_STATE_GONE:
            _keep(self.finished, task.ref, event.metadata.recorded_at, REFS_KEPT)
            return None
        self.finished.pop(task.ref, None)
        now = event.metadata.recorded_at
        due_at = timestamp_ms(task.due_at) if task.HasField("due_at") else None
        _keep(self.tasks, task.ref, Task(due_at, now), TASKS_KEPT)
        if known is None:
            return decisions_pb2.TRIGGER_KIND_SIGNAL
        was_soon = known.due_at == due_at and _due_soon(due_at, known.observed_at)
        return decisions_pb2.TRIGGER_KIND_SIGNAL if _due_soon(due_at, now) and not was_soon else None

    def _task_completed(self, event: RecordedEvent) -> decisions_pb2.TriggerKind | None:
        ref = _data(event, signals_pb2.TaskCompleted).ref
        self.tasks.pop(ref, None)
        _keep(self.finished, ref, event.metadata.recorded_at, REFS_KEPT)
        return decisions_pb2.TRIGGER_KIND_SIGNAL

    def _habit_checked(self, event: RecordedEvent) -> decisions_pb2.TriggerKind | None:
        habit = _data(event, signals_pb2.HabitChecked)
        _keep(self.habits, habit.ref, Habit(event.metadata.occurred_at, habit.done), 100)
        return decisions_pb2.TRIGGER_KIND_SIGNAL

    def _busy_time_observed(self, event: RecordedEvent) -> decisions_pb2.TriggerKind | None:
        busy = _data(event, signals_pb2.BusyTimeObserved)
        now, end = event.metadata.recorded_at, timestamp_ms(busy.ends_at)
        for ref in [ref for ref, (_, past) in self.busy.items() if past < now - DAY]:
            del self.busy[ref]
        self.busy.pop(busy.ref, None)
        if busy.cancelled:
            return decisions_pb2.TRIGGER_KIND_SIGNAL
        _keep(self.busy, busy.ref, (timestamp_ms(busy.starts_at), end), 500)
        return decisions_pb2.TRIGGER_KIND_SIGNAL if now - LATE <= end <= now + 5 * MINUTE else None

    def _mood_reported(self, event: RecordedEvent) -> decisions_pb2.TriggerKind | None:
        mood, at = _data(event, signals_pb2.MoodReported), event.metadata.occurred_at
        if self.mood is None or self.mood.at <= at:
            self.mood = Mood(at, mood.valence, mood.energy)
        return decisions_pb2.TRIGGER_KIND_SIGNAL

    def _context_observed(self, event: RecordedEvent) -> decisions_pb2.TriggerKind | None:
        context, at = _data(event, signals_pb2.ContextObserved), event.metadata.occurred_at
        if at >= self._context_at:
            self._context_at = at
            self._context_is(context, at)
        return _CONTEXT_TRIGGERS.get(context.kind)

    def _context_is(self, context: signals_pb2.ContextObserved, at: int) -> None:
        if context.device != signals_pb2.DEVICE_UNSPECIFIED:
            self.device = context.device
        if context.place != signals_pb2.PLACE_UNSPECIFIED:
            self.place = context.place
        if context.kind == signals_pb2.CONTEXT_KIND_PAGE_OPENED:
            # The page knows the zone that the person is in; another producer's 0 may mean that it does not.
            self.utc_offset = context.utc_offset_minutes
            self.page_opened_at = self.active_at = at
        elif context.kind == signals_pb2.CONTEXT_KIND_PAGE_CLOSED:
            self.page_opened_at = None
        elif context.kind == signals_pb2.CONTEXT_KIND_DEVICE_IDLE:
            self.active_at = None
        elif context.kind == signals_pb2.CONTEXT_KIND_DEVICE_ACTIVE:
            self.active_at = at

    def _user_registered(self, event: RecordedEvent) -> None:
        self.utc_offset = _data(event, users_pb2.UserRegistered).utc_offset_minutes

    def _preferences_changed(self, event: RecordedEvent) -> None:
        changed = _data(event, users_pb2.PreferencesChanged)
        self.preferences = Preferences(
            changed.quiet_from_minute, changed.quiet_until_minute, changed.daily_budget
        )

    def _consent_granted(self, event: RecordedEvent) -> None:
        self.consents.add(_data(event, users_pb2.ConsentGranted).scope)

    def _consent_withdrawn(self, event: RecordedEvent) -> None:
        scope = _data(event, users_pb2.ConsentWithdrawn).scope
        if scope == users_pb2.CONSENT_SCOPE_TIPS and scope in self.consents:
            at = event.metadata.recorded_at
            self.fatigue.left(
                Moment(0.5, self.fatigue.habituation.at(at), self.fatigue.disengagement.at(at), 0)
            )
        self.consents.discard(scope)

    def _user_erased(self, _event: RecordedEvent) -> None:
        self.erased = True
        self.agenda.clear()

    def _tip_proposed(self, event: RecordedEvent) -> None:
        record = _data(event, tips_pb2.TipProposed).decision
        self._decided(event, record)
        at, holds_until = timestamp_ms(record.decided_at), timestamp_ms(record.holds_until)
        self.active_tip = ActiveTip(record.decision_id, record.choice, holds_until)
        self.tips = [tip for tip in self.tips if tip > at - 3 * DAY] + [at]
        self.last_ref = record.choice
        _keep(self._refs_of_tips, record.decision_id, record.choice, 100)
        self._history(record.choice).proposed += 1

    def _tip_withheld(self, event: RecordedEvent) -> None:
        self._decided(event, _data(event, tips_pb2.TipWithheld).decision)

    def _decision_voided(self, event: RecordedEvent) -> None:
        voided = _data(event, tips_pb2.DecisionVoided)
        self.agenda.close(DecisionId(voided.decision_id), voided.trigger.id)

    def _tip_shown(self, event: RecordedEvent) -> None:
        """That a tip was seen shows in its outcome too: ignored, or never shown."""
        self.fatigue.habituation.raise_by(SHOWN, event.metadata.recorded_at)

    def _tip_accepted(self, event: RecordedEvent) -> None:
        self._answered(event, _data(event, tips_pb2.TipAccepted).tip_id, tips_pb2.OUTCOME_KIND_ACCEPTED)

    def _tip_completed(self, event: RecordedEvent) -> None:
        self._answered(event, _data(event, tips_pb2.TipCompleted).tip_id, tips_pb2.OUTCOME_KIND_COMPLETED)

    def _tip_dismissed(self, event: RecordedEvent) -> None:
        self._answered(event, _data(event, tips_pb2.TipDismissed).tip_id, tips_pb2.OUTCOME_KIND_DISMISSED)

    def _tip_snoozed(self, event: RecordedEvent) -> None:
        snoozed = _data(event, tips_pb2.TipSnoozed)
        self._answered(event, snoozed.tip_id, tips_pb2.OUTCOME_KIND_SNOOZED)
        until = timestamp_ms(snoozed.until)
        ref = self._refs_of_tips.get(snoozed.tip_id)
        if ref is not None:
            self._history(ref).snoozed_until = until
        self.agenda.snooze(
            Trigger(
                kind=decisions_pb2.TRIGGER_KIND_MOMENT,
                id=event.id,
                at=until,
                correlation_id=event.metadata.correlation_id,
                causation_id=event.id,
            )
        )

    def _tip_expired(self, event: RecordedEvent) -> None:
        expired = _data(event, tips_pb2.TipExpired)
        if expired.shown:
            self._answered(event, expired.tip_id, tips_pb2.OUTCOME_KIND_IGNORED)
        else:
            self._no_longer_active(expired.tip_id)

    def _decision_outcome_closed(self, event: RecordedEvent) -> None:
        closed = _data(event, tips_pb2.DecisionOutcomeClosed)
        record = self._undecided.pop(closed.decision_id, None)
        if record is None:
            return
        lesson = self._teacher.lesson(record, closed.outcome)
        if lesson is not None:
            self.belief.learn(lesson.x, lesson.reward)
        self.fatigue.closed(
            closed.decision_id, self._teacher.reward(closed.outcome), closed.outcome in _UNWELCOME
        )

    def _decided(self, event: RecordedEvent, record: decisions_pb2.DecisionRecord) -> None:
        self.agenda.close(DecisionId(record.decision_id), record.trigger.id)
        reconsider = None
        if record.HasField("reconsider_at"):
            reconsider = Trigger(
                kind=decisions_pb2.TRIGGER_KIND_MOMENT,
                id=record.decision_id,
                at=timestamp_ms(record.reconsider_at),
                correlation_id=event.metadata.correlation_id,
                causation_id=event.id,
            )
        self.agenda.reconsider(reconsider)
        if record.trigger.kind == decisions_pb2.TRIGGER_KIND_REQUEST:
            _keep(self.requested, record.trigger.id, record, 5)
        if not record.unavailable:
            # Horizons do not overlap, so that one is open at a time; a few are kept in case a closing is
            # late.
            _keep(self._undecided, record.decision_id, record, 10)
            standing = self._teacher.standing(record)
            if standing is not None:
                self.fatigue.decided(record.decision_id, standing, record.choice != "")

    def _answered(self, event: RecordedEvent, tip_id: str, outcome: tips_pb2.OutcomeKind) -> None:
        self._no_longer_active(tip_id)
        at = event.metadata.occurred_at
        self.answers = [*self.answers, Answer(at, outcome)][-ANSWERS_KEPT:]
        unwelcome = _UNWELCOME.get(outcome)
        if unwelcome is not None:
            self.fatigue.disengagement.raise_by(unwelcome, event.metadata.recorded_at)
        else:
            self.fatigue.disengagement.lower_to(WELCOMED, event.metadata.recorded_at)
        ref = self._refs_of_tips.get(tip_id)
        if ref is None:
            return
        if outcome in (tips_pb2.OUTCOME_KIND_COMPLETED, tips_pb2.OUTCOME_KIND_ACCEPTED):
            self._history(ref).good_at = at
        elif outcome in (tips_pb2.OUTCOME_KIND_DISMISSED, tips_pb2.OUTCOME_KIND_IGNORED):
            self._history(ref).refused_at = at

    def _no_longer_active(self, tip_id: str) -> None:
        if self.active_tip is not None and self.active_tip.id == tip_id:
            self.active_tip = None

    def _history(self, ref: str) -> RefHistory:
        history = self.refs.pop(ref, None) or RefHistory()
        _keep(self.refs, ref, history, REFS_KEPT)
        return history


def _data(event: RecordedEvent, payload: type[_Payload]) -> _Payload:
    if not isinstance(event.data, payload):
        raise TypeError(f"the payload of a {event.type} is a {type(event.data).__name__}")
    return event.data


def _keep(table: dict[str, _Value], key: str, value: _Value, limit: int) -> None:
    """Puts an entry at the end of a table; the oldest one goes when it is full."""
    table.pop(key, None)
    table[key] = value
    if len(table) > limit:
        del table[next(iter(table))]


def _due_soon(due_at: int | None, now: int) -> bool:
    return due_at is not None and due_at <= now + DAY


_UNWELCOME: Final[dict[tips_pb2.OutcomeKind, float]] = {
    tips_pb2.OUTCOME_KIND_DISMISSED: DISMISSED,
    tips_pb2.OUTCOME_KIND_IGNORED: IGNORED,
    tips_pb2.OUTCOME_KIND_SNOOZED: SNOOZED,
}
"""How much each adds to disengagement."""
_CONTEXT_TRIGGERS: Final[dict[signals_pb2.ContextKind, decisions_pb2.TriggerKind]] = {
    signals_pb2.CONTEXT_KIND_PAGE_OPENED: decisions_pb2.TRIGGER_KIND_PAGE_OPENED,
    signals_pb2.CONTEXT_KIND_DEVICE_ACTIVE: decisions_pb2.TRIGGER_KIND_SIGNAL,
    signals_pb2.CONTEXT_KIND_PLACE_CHANGED: decisions_pb2.TRIGGER_KIND_SIGNAL,
}

ENDS: Final = frozenset({"TipProposed", "TipWithheld", "DecisionVoided"})
"""Types of the events that end a decision."""

FOLDS: Final[dict[str, Callable[[Person, RecordedEvent], decisions_pb2.TriggerKind | None]]] = {
    "TaskObserved": Person._task_observed,
    "TaskCompleted": Person._task_completed,
    "HabitChecked": Person._habit_checked,
    "BusyTimeObserved": Person._busy_time_observed,
    "MoodReported": Person._mood_reported,
    "ContextObserved": Person._context_observed,
    "UserRegistered": Person._user_registered,
    "PreferencesChanged": Person._preferences_changed,
    "ConsentGranted": Person._consent_granted,
    "ConsentWithdrawn": Person._consent_withdrawn,
    "UserErased": Person._user_erased,
    "TipProposed": Person._tip_proposed,
    "TipWithheld": Person._tip_withheld,
    "DecisionVoided": Person._decision_voided,
    "TipShown": Person._tip_shown,
    "TipAccepted": Person._tip_accepted,
    "TipCompleted": Person._tip_completed,
    "TipSnoozed": Person._tip_snoozed,
    "TipDismissed": Person._tip_dismissed,
    "TipExpired": Person._tip_expired,
    "DecisionOutcomeClosed": Person._decision_outcome_closed,
}
