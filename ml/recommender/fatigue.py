"""How a person takes to being spoken to, folded from their events.

Two quantities stand for how they are at a moment, both from 0 to 1 and both a function of events alone:
habituation, which every tip that is shown raises and a day halves, and disengagement, which unwelcome tips
raise, welcome ones lower and three days halve. What follows from them is not assumed but learned: how much
less a tip is worth to a person who has had many, how likely it is resented, how fast both fade between the
moments of this person's life. That is a `PersonModel` of two actions, waiting and speaking, which starts
from the prior and is planned over by the policy.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from ml.learning.person_model import WAIT, Episode, Moment, PersonModel, PersonPrior
from ml.recommender.arithmetic import Vector

HOUR: Final = 3_600_000
SPEAK: Final = 1
HABIT_HALVES: Final = 24 * HOUR
DISENGAGED_HALVES: Final = 72 * HOUR
SHOWN: Final = 0.25
"""Share of the room left that a shown tip adds to habituation."""
DISMISSED: Final = 0.35
IGNORED: Final = 0.15
SNOOZED: Final = 0.1
"""Shares of the room left that an unwelcome tip adds to disengagement."""
WELCOMED: Final = 0.7
"""Share of disengagement that is left after a welcome one."""
GROWTH: Final = 1.12
"""A plan is made anew when there is this much more to go by, or when a tip was resented."""
ATOMS: Final = 6


class Fading:
    """A quantity from 0 to 1 that halves after `halves` milliseconds, then ever more slowly."""

    __slots__ = ("_at", "_halves", "_value")

    def __init__(self, halves: int) -> None:
        self._halves = halves
        self._value = 0.0
        self._at = 0

    def __repr__(self) -> str:
        return f"Fading(halves={self._halves}, value={self._value!r}, at={self._at})"

    def at(self, time: int) -> float:
        """Its value; what a clock that ran backwards says is as if no time had passed."""
        return self._value * self._halves / (self._halves + max(0, time - self._at))

    def raise_by(self, share: float, time: int) -> None:
        value = self.at(time)
        self._value, self._at = value + share * (1.0 - value), max(time, self._at)

    def lower_to(self, share: float, time: int) -> None:
        self._value, self._at = self.at(time) * share, max(time, self._at)


@dataclass(frozen=True, eq=False)
class Planned:
    """What plans are made from: the model as it was when it last was worth planning anew."""

    model: PersonModel
    appeals: Vector
    """(ATOMS,) of moments to come."""

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of all of it: keys the draws of the plan, and its place in a cache."""
        content = f"{_digest_of(self.model)}|{self.appeals.astype('<f8').tobytes().hex()}"
        return hashlib.sha256(content.encode()).hexdigest()


@dataclass(slots=True)
class _Pending:
    """The last available decision: what came of it is known when the next one shows how things stood."""

    decision_id: str
    moment: Moment
    action: int
    reward: float | None = None
    resented: bool = False
    closed: bool = False
    then: Moment | None = None


class Fatigue:
    """State of one person: the two quantities, and what is believed of them."""

    def __init__(self, prior: PersonPrior | None) -> None:
        self.habituation = Fading(HABIT_HALVES)
        self.disengagement = Fading(DISENGAGED_HALVES)
        self.model = None if prior is None else PersonModel(prior)
        self._pending: _Pending | None = None
        self._planned: Planned | None = None
        self._planned_at = 0
        self._digest: str | None = None
        self._plan_anew()

    def __repr__(self) -> str:
        seen = f"habituation={self.habituation!r}, disengagement={self.disengagement!r}"
        return f"Fatigue({seen}, pending={self._pending!r}, digest={self.digest!r})"

    @property
    def planned(self) -> Planned | None:
        """None where the prior knows nothing of fatigue."""
        return self._planned

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of all that a decision can depend on; empty where the prior knows nothing of it."""
        if self.model is None or self._planned is None:
            return ""
        if self._digest is None:
            self._digest = f"{_digest_of(self.model)}|{self._planned.digest}"
        return self._digest

    def decided(self, decision_id: str, moment: Moment, spoke: bool) -> None:
        """An available decision was recorded, at a moment like this."""
        if self.model is None:
            return
        pending = self._pending
        if pending is not None:
            pending.then = moment
            if pending.closed:
                self._learn(pending)
        self._pending = _Pending(decision_id, moment, SPEAK if spoke else WAIT)

    def closed(self, decision_id: str, reward: float | None, resented: bool) -> None:
        """The decision's outcome. `reward` None teaches nothing."""
        pending = self._pending
        if pending is None or pending.decision_id != decision_id or pending.closed:
            return
        pending.closed, pending.reward, pending.resented = True, reward, resented
        if pending.then is not None:
            self._learn(pending)

    def left(self, now: Moment) -> None:
        """The person wants no tips any more: what was said last was one too many, or one of many."""
        pending, self._pending = self._pending, None
        if pending is None or self.model is None:
            return
        if pending.action != WAIT:
            self._take(
                Episode(pending.moment, pending.action, 0.0, now, left=True, over=False, resented=True)
            )

    def _learn(self, pending: _Pending) -> None:
        if pending.reward is None or pending.then is None:
            return
        self._take(
            Episode(
                pending.moment,
                pending.action,
                pending.reward,
                pending.then,
                left=False,
                over=False,
                resented=pending.resented,
            )
        )

    def _take(self, episode: Episode) -> None:
        if self.model is None:
            return
        self._digest = None
        resented = self.model.learn(episode)
        if resented or self.model.seen >= self._planned_at * GROWTH + 1.0:
            self._plan_anew()

    def _plan_anew(self) -> None:
        if self.model is None:
            return
        self._planned_at = self.model.seen
        self._planned = Planned(self.model.without_appeals(), self.model.appeal_atoms(ATOMS))


def _digest_of(model: PersonModel) -> str:
    content = hashlib.sha256(f"{model.prior.version}|{model.seen}".encode())
    content.update(repr((model.stayed, model.left, model.appeals, model.usual_square)).encode())
    pairs = (*model.reward, *model.disengaged)
    for moments in (*(each for pair in pairs for each in pair), *model.habit, *model.reaction):
        content.update(moments.packed())
    return content.hexdigest()
