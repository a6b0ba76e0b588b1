"""Act or wait: a person model, draws from it, a plan in each, and exact probabilities out of their votes."""

from dataclasses import dataclass
from typing import Final

from ml.learning.person_model import WAIT, Episode, Moment, PersonModel, PersonPrior
from ml.learning.planning import APPEALS, Plan
from ml.recommender.draws import UNITS, Draws, apportion

WORLDS: Final = 6
"""How many drawn worlds vote."""
FLOOR_UNITS: Final = UNITS // 50
"""Acting and waiting are never less likely than .02, so that learning never stops."""
GROWTH: Final = 1.12
"""A plan is made anew when there is this much more to go by."""
_ACT: Final = 0
_MESSAGE: Final = 1


@dataclass(frozen=True)
class Choice:
    """An action and the exact probabilities that it was drawn with, in units of `draws.UNITS`."""

    action: int
    act: int
    messages: tuple[int, ...]
    """Given that it acts, of each message; they sum to UNITS."""

    def probability(self, action: int) -> float:
        if action == WAIT:
            return (UNITS - self.act) / UNITS
        return self.act * self.messages[action - 1] / (UNITS * UNITS)


class ActOrWait:
    """One person's learner. A pure function of the prior, the key, and what was decided and learned in order.

    Parameters
    ----------
    prior
        Where to start from; its length says how many actions there are.
    key
        Keys every draw: the person's pseudonym, say.
    steps
        Moments in a day at most.
    """

    def __init__(self, prior: PersonPrior, key: str, steps: int) -> None:
        self.model = PersonModel(prior)
        self._key, self._steps = key, steps
        self._plan: Plan | None = None
        self._planned_at = -1
        self._decisions = 0

    def decide(self, moment: Moment) -> Choice:
        seed = f"{self._key}|{self._decisions}"
        self._decisions += 1
        seen = self.model.seen
        if (
            self._plan is None
            or seen >= self._planned_at * GROWTH + 1
            or (moment.step == 0 and seen > self._planned_at)
        ):
            self._plan = Plan(self.model.draw(seed, WORLDS), self.model.appeal_atoms(APPEALS), self._steps)
            self._planned_at = seen
        act, messages = votes(self._plan, moment)
        draws = Draws(seed)
        if draws.below(UNITS, _ACT) >= act:
            return Choice(WAIT, act, messages)
        return Choice(1 + draws.pick(messages, _MESSAGE), act, messages)

    def learn(self, episode: Episode) -> None:
        if self.model.learn(episode):
            self._plan = None


def votes(plan: Plan, moment: Moment) -> tuple[int, tuple[int, ...]]:
    """Probability of acting and, acting, of each message: frequencies over the worlds, acting and waiting
    floored. Where no world would act, messages are voted on by those worlds all the same.
    """
    preferences = plan.preferences(moment)
    actions = preferences.shape[1]
    act, wait = 0.0, 0.0
    chosen, second = [0.0] * (actions - 1), [0.0] * (actions - 1)
    for row in preferences.tolist():
        message = max(range(1, actions), key=lambda action: (row[action], -action))
        second[message - 1] += 1.0
        if row[message] > row[WAIT]:
            act += 1.0
            chosen[message - 1] += 1.0
        else:
            wait += 1.0
    _, acting = apportion([wait, act], FLOOR_UNITS)
    return acting, tuple(apportion(chosen if act > 0.0 else second))
