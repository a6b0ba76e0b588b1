"""What one person's recorded decisions and outcomes teach, as rows: the batch's view of a life."""

from collections.abc import Sequence

import numpy as np

from ml.learning.global_prior import Lessons
from ml.recommender.belief import Lesson
from ml.recommender.fold import new_person
from ml.recommender.prior import Prior
from ml.recommender.skips import left_out_of
from oo_contracts.envelope import RecordedEvent
from oo_contracts.ids import UserId


def lessons_of(user: UserId, events: Sequence[RecordedEvent], prior: Prior) -> Lessons:
    """Folds the events, given in the order of positions, and keeps each lesson. What they say is to be left
    out is left out.
    """
    taught: list[Lesson] = []
    person = new_person(user, prior, taught.append)
    person.left_out = left_out_of(events)
    for event in events:
        person.fold(event)
    if person.fatigue.model is None:
        raise ValueError(f"the prior {prior.version} knows nothing of fatigue; take one over features v2")
    width = len(prior.names)
    return Lessons(
        x=np.array([each.x for each in taught]).reshape(len(taught), width),
        rewards=np.array([each.reward for each in taught]),
        model=person.fatigue.model,
    )
