"""Feature map, version 1. Frozen: recorded decisions name it, so a change of any value needs a version of its
own.

What a decision sees is two kinds of vectors, both in the record:

- context (`CONTEXT`): what is known of the person at the moment;
- candidate (`CANDIDATE`): first what was given with the candidate by its source (`GIVEN`), then what the
  person's history says of it (`DERIVED`). A replay takes the given part from the record and makes the rest
  again.

What is believed is one weight for each name in `WEIGHTS`, over a joint vector in three blocks: the baseline
(how such a moment goes anyway), the effect of interrupting (its name begins with `moment.`) and the tip
(`tip.`). Both latter are centred on what the policy was about to do,

    x = [ g(s), (a − π) f(s), a h(s, c) − π Σ pᵢ h(s, cᵢ) ]

with a = 1 for acting, π its probability, c the chosen candidate and pᵢ the candidates' probabilities: so the
effect is estimated right even when the baseline is not (Greenewald et al., "Action centered contextual
bandits", 2017).

Values lie in [-1, 1] and are whole hundredths, so that they are short in JSON and comparable in size.
"""

from collections.abc import Sequence
from math import floor
from typing import Final

import numpy as np

from ml.recommender.arithmetic import Vector
from ml.recommender.belief import Lesson
from ml.recommender.catalogue import Advice
from ml.recommender.person import Person
from oo.v1 import candidates_pb2, decisions_pb2, signals_pb2, tips_pb2
from oo_contracts.instants import timestamp_ms

VERSION: Final = "v1"

MINUTE: Final = 60_000
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

CONTEXT: Final = (
    "always",
    "morning",
    "midday",
    "afternoon",
    "evening",
    "weekend",
    "busy",
    "free",
    "since_tip",
    "since_answer",
    "budget_used",
    "good_lately",
    "bad_lately",
    "page_open",
    "active",
    "phone",
    "out",
    "mood",
    "energy",
    "open_tasks",
    "due_soon",
    "habits_done",
)
GIVEN: Final = ("todo", "priority", "due", "overdue", "effort", "move", "rest", "plan", "calm", "fit")
DERIVED: Final = ("seen", "refused", "repeated")
CANDIDATE: Final = (*GIVEN, *DERIVED)

BASELINE: Final = ("always", "page_open", "good_lately", "bad_lately", "budget_used")
# Products of a context's and a candidate's feature.
CROSSED: Final = (
    ("morning", "todo"),
    ("evening", "todo"),
    ("weekend", "todo"),
    ("free", "effort"),
    ("energy", "effort"),
    ("busy", "effort"),
)
TIP: Final = (*CANDIDATE, *(f"{context}_{candidate}" for context, candidate in CROSSED))
WEIGHTS: Final = (
    *(f"baseline.{name}" for name in BASELINE),
    *(f"moment.{name}" for name in CONTEXT),
    *(f"tip.{name}" for name in TIP),
)
THEMES: Final = ("move", "rest", "plan", "calm")

_BASELINE_AT: Final = [CONTEXT.index(name) for name in BASELINE]
_CROSSED_CONTEXT: Final = [CONTEXT.index(name) for name, _ in CROSSED]
_CROSSED_CANDIDATE: Final = [CANDIDATE.index(name) for _, name in CROSSED]
_CROSSED_AT: Final = tuple(zip(_CROSSED_CONTEXT, _CROSSED_CANDIDATE, strict=True))
_MOMENT: Final = slice(len(BASELINE), len(BASELINE) + len(CONTEXT))
_TIP: Final = slice(len(BASELINE) + len(CONTEXT), len(WEIGHTS))


def hundredths(value: float) -> float:
    """The nearest whole number of hundredths; never a negative zero, which JSON does not keep."""
    return floor(value * 100.0 + 0.5) / 100


