"""What policies are measured against: an oracle that knows the person, and rules that know nobody.

They are played and never recorded by oO, so they borrow the name of `random` in records.
"""

from collections.abc import Callable, Mapping
from typing import Final

from ml.evaluation.population.people import Simulated
from ml.features import v1
from ml.features import v2 as features
from ml.recommender.draws import UNITS
from ml.recommender.fatigue import Planned
from ml.recommender.policy import PAGE_RULE, Situation, Verdict

PRICES: Final = (0.0, 0.15, 0.3)


class Rule:
    """Speaks surely or not at all."""

    name = "random"
    version = "v1"
    features = "v1"
    page_rule = PAGE_RULE

    def prepare(self, planned: Planned | None, daily_budget: int) -> None:
        """A rule plans nothing."""

    def judge(self, situation: Situation) -> Verdict:
        best = self.choose(situation)
        tips = [0] * len(situation.candidates)
        tips[0 if best is None else best] = UNITS
        return Verdict(act=0 if best is None else UNITS, tips=tuple(tips))

    def choose(self, situation: Situation) -> int | None:
        """Index of the candidate, None to wait."""
        raise NotImplementedError


class Oracle(Rule):
    """Knows how the person would take each candidate right now, and asks `price` for a tip: what one costs
    later in habituation, annoyance and budget. Greedy but for that price, so a strong reference and not a
    bound.
    """

    def __init__(self, person: Simulated, price: float) -> None:
        self._person, self._price = person, price

    def choose(self, situation: Situation) -> int | None:
        at = self._person.now
        worths = [self._person.worth(at, situation.context, each) for each in situation.candidates]
        best = max(range(len(worths)), key=lambda i: worths[i])
        return best if worths[best] > self._price else None


class Static(Rule):
    """Speaks where `moment` says so, of what is due first, or of the best fitting advice."""

    def __init__(self, moment: Callable[[Mapping[str, float]], bool], todos: bool) -> None:
        self._moment, self._todos = moment, todos

    def choose(self, situation: Situation) -> int | None:
        seen = dict(zip(v1.CONTEXT, situation.context, strict=False))
        if not self._moment(seen):
            return None
        todo, due, fit = (features.CANDIDATE.index(name) for name in ("todo", "due", "fit"))
        return max(
            range(len(situation.candidates)),
            key=lambda i: (
                situation.candidates[i].features[todo] * (1 if self._todos else -1),
                situation.candidates[i].features[due],
                situation.candidates[i].features[fit],
            ),
        )


def _moments() -> dict[str, Callable[[Mapping[str, float]], bool]]:
    return {
        "never": lambda _: False,
        "on the page": lambda seen: seen["page_open"] > 0,
        "on the page, rested": lambda seen: seen["page_open"] > 0 and seen["since_tip"] > 0.8,
        "free and active": lambda seen: seen["active"] > 0 and not seen["busy"] and seen["since_tip"] > 0.6,
        "mornings": lambda seen: seen["morning"] > 0.5 and not seen["busy"],
        "middays": lambda seen: seen["midday"] > 0.5 and not seen["busy"],
        "evenings": lambda seen: seen["evening"] > 0.5 and not seen["busy"],
        "always when free": lambda seen: not seen["busy"],
    }


def statics() -> dict[str, Static]:
    """All static rules by name; the best of them in hindsight is a person's best static rule."""
    return {
        f"{moment}, {'todos' if todos else 'advices'} first": Static(rule, todos)
        for moment, rule in _moments().items()
        for todos in (True, False)
        if moment != "never" or todos
    }
