"""Plays a policy in the life of a simulated person: signals of their days, decisions, answers.

The life is made event by event, as the services record it, and decided by `decide`, so what is played is what
oO runs. Signals depend on the person and the day alone; answers are drawn by the number of the decision, so
that two policies meet the same luck where they do the same.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from google.protobuf.message import Message

from ml.evaluation.population.people import Answer, Simulated
from ml.recommender.decide import Decision, on_page
from ml.recommender.draws import UNITS
from ml.recommender.person import DAY, HOUR
from ml.recommender.policies import learned_v2
from ml.recommender.policy import Policy
from ml.recommender.prior import Prior
from ml.testing.life import MINUTE, MONDAY, Life
from oo.v1 import candidates_pb2, decisions_pb2, signals_pb2, tips_pb2
from oo_contracts.envelope import Metadata, RecordedEvent
from oo_contracts.events import EVENTS
from oo_contracts.instants import timestamp
from oo_contracts.streams import stream_of

BUDGET: Final = 3
OUTCOMES: Final = {
    "COMPLETED": tips_pb2.OUTCOME_KIND_COMPLETED,
    "ACCEPTED": tips_pb2.OUTCOME_KIND_ACCEPTED,
    "SNOOZED": tips_pb2.OUTCOME_KIND_SNOOZED,
    "DISMISSED": tips_pb2.OUTCOME_KIND_DISMISSED,
    "IGNORED": tips_pb2.OUTCOME_KIND_IGNORED,
    "NEVER_SHOWN": tips_pb2.OUTCOME_KIND_NEVER_SHOWN,
}
LEAST_ACT: Final = learned_v2.ACT_MIN / UNITS
MOST_ACT: Final = learned_v2.ACT_MAX / UNITS
PAGE_LEAST_ACT: Final = learned_v2.PAGE_MIN / UNITS
_PRIORITIES: Final = (signals_pb2.PRIORITY_LOW, signals_pb2.PRIORITY_NORMAL, signals_pb2.PRIORITY_HIGH)
_PLACES: Final = (signals_pb2.PLACE_HOME, signals_pb2.PLACE_WORK, signals_pb2.PLACE_OUT)


class _Unwritten(Life):
    """Keeps events as they are, without the way through JSON: a third of the time."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._kept: list[RecordedEvent] = []

    @property
    def events(self) -> list[RecordedEvent]:
        return self._kept

    def record(self, payload: Message, occurred_at: int | None = None) -> RecordedEvent:
        name = payload.DESCRIPTOR.name
        stream = stream_of(EVENTS[name].category, self.user)
        revision = self._revisions[stream] = self._revisions.get(stream, -1) + 1
        place = len(self._kept)
        event_id = str(UUID(int=self.number << 64 | place))
        happened = self.now if occurred_at is None else occurred_at
        metadata = Metadata(
            event_id,
            event_id,
            self.user,
            "home",
            EVENTS[name].version,
            "simulation",
            happened,
            self.now,
            event_id,
        )
        event = RecordedEvent(event_id, name, stream, revision, 10 * place, metadata, payload)
        self._kept.append(event)
        self.person.fold(event)
        return event


PolicyOf = Callable[[Simulated], Policy]
"""A policy, which may know the person: an oracle does."""


@dataclass(frozen=True)
class Faced:
    """An available decision: expected rewards by the person's truth at that moment."""

    day: int
    reward: float
    """Of what was done; 0 for waiting."""
    best: float
    """Of the best candidate."""
    mean: float
    """Of the policy's own probabilities."""
    act: float
    """Its probability of speaking."""
    page: bool
    """The person opened the page."""

    def regret(self, price: float) -> float:
        """What the best answer within every policy's bounds is worth more than this one, where a tip costs
        `price` later.
        """
        net = self.best - price
        least = PAGE_LEAST_ACT if self.page else LEAST_ACT
        surely = MOST_ACT if net > 0.0 else least
        return surely * net - (self.mean - self.act * price)


@dataclass
class Lived:
    """A life: each available decision, and all that was recorded."""

    life: Life
    faced: list[Faced] = field(default_factory=list)
    spoke: int = 0

    @property
    def total(self) -> float:
        return sum(each.reward for each in self.faced)


def live(
    number: int,
    policy_of: PolicyOf,
    prior: Prior | None = None,
    decisions: int | None = None,
    days: int | None = None,
    luck: int = 0,
) -> Lived:
    """Plays until so many available decisions were made, or so many days are over."""
    if decisions is None and days is None:
        raise ValueError("give decisions or days")
    person = Simulated(number, MONDAY)
    life = _Unwritten(number, policy_of(person), now=MONDAY + 7 * HOUR, prior=prior)
    life.register(budget=BUDGET)
    played = _Played(person, life, luck)
    day = 0
    while days is None or day < days:
        for at, signal in signals_of(number, day):
            played.until(at)
            signal(life)
            played.decide()
            if decisions is not None and len(played.lived.faced) >= decisions:
                return played.lived
        day += 1
    return played.lived


