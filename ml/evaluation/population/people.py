"""Simulated people: how they live, how they take a tip, and how that changes them.

Their truth is not in the learner's class on purpose. It has thresholds (a step where energy is below what a
task asks, a deadline that only counts once it is near, annoyance that shuts a person off for a day or two),
habituation that decays by its own clock, effects that come later (trust grows or wanes over weeks), a bump
of the day with a width of its own, and people who change: one day the good hour and the tastes are others.

Ranges below were written down before any policy was tuned on them. People for choosing and training are
numbered from 0; those for reporting from `REPORTED`. People from 1,000,000 on were reported on while
constants were still being chosen, so they report no more; those from 3,000,000 on were first looked at when
version 2 of the policy and its prior were settled.
"""

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from ml.features import v1
from ml.features import v2 as features
from ml.recommender.person import DAY, HOUR
from ml.recommender.policy import Candidate

REPORTED: Final = 3_000_000
"""Numbers from here on are for reporting alone."""
ATYPICAL: Final = 500_000
"""Added to a number: a person from the edges of what there is. Few among the others are like that."""

GOOD_TODO: Final = 0.865
GOOD_ADVICE: Final = 0.79
BAD: Final = -0.545
"""Mean rewards of a welcome todo, a welcome advice and an unwelcome tip, by the shares below."""
DONE_TODO: Final = 0.55
DONE_ADVICE: Final = 0.3
SNOOZED: Final = 0.25
DISMISSED: Final = 0.35
STEEP: Final = 1.6


@dataclass
class Traits:
    """What makes a person; drawn from the ranges in `traits_of`."""

    base: float
    peak: float
    """Best hour of the day."""
    width: float
    bump: float
    weekend: float
    busy: float
    """What being busy takes away."""
    tastes: dict[str, float]
    """Of todo, move, rest, plan, calm."""
    near: float
    """How near a deadline has to be to count, as the feature `due`."""
    deadline: float
    overdue: float
    priority: float
    tolerance: float
    """Effort (as the feature) that is too much when energy is low."""
    mood: float
    fit: float
    habituates: float
    recovers: float
    """Hours after which a third of habituation is left."""
    dulled: float
    annoyed: float
    shuts_at: float
    shut_hours: float
    trusts: float
    changes_on: int | None
    """Day of the change, if there is one."""
    opens: tuple[float, ...]
    """Usual hours of opening the page."""
    active: int


def traits_of(number: int) -> Traits:
    """The person of a number. From ATYPICAL on, one with two or three traits at an edge."""
    draw = random.Random(f"person {number}")
    uniform = draw.uniform
    traits = Traits(
        base=uniform(-1.0, 0.2),
        peak=draw.choice([uniform(7.5, 10), uniform(11, 14), uniform(16, 21)]),
        width=uniform(1.2, 3.0),
        bump=uniform(0.6, 1.8),
        weekend=uniform(-0.5, 0.5),
        busy=uniform(-2.2, -0.8),
        tastes={
            "todo": uniform(-0.4, 0.6),
            **{theme: uniform(-0.7, 0.5) for theme in ("move", "rest", "plan", "calm")},
        },
        near=uniform(0.4, 0.8),
        deadline=uniform(0.3, 1.2),
        overdue=uniform(-0.8, 0.3),
        priority=uniform(0.0, 0.4),
        tolerance=uniform(0.35, 0.6),
        mood=uniform(-0.3, 0.5),
        fit=uniform(0.0, 0.8),
        habituates=uniform(0.1, 0.35),
        recovers=uniform(8, 40),
        dulled=uniform(0.8, 2.2),
        annoyed=uniform(0.15, 0.4),
        shuts_at=uniform(0.7, 1.3),
        shut_hours=uniform(18, 48),
        trusts=uniform(0.01, 0.05),
        changes_on=draw.randrange(60, 300) if draw.random() < 0.4 else None,
        opens=tuple(sorted(uniform(7.2, 21.5) for _ in range(draw.randrange(1, 4)))),
        active=draw.randrange(2, 6),
    )
    if (number % REPORTED) >= ATYPICAL or draw.random() < 0.08:
        for edge in draw.sample(_EDGES, draw.randrange(2, 4)):
            edge(traits)
    return traits


def _grumpy(traits: Traits) -> None:
    traits.base -= 0.9


def _eager(traits: Traits) -> None:
    traits.base += 0.9
    traits.dulled = 0.2


def _night(traits: Traits) -> None:
    traits.peak, traits.width, traits.bump = 21.5, 0.9, 2.4


def _only_advice(traits: Traits) -> None:
    traits.tastes["todo"] = -1.8


def _only_todos(traits: Traits) -> None:
    for theme in ("move", "rest", "plan", "calm"):
        traits.tastes[theme] = -1.8


def _works_when_busy(traits: Traits) -> None:
    traits.busy = 0.8


def _tires_at_once(traits: Traits) -> None:
    traits.habituates, traits.recovers, traits.dulled = 0.6, 60, 3.0