def context_features(person: Person, at: int) -> tuple[float, ...]:
    """Values of `CONTEXT` for a person at a moment (milliseconds since 1970)."""
    minute = person.local_minute(at)
    busy_until, busy_from = person.busy_at(at)
    due_soon = sum(1 for task in person.tasks.values() if task.due_at is not None and task.due_at <= at + DAY)
    mood = person.mood
    faded = 0.0 if mood is None else 12.0 / (12.0 + _hours(at - mood.at))
    answers = person.answers
    return tuple(
        map(
            hundredths,
            (
                1.0,
                _around(minute, 8 * 60),
                _around(minute, 12 * 60),
                _around(minute, 16 * 60),
                _around(minute, 20 * 60),
                1.0 if person.local_weekday(at) >= 5 else 0.0,
                0.0 if busy_until is None else 1.0,
                0.0 if busy_until is not None else 1.0 if busy_from is None else _capped(busy_from - at, 4),
                _since(at, person.tips[-1] if person.tips else None, 2.0),
                _since(at, answers[-1].at if answers else None, 6.0),
                min(1.0, person.tips_of_day(at) / max(1, person.preferences.daily_budget)),
                sum(1 for answer in answers if answer.outcome in _GOOD) / 5.0,
                sum(1 for answer in answers if answer.outcome in _BAD) / 5.0,
                1.0 if person.page_open(at) else 0.0,
                1.0 if person.active_at is not None and at - person.active_at <= 10 * MINUTE else 0.0,
                1.0 if person.device == signals_pb2.DEVICE_PHONE else 0.0,
                1.0 if person.place in _OUT else 0.0,
                0.0 if mood is None else faded * mood.valence / 2.0,
                0.0 if mood is None else faded * mood.energy / 2.0,
                _saturated(len(person.tasks), 5.0),
                _saturated(due_soon, 2.0),
                _share_of_habits(person, at),
            ),
        )
    )


def given_by_todo(item: candidates_pb2.CandidateItem, at: int) -> tuple[float, ...]:
    """Values of `GIVEN` for a todo."""
    due, overdue = 0.0, 0.0
    if item.HasField("due_at"):
        left = timestamp_ms(item.due_at) - at
        due, overdue = (24.0 / (24.0 + _hours(left)), 0.0) if left > 0 else (1.0, 1.0)
    minutes = item.estimated_minutes if item.HasField("estimated_minutes") else 30
    priority = _PRIORITY.get(item.priority, 0.0)
    values = (1.0, priority, due, overdue, _saturated(minutes, 30.0), 0.0, 0.0, 0.0, 0.0, 0.0)
    return tuple(map(hundredths, values))


def given_by_advice(advice: Advice, context: Sequence[float]) -> tuple[float, ...]:
    """Values of `GIVEN` for an advice; `fit` is how much of what the advice asks of a moment is there."""
    asked, met = 0.0, 0.0
    for name, weight in advice.when:
        asked += abs(weight)
        met += weight * context[CONTEXT.index(name)]
    themes = (1.0 if advice.theme == theme else 0.0 for theme in THEMES)
    fit = met / asked if asked > 0.0 else 0.0
    return tuple(map(hundredths, (0.0, 0.0, 0.0, 0.0, _saturated(advice.minutes, 30.0), *themes, fit)))


def derived(person: Person, ref: str, at: int) -> tuple[float, ...]:
    """Values of `DERIVED` for a candidate."""
    past = person.refs.get(ref)
    if past is None:
        return (0.0,) * len(DERIVED)
    refused = 72.0 / (72.0 + _hours(at - past.refused_at)) if past.refused_at is not None else 0.0
    repeated = 1.0 if person.last_ref == ref else 0.0
    return tuple(map(hundredths, (_saturated(past.proposed, 2.0), refused, repeated)))


def moment_part(context: Sequence[float]) -> Vector:
    """f(s): what the effect of interrupting is linear in."""
    return np.array(context, dtype=np.float64)


