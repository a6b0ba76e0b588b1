"""What a policy would be worth if it had made all of a person's decisions, not one of them.

Evaluating decision by decision asks: with the past as it was, what if this policy had decided now? A tip
today changes tomorrow's fatigue, so the value of following a policy from the start is another question. It
is answered by weighting whole trajectories: a person's weight is the product of their decisions' weights
(Precup et al. 2000, self-normalised). The product's spread grows with every decision, so for long
trajectories the honest answer is nearly always that the log cannot tell.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ml.evaluation.ope.estimators import effective_sample_size
from ml.evaluation.ope.intervals import LEAST_PEOPLE, Interval, robust, spread
from ml.evaluation.ope.log import Log

LEAST_EFFECTIVE_PEOPLE = 10.0


@dataclass(frozen=True)
class Sequence:
    """Mean reward per decision had the policy decided throughout; both None where `refused` says why."""

    value: float | None
    interval: Interval | None
    people: int
    effective_people: float
    refused: str | None


def whole_trajectories(log: Log) -> Sequence:
    """Rows of a person are taken in the log's order."""
    if log.person is None:
        return Sequence(
            None, None, 0, 0.0, "the log does not say whose decisions these are; add the array `person`"
        )
    people = int(log.person.max()) + 1
    with np.errstate(divide="ignore"):
        logarithms = np.bincount(log.person, weights=np.log(log.weight), minlength=people)
    decisions = np.bincount(log.person, minlength=people)
    top = float(logarithms.max())
    if not np.isfinite(top):
        reason = (
            "no person's decisions could all have been the evaluated policy's; the log has no support for it"
        )
        return Sequence(None, None, people, 0.0, reason)
    scaled = np.exp(logarithms - top)
    effective = effective_sample_size(scaled)
    if people < LEAST_PEOPLE or effective < LEAST_EFFECTIVE_PEOPLE:
        reason = (
            f"weighting whole trajectories leaves {effective:.1f} effective people of {people} (at least "
            f"{LEAST_EFFECTIVE_PEOPLE:.0f} are needed) at {decisions.mean():.0f} decisions each: ask "
            "decision by decision, or evaluate a policy closer to the logger's, or collect from more people"
        )
        return Sequence(None, None, people, effective, reason)
    returns = np.bincount(log.person, weights=log.reward, minlength=people) / decisions
    weight = scaled / scaled.mean()
    value = float((weight * returns).mean())
    linear = value + weight * (returns - value)
    phantom = float(weight.max() ** 2 * ((returns - value) ** 2).mean())
    return Sequence(value, robust(spread(np.asarray(linear), phantom)), people, effective, None)
