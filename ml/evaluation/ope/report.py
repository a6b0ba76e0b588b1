"""Everything said about one log, as plain values for JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from ml.evaluation.ope.estimators import effective_sample_size, estimates, scores
from ml.evaluation.ope.intervals import (
    LEAST_PEOPLE,
    Interval,
    anytime,
    bootstrap,
    empirical_bernstein,
    of_dr,
    robust,
)
from ml.evaluation.ope.log import Log
from ml.evaluation.ope.support import refusal
from ml.evaluation.ope.trajectories import whole_trajectories

ONE_DECISION = (
    "mean reward of one decision by the evaluated policy at the logged moments, the past being as it was"
)
REPORTED = ("dm", "ipw", "snipw", "dr", "sndr", "switch_dr", "dros")


@dataclass(frozen=True)
class Summary:
    """The answer: estimates of obp's names, the 95% interval of `dr` (None when refused), and the refusal."""

    estimates: dict[str, float | None]
    interval: Interval | None
    ess: float
    refused: str | None

    def as_json(self) -> dict[str, object]:
        named: dict[str, object] = {name: self.estimates[name] for name in REPORTED}
        return {
            **named,
            "interval": None if self.interval is None else list(self.interval),
            "ess": self.ess,
            "refused": self.refused,
        }


def summary(log: Log) -> Summary:
    reason = refusal(log)
    interval = robust(of_dr(log)) if reason is None else None
    return Summary(estimates(log), interval, effective_sample_size(log.weight), reason)


def details(log: Log, seed: int, bounds: Interval | None = None) -> dict[str, object]:
    """The summary with `replay`, every interval, and what exactly each is about.

    `bounds` is what a reward can be at all; the anytime-valid interval needs it and takes the observed range
    where it is not told.
    """
    short = summary(log)
    values = scores(log)
    people = None if log.person is None else int(log.person.max()) + 1
    over_people = people is not None and people >= LEAST_PEOPLE
    range_of_reward = bounds or (float(log.reward.min()), float(log.reward.max()))
    answerable = short.refused is None
    return {
        **short.as_json(),
        "replay": short.estimates["replay"],
        "rows": log.rows,
        "people": people,
        "mean_weight": float(log.weight.mean()),
        "max_weight": float(log.weight.max()),
        "estimates_what": ONE_DECISION,
        "units": "people" if over_people else "decisions",
        "intervals": {
            "robust": short.interval,
            "empirical_bernstein": finite(empirical_bernstein(values)) if answerable else None,
            "bootstrap": finite(bootstrap(values, log.person if over_people else None, seed))
            if answerable
            else None,
            "anytime": finite(anytime(log.weight, log.reward, range_of_reward)) if answerable else None,
        },
        "reward_range": {"bounds": list(range_of_reward), "observed": bounds is None},
        "sequence": None if log.person is None else asdict(whole_trajectories(log)),
    }


def finite(interval: Interval) -> Interval | None:
    return interval if bool(np.isfinite(interval).all()) else None