def tip_part(context: Sequence[float], candidate: Sequence[float]) -> Vector:
    """h(s, c): what a tip's worth is linear in."""
    crossed = (context[i] * candidate[j] for i, j in _CROSSED_AT)
    return np.array((*candidate, *crossed), dtype=np.float64)


def moment_weights(mean: Vector) -> Vector:
    return mean[_MOMENT]


def tip_weights(mean: Vector) -> Vector:
    return mean[_TIP]


def lesson(record: decisions_pb2.DecisionRecord, outcome: tips_pb2.OutcomeKind) -> Lesson | None:
    """What the outcome of a recorded decision teaches, None where it teaches nothing.

    - done 1, "I will do it" 0.7, dismissed -1, ignored -0.3: spoken for or against both moment and tip;
    - "later" -0.3 against the moment; it is censored for the tip, whose block is then 0;
    - waited 0: what a moment is measured against;
    - never shown: nothing, nobody has seen it.
    """
    reward = REWARDS.get(outcome)
    if reward is None:
        return None
    act, context = record.act_probability, np.array(record.context)
    x = np.zeros(len(WEIGHTS))
    x[: len(BASELINE)] = context[_BASELINE_AT]
    x[_MOMENT] = ((1.0 if record.choice else 0.0) - act) * context
    if outcome != tips_pb2.OUTCOME_KIND_SNOOZED:
        candidates = np.array([tuple(each.features) for each in record.candidates])
        tips = np.concatenate(
            (candidates, context[_CROSSED_CONTEXT] * candidates[:, _CROSSED_CANDIDATE]), axis=1
        )
        surprise = np.array(
            [
                (1.0 if each.ref == record.choice else 0.0) - act * each.probability
                for each in record.candidates
            ]
        )
        x[_TIP] = np.add.accumulate(surprise[:, None] * tips, axis=0)[-1]
    return Lesson(x, reward)


REWARDS: Final = {
    tips_pb2.OUTCOME_KIND_COMPLETED: 1.0,
    tips_pb2.OUTCOME_KIND_ACCEPTED: 0.7,
    tips_pb2.OUTCOME_KIND_SNOOZED: -0.3,
    tips_pb2.OUTCOME_KIND_DISMISSED: -1.0,
    tips_pb2.OUTCOME_KIND_IGNORED: -0.3,
    tips_pb2.OUTCOME_KIND_WAITED: 0.0,
}
_GOOD: Final = (tips_pb2.OUTCOME_KIND_COMPLETED, tips_pb2.OUTCOME_KIND_ACCEPTED)
_BAD: Final = (tips_pb2.OUTCOME_KIND_DISMISSED, tips_pb2.OUTCOME_KIND_IGNORED)
_OUT: Final = (signals_pb2.PLACE_OUT, signals_pb2.PLACE_TRANSIT)
_PRIORITY: Final = {signals_pb2.PRIORITY_LOW: -1.0, signals_pb2.PRIORITY_HIGH: 1.0}


def _hours(milliseconds: int) -> float:
    """Hours, none where a clock ran backwards."""
    return max(0, milliseconds) / HOUR


def _around(minute: int, centre: int) -> float:
    """1 at the centre of a part of the day, falling to 0 four hours off it."""
    return max(0.0, 1.0 - abs(minute - centre) / 240.0)


def _since(at: int, past: int | None, half: float) -> float:
    """From 0 (just now) to 1 (long ago or never), a half at `half` hours."""
    if past is None:
        return 1.0
    hours = _hours(at - past)
    return hours / (hours + half)


def _capped(milliseconds: int, hours: int) -> float:
    return min(1.0, _hours(milliseconds) / hours)


def _saturated(count: int, half: float) -> float:
    return count / (count + half)


def _share_of_habits(person: Person, at: int) -> float:
    if not person.habits:
        return 0.0
    today = person.local_day(at)
    done = sum(1 for habit in person.habits.values() if habit.done and person.local_day(habit.at) == today)
    return done / len(person.habits)
