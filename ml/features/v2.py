"""Feature map, version 2. Frozen: recorded decisions name it, so a change of any value needs a version of its
own.

What version 1 sees, and after it how the person stands with being spoken to: habituation and disengagement.
They are in the record, behind them the appeal of the moment that the policy reckoned, so that what an
outcome teaches of fatigue follows from records alone. The weights are version 1's without its baseline, for
waiting's outcome is known. A person's answers to decisions of version 1 are read as well.
"""

from collections.abc import Sequence
from math import floor
from typing import Final

import numpy as np

from ml.features import v1
from ml.learning.person_model import Moment
from ml.recommender.arithmetic import Matrix, Vector
from ml.recommender.belief import Lesson
from ml.recommender.catalogue import Advice
from ml.recommender.person import Person
from oo.v1 import candidates_pb2, decisions_pb2, tips_pb2

VERSION: Final = "v2"
READS: Final = ("v1", "v2")
"""Feature maps whose records this one can learn the weights from."""
CONTEXT: Final = (*v1.CONTEXT, "habituation", "disengagement")
ADDED: Final = ("appeal",)
"""What the policy adds to the context of an available decision."""
GIVEN: Final = v1.GIVEN
DERIVED: Final = v1.DERIVED
CANDIDATE: Final = v1.CANDIDATE
TIP: Final = v1.TIP
WEIGHTS: Final = (*(f"moment.{name}" for name in v1.CONTEXT), *(f"tip.{name}" for name in TIP))

_HABITUATION: Final = len(v1.CONTEXT)
_DISENGAGEMENT: Final = _HABITUATION + 1
_APPEAL: Final = _DISENGAGEMENT + 1
_MOMENT: Final = slice(0, len(v1.CONTEXT))
_TIP: Final = slice(len(v1.CONTEXT), len(WEIGHTS))


def thousandths(value: float) -> float:
    return floor(value * 1000.0 + 0.5) / 1000


def context_features(person: Person, at: int) -> tuple[float, ...]:
    """Values of `CONTEXT` for a person at a moment (milliseconds since 1970)."""
    fatigue = person.fatigue
    return (
        *v1.context_features(person, at),
        thousandths(fatigue.habituation.at(at)),
        thousandths(fatigue.disengagement.at(at)),
    )


def given_by_todo(item: candidates_pb2.CandidateItem, at: int) -> tuple[float, ...]:
    """Values of `GIVEN` for a todo."""
    return v1.given_by_todo(item, at)


def given_by_advice(advice: Advice, context: Sequence[float]) -> tuple[float, ...]:
    """Values of `GIVEN` for an advice."""
    return v1.given_by_advice(advice, context)


def derived(person: Person, ref: str, at: int) -> tuple[float, ...]:
    """Values of `DERIVED` for a candidate."""
    return v1.derived(person, ref, at)


def reward(outcome: tips_pb2.OutcomeKind) -> float | None:
    """What an outcome is worth, None where it says nothing: nobody has seen a tip that was never shown."""
    return v1.REWARDS.get(outcome)


def lesson(record: decisions_pb2.DecisionRecord, outcome: tips_pb2.OutcomeKind) -> Lesson | None:
    """What the outcome of a recorded decision teaches of the weights, None where it teaches nothing.

    The worth of a tip is reckoned against waiting, whose outcome is 0 by definition. Centring on what the
    policy was about to do, y − m(s) = (a − π) τ(s, c), guards against a baseline m that is estimated wrongly;
    here it is known, m(s) = π τ(s, c), and with it the equation says y = a τ(s, c): a tip that was said
    teaches τ, whatever its probability, and waiting teaches nothing of it. (Greenewald et al. 2017 and the
    "R-learner" of Nie and Wager 2021, with the nuisance known.)
    """
    value = reward(outcome)
    if value is None or not record.choice:
        return None
    chosen = next(each for each in record.candidates if each.ref == record.choice)
    x = np.zeros(len(WEIGHTS))
    x[_MOMENT] = record.context[: len(v1.CONTEXT)]
    # "Later" speaks against the moment; it is censored for the tip.
    if outcome != tips_pb2.OUTCOME_KIND_SNOOZED:
        x[_TIP] = v1.tip_part(record.context, tuple(chosen.features))
    return Lesson(x, value)


def moment_part(context: Sequence[float]) -> Vector:
    """f(s): what the effect of interrupting is linear in, before fatigue."""
    return v1.moment_part(context[:_HABITUATION])


def tip_part(context: Sequence[float], candidate: Sequence[float]) -> Vector:
    """h(s, c): what a tip's worth is linear in."""
    return v1.tip_part(context, candidate)


def moment_weights(mean: Matrix) -> Matrix:
    """Of (n,) or (n, k)."""
    return mean[_MOMENT]


def tip_weights(mean: Matrix) -> Matrix:
    """Of (n,) or (n, k)."""
    return mean[_TIP]


def standing(context: Sequence[float], appeal: float) -> Moment:
    """How a person stands at a moment of which `context` is known."""
    return Moment(appeal, context[_HABITUATION], context[_DISENGAGEMENT], 0)


def recorded_standing(record: decisions_pb2.DecisionRecord) -> Moment | None:
    """The same out of a record; None where it does not say."""
    return standing(record.context, record.context[_APPEAL]) if len(record.context) > _APPEAL else None