def _against_deadlines(traits: Traits) -> None:
    traits.deadline, traits.priority = -1.2, -0.5


_EDGES: Final = (
    _grumpy,
    _eager,
    _night,
    _only_advice,
    _only_todos,
    _works_when_busy,
    _tires_at_once,
    _against_deadlines,
)


@dataclass
class Answer:
    """What comes of a tip: a name of the outcome, and how long after."""

    outcome: str
    after: int


@dataclass
class Simulated:
    """A person with what changes in them; times are milliseconds since 1970, at UTC."""

    number: int
    began: int
    traits: Traits = field(init=False)
    habituation: float = 0.0
    annoyance: float = 0.0
    trust: float = 0.0
    shut_until: int = 0
    _at: int = 0
    _changed: bool = False

    def __post_init__(self) -> None:
        self.traits = traits_of(self.number)
        self._at = self.began

    @property
    def now(self) -> int:
        """Up to when time has passed."""
        return self._at

    def advance(self, at: int) -> None:
        """Time passes: habituation and annoyance fade, and one day the person is another."""
        hours = max(0, at - self._at) / HOUR
        self.habituation *= math.exp(-hours / self.traits.recovers)
        self.annoyance *= math.exp(-hours / 36)
        self._at = max(at, self._at)
        day = self.traits.changes_on
        if day is not None and not self._changed and at - self.began > day * DAY:
            self._changed = True
            other = traits_of(self.number + 77_000)
            self.traits.peak, self.traits.tastes, self.traits.busy = other.peak, other.tastes, other.busy

    def welcome(self, at: int, context: Sequence[float], candidate: Candidate) -> float:
        """Probability that a tip that is seen now is welcome."""
        if at < self.shut_until:
            return 0.03
        traits = self.traits
        seen = dict(zip(features.CONTEXT, context, strict=False))
        given = dict(zip(features.CANDIDATE, candidate.features, strict=True))
        hour = at % DAY / HOUR
        utility = traits.base + traits.bump * math.exp(-(((hour - traits.peak) / traits.width) ** 2))
        utility += traits.weekend if seen["weekend"] else 0.0
        utility += traits.busy if seen["busy"] else 0.0
        utility += traits.mood * (1 - (1 - seen["mood"]) ** 2) + self.trust
        utility += 1.0 if seen["page_open"] else 0.0
        utility += _tip_taste(traits, given, seen)
        utility -= traits.dulled * self.habituation**1.5
        return 1.0 / (1.0 + math.exp(-STEEP * utility))

    def seen(self, context: Sequence[float]) -> float:
        """Probability that a tip is seen at all."""
        seen = dict(zip(features.CONTEXT, context, strict=False))
        return 0.97 if seen["page_open"] else 0.88 if seen["active"] else 0.6

    def worth(self, at: int, context: Sequence[float], candidate: Candidate) -> float:
        """Expected reward of a tip now, never shown counting 0."""
        self.advance(at)
        good = GOOD_TODO if candidate.features[0] else GOOD_ADVICE
        p = self.welcome(at, context, candidate)
        return self.seen(context) * (p * good + (1 - p) * BAD)

    def answer(self, at: int, context: Sequence[float], candidate: Candidate, draw: random.Random) -> Answer:
        """Answers, and is changed by it."""
        self.advance(at)
        seen, p, lot, after = (
            draw.random(),
            self.welcome(at, context, candidate),
            draw.random(),
            draw.random(),
        )
        which = draw.random()
        if seen >= self.seen(context):
            return Answer("NEVER_SHOWN", 0)
        self.habituation += self.traits.habituates * (1 - self.habituation)
        delay = int((1 + 20 * after) * 60_000)
        if lot < p:
            self.annoyance *= 0.6
            self.trust = min(0.5, self.trust + self.traits.trusts)
            done = DONE_TODO if candidate.features[0] else DONE_ADVICE
            return Answer("COMPLETED" if which < done else "ACCEPTED", delay)
        self.trust = max(-0.8, self.trust - self.traits.trusts)
        self.annoyance += self.traits.annoyed
        if self.annoyance > self.traits.shuts_at:
            self.shut_until = at + int(self.traits.shut_hours * HOUR)
            self.annoyance *= 0.5
        if which < SNOOZED:
            return Answer("SNOOZED", delay)
        return Answer("DISMISSED" if which < SNOOZED + DISMISSED else "IGNORED", delay)


def _tip_taste(traits: Traits, given: Mapping[str, float], seen: Mapping[str, float]) -> float:
    taste = -0.5 * given["repeated"] - 0.6 * given["refused"]
    taste -= 1.0 if given["effort"] > traits.tolerance and seen["energy"] < 0 else 0.0
    if given["todo"]:
        taste += traits.tastes["todo"] + traits.priority * given["priority"]
        taste += traits.overdue if given["overdue"] else 0.0
        return taste + (traits.deadline if given["due"] > traits.near and not given["overdue"] else 0.0)
    taste += traits.fit * given["fit"]
    return taste + sum(float(traits.tastes[theme] * given[theme]) for theme in v1.THEMES)