class _Played:
    def __init__(self, person: Simulated, life: Life, luck: int) -> None:
        self._person, self._life, self._luck = person, life, luck
        self._answer: tuple[int, Answer] | None = None
        self.lived = Lived(life)

    def until(self, at: int) -> None:
        """Everything that is due before `at`: answers, and moments that the policy set."""
        while True:
            moment = self._life.person.agenda.next_moment(self._life.now)
            answer = self._answer[0] if self._answer is not None else None
            due = min((each for each in (moment, answer) if each is not None), default=at)
            if due >= at:
                break
            self._life.now = max(due, self._life.now)
            self._person.advance(self._life.now)
            if answer is not None and answer <= due and self._answer is not None:
                self._settle(self._answer[1])
            self.decide()
        self._life.now = max(at, self._life.now)
        self._person.advance(self._life.now)

    def decide(self) -> None:
        for made in self._life.decide_due():
            if made.unavailable:
                continue
            self.lived.faced.append(self._faced(made))
            if made.choice is not None:
                self.lived.spoke += 1
                draw = random.Random(f"{self._person.number} {self._luck} {len(self.lived.faced)}")
                answer = self._person.answer(made.decided_at, made.context, made.choice, draw)
                late = answer.outcome in ("IGNORED", "NEVER_SHOWN")
                at = made.holds_until + MINUTE if late else made.decided_at + answer.after
                self._answer = (at, answer)

    def _settle(self, answer: Answer) -> None:
        self._answer = None
        tip = self._life.person.active_tip
        if tip is None:
            return
        self._life.answer(OUTCOMES[answer.outcome])
        if answer.outcome == "COMPLETED" and tip.ref in self._life.items:
            del self._life.items[tip.ref]
            self._life.record(signals_pb2.TaskCompleted(ref=tip.ref))

    def _faced(self, made: Decision) -> Faced:
        worths = {
            each.ref: self._person.worth(made.decided_at, made.context, each) for each in made.candidates
        }
        act = made.act / UNITS
        mean = sum(
            share / UNITS * worths[each.ref] for each, share in zip(made.candidates, made.tips, strict=True)
        )
        return Faced(
            day=(made.decided_at - MONDAY) // DAY,
            reward=0.0 if made.choice is None else worths[made.choice.ref],
            best=max(worths.values()),
            mean=act * mean,
            act=act,
            page=on_page(self._life.person, made.trigger, made.policy),
        )


Signal = Callable[[Life], None]


def signals_of(number: int, day: int) -> Iterator[tuple[int, Signal]]:
    """The signals of a person's day in their order."""
    draw = random.Random(f"day {number} {day}")
    person = Simulated(number, MONDAY).traits
    start = MONDAY + day * DAY
    found: list[tuple[int, Signal]] = []

    def add(hour: float, signal: Signal) -> None:
        if 7.1 <= hour <= 21.9:
            found.append((start + int(hour * HOUR), signal))

    for hour in person.opens:
        if draw.random() < 0.75:
            at = hour + draw.gauss(0, 0.5)
            add(at, lambda life: life.open_page())
            add(at + draw.uniform(0.02, 0.15), _context(signals_pb2.CONTEXT_KIND_PAGE_CLOSED))
    for _ in range(person.active):
        add(draw.uniform(7.5, 21.8), _context(signals_pb2.CONTEXT_KIND_DEVICE_ACTIVE, draw))
    for _ in range(draw.choice([0, 1, 1, 2])):
        add(draw.uniform(7.5, 20), _task(number, day, draw))
    if draw.random() < 0.6:
        valence, energy = draw.randrange(-2, 3), draw.randrange(-2, 3)
        add(
            draw.uniform(7.5, 21),
            lambda life: _record(life, signals_pb2.MoodReported(valence=valence, energy=energy)),
        )
    if day % 7 < 5:
        for number_of in range(draw.randrange(1, 4)):
            begins, hours = draw.uniform(8, 17), draw.uniform(0.5, 2)
            add(7.2 + number_of / 100, _busy(f"demo:event:{day}-{number_of}", start, begins, hours))
    if draw.random() < 0.5:
        add(draw.uniform(8, 21), _context(signals_pb2.CONTEXT_KIND_PLACE_CHANGED, draw))
    if draw.random() < 0.7:
        done = draw.random() < 0.7
        add(
            draw.uniform(8, 21),
            lambda life: _record(life, signals_pb2.HabitChecked(ref="demo:habit:1", done=done, streak=1)),
        )
    return iter(sorted(found, key=lambda each: each[0]))


def _record(life: Life, payload: Message) -> None:
    life.record(payload)


def _context(kind: signals_pb2.ContextKind, draw: random.Random | None = None) -> Signal:
    place = draw.choice(_PLACES) if draw is not None else signals_pb2.PLACE_UNSPECIFIED
    observed = signals_pb2.ContextObserved(kind=kind, place=place)
    return lambda life: _record(life, observed)


def _task(number: int, day: int, draw: random.Random) -> Signal:
    ref = f"demo:task:{number}-{day}-{draw.randrange(1000)}"
    due_in = draw.choice([None, draw.uniform(2, 30), draw.uniform(20, 120)])
    priority, minutes = draw.choice(_PRIORITIES), draw.choice([5, 10, 15, 30, 45, 60, 90])

    def appears(life: Life) -> None:
        due = None if due_in is None else timestamp(life.now + int(due_in * HOUR))
        life.items[ref] = candidates_pb2.CandidateItem(
            ref=ref,
            kind=decisions_pb2.TIP_KIND_TODO,
            priority=priority,
            due_at=due,
            estimated_minutes=minutes,
        )
        while len(life.items) > 12:
            oldest = next(iter(life.items))
            del life.items[oldest]
            life.record(signals_pb2.TaskObserved(ref=oldest, state=signals_pb2.TASK_STATE_GONE))
        life.record(
            signals_pb2.TaskObserved(
                ref=ref, state=signals_pb2.TASK_STATE_OPEN, priority=priority, due_at=due
            )
        )

    return appears


def _busy(ref: str, start: int, begins: float, hours: float) -> Signal:
    busy = signals_pb2.BusyTimeObserved(
        ref=ref,
        starts_at=timestamp(start + int(begins * HOUR)),
        ends_at=timestamp(start + int((begins + hours) * HOUR)),
    )
    return lambda life: _record(life, busy)
