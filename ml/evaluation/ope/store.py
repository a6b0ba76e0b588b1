"""oO's own recorded decisions as a log: what would another policy, or another prior, have earned?

A row is an available decision whose outcome was closed. Arm 0 is waiting, arm 1 + i the i-th candidate of the
record. What was played, and with which probability, stands in the record; what the evaluated policy would
have said of the same moment comes from folding the person's events to where the decision was and asking it.
The reward is what an outcome is worth (`features.v1`); waiting is worth 0, and so is a tip that nobody saw.
The reward model is linear in the moment and the tip, and is fitted across folds of people (of the time, where
there are fewer than `FOLDS` people).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from ml.evaluation.ope.log import Log, LogError
from ml.features import v1
from ml.recommender.decide import CANDIDATES
from ml.recommender.draws import UNITS
from ml.recommender.policy import Policy
from ml.recommender.prior import Prior
from ml.recommender.replay import Judged, judged
from ml.recommender.skips import kept
from oo.v1 import decisions_pb2, tips_pb2
from oo_contracts.envelope import RecordedEvent
from oo_contracts.ids import UserId

Array = npt.NDArray[np.float64]
WAITING: Final = 0
ARMS: Final = 1 + CANDIDATES
FOLDS: Final = 5
RIDGE: Final = 10.0
"""Rows' worth of belief that a weight is 0."""
WHAT = (
    "mean reward of one decision by {policy} {version} with the prior {prior}, at the moments and among the "
    "candidates that were recorded, the past being as it was"
)


@dataclass(frozen=True)
class _Row:
    judged: Judged
    person: int
    reward: float


def log_of(
    by_person: Mapping[UserId, Sequence[RecordedEvent]], policy: Policy, prior: Prior, name: str = "store"
) -> Log:
    """The log of everybody's decisions, with the probabilities of `policy`. Raises LogError where there are
    none.
    """
    rows: list[_Row] = []
    for number, (user, events) in enumerate(sorted(by_person.items())):
        outcomes = {
            event.data.decision_id: event.data.outcome
            for event in kept(events)
            if isinstance(event.data, tips_pb2.DecisionOutcomeClosed)
        }
        for each in judged(user, events, policy, prior):
            outcome = outcomes.get(each.record.decision_id)
            if outcome is not None and not each.record.unavailable and not each.decision.unavailable:
                rows.append(_Row(each, number, v1.REWARDS.get(outcome, 0.0)))
    if not rows:
        raise LogError(f"{name}: no available decision with an outcome is recorded; let oO run for a while")
    return _log(name, rows)


def _log(name: str, rows: Sequence[_Row]) -> Log:
    action, pscore, chances = (
        np.zeros(len(rows), dtype=np.int64),
        np.zeros(len(rows)),
        np.zeros((len(rows), ARMS)),
    )
    for i, row in enumerate(rows):
        record, decision = row.judged.record, row.judged.decision
        chances[i, WAITING] = (UNITS - decision.act) / UNITS
        for place, share in enumerate(decision.tips):
            chances[i, 1 + place] = decision.act * share / (UNITS * UNITS)
        action[i] = _played(record)
        pscore[i] = (
            record.act_probability * record.candidates[action[i] - 1].probability
            if action[i] != WAITING
            else 1.0 - record.act_probability
        )
    people = np.array([row.person for row in rows], dtype=np.int64)
    reward = np.array([row.reward for row in rows])
    _, numbered = np.unique(people, return_inverse=True)
    expected = _expected(rows, action, reward, np.asarray(numbered))
    return Log(name, action, reward, pscore, chances, expected, np.asarray(numbered, dtype=np.int64))


def _played(record: decisions_pb2.DecisionRecord) -> int:
    refs = [each.ref for each in record.candidates]
    return 1 + refs.index(record.choice) if record.choice else WAITING


def _expected(
    rows: Sequence[_Row], action: npt.NDArray[np.int64], reward: Array, people: npt.NDArray[np.int64]
) -> Array:
    """(n, ARMS) rewards foretold by models that have not seen the row's fold."""
    x = [_features(row.judged.record) for row in rows]
    count = int(people.max()) + 1
    fold = people % FOLDS if count >= FOLDS else np.arange(len(rows)) * FOLDS // len(rows)
    result = np.zeros((len(rows), ARMS))
    for part in range(FOLDS):
        known = [i for i in range(len(rows)) if fold[i] != part and action[i] != WAITING]
        if not known:
            continue
        seen = np.array([x[i][action[i] - 1] for i in known])
        gram = seen.T @ seen + RIDGE * np.eye(seen.shape[1])
        weights = np.linalg.solve(gram, seen.T @ reward[known])
        for i in np.flatnonzero(fold == part):
            result[i, 1 : 1 + len(x[i])] = x[i] @ weights
    return result


def _features(record: decisions_pb2.DecisionRecord) -> Array:
    """(candidates, features): the moment's and the tip's, as version 1 has them."""
    context = np.array(record.context[: len(v1.CONTEXT)])
    return np.array(
        [np.concatenate([context, v1.tip_part(record.context, each.features)]) for each in record.candidates]
    )
