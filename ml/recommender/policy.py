"""What every policy is: one question about a moment and its candidates, answered with probabilities.

A policy draws nothing and chooses nothing: it gives the probability of acting and that of each candidate, and
`decide` draws from them. So its propensities are exact by construction, for every policy alike.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from ml.recommender.belief import Belief
from ml.recommender.fatigue import Planned
from oo.v1 import decisions_pb2


@dataclass(frozen=True, slots=True)
class Candidate:
    """Something that could be tipped."""

    ref: str
    kind: decisions_pb2.TipKind
    features: tuple[float, ...]
    """Values of the feature map's CANDIDATE."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What a policy may look at. Availability has been seen to: speaking is allowed, and there is a
    candidate.
    """

    context: tuple[float, ...]
    """Values of the feature map's CONTEXT."""
    candidates: Sequence[Candidate]
    belief: Belief
    page: bool
    """The person opened the page and looks at it: waiting for a tip."""
    seed: str
    """Keys the policy's own draws, if it makes any (numbers from `draws.POLICY` on)."""
    planned: Planned | None = None
    """What is believed of the person's fatigue; None where the prior knows nothing of it."""
    tips_left: int = 1
    """Of the day's budget, this one included."""
    daily_budget: int = 1
    day_gone: float = 0.0
    """Share of the day outside the quiet hours that is over."""


@dataclass(frozen=True, slots=True)
class Reason:
    """A feature and what it added to (or took from) the score it belongs to."""

    code: str
    contribution: float


@dataclass(frozen=True, slots=True)
class Sum:
    """What all contributions of a part add up to, those too small to be reasons as well."""

    total: float
    count: int
    """Contributions that are not nothing."""


@dataclass(frozen=True, slots=True)
class Account:
    """How a probability of acting came about. It is no part of a record: a replay makes it again."""

    moment: Sum
    tips: tuple[Sum, ...]
    """Of each candidate."""
    expected: float
    """What the tips are worth on average, by their probabilities."""
    act: float
    """Probability of acting that moment and tips make, before bounds and page."""
    page: bool
    """An open page settled it instead."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Probabilities in units of `draws.UNITS`, and why."""

    act: int
    tips: tuple[int, ...]
    """Given that it acts, of each candidate; they sum to UNITS."""
    moment_reasons: tuple[Reason, ...] = ()
    tip_reasons: tuple[tuple[Reason, ...], ...] = ()
    """Of each candidate, or empty."""
    account: Account | None = None
    added: tuple[float, ...] = ()
    """What it made of the moment: kept in the record behind the context, for what the outcome teaches."""


@dataclass(frozen=True, slots=True)
class PageRule:
    """How somebody is treated who has the page open and waits."""

    again: int
    """Milliseconds from a decision to wait until the next decision."""
    through_signals: bool
    """Whether a signal's decision counts as the page's until something is proposed after it was opened."""


FIRST_PAGE_RULE: Final = PageRule(again=15_000, through_signals=False)
PAGE_RULE: Final = PageRule(again=5_000, through_signals=True)
"""A newcomer sees a tip within seconds, also when chance or a signal comes between."""


class Policy(Protocol):
    """A version of a policy; frozen once a decision was recorded with it."""

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def features(self) -> str:
        """Version of the feature map that it reads."""
        ...

    @property
    def page_rule(self) -> PageRule: ...

    def judge(self, situation: Situation) -> Verdict: ...

    def prepare(self, planned: Planned | None, daily_budget: int) -> None:
        """Makes at leisure, and keeps for a while, what judging asks for and what follows from the person's
        state alone. No judgement depends on whether it was called.
        """
        ...
