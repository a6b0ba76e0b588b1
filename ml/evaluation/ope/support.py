"""Can the log answer at all? If not, the reason and the remedy in words."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ml.evaluation.ope.estimators import effective_sample_size
from ml.evaluation.ope.intervals import robust, spread
from ml.evaluation.ope.log import Log

LEAST_EFFECTIVE_ROWS = 10.0
FAR_FROM_ONE = 0.05
SURENESS = 1e-4


def refusal(log: Log) -> str | None:
    """None, or why the log cannot say what the evaluated policy is worth.

    Importance weights have mean 1 under any logger that supports the policy and logs its probabilities
    rightly. A mean that is surely elsewhere, by more than `FAR_FROM_ONE`, refutes one of the two; effective
    sample size does not see that, since weights that are all equally wrong look perfect to it.
    """
    found = (mean_weight_is_off(log), too_few_rows(log), no_difference(log))
    reasons = [reason for reason in found if reason is not None]
    return "; ".join(reasons) if reasons else None


def mean_weight_is_off(log: Log) -> str | None:
    weight = log.weight
    mean = float(weight.mean())
    low, high = robust(spread(weight, float(weight.max()) ** 2), SURENESS)
    if abs(mean - 1) <= FAR_FROM_ONE or (mean > 0 and low <= 1 <= high):
        return None
    if mean > 1:
        return (
            f"importance weights have mean {mean:.3g} where 1 is due: `pscore` is lower than the probability "
            "that the logger really used; log the probability at the decision"
        )
    never = np.setdiff1d(np.arange(log.action_dist.shape[1]), log.action)
    unseen = float(log.action_dist[:, never].sum(1).mean())
    where = f" ({unseen:.0%} of it is on arms that were never played: {listed(never)})" if unseen > 0 else ""
    return (
        f"importance weights have mean {mean:.3g} where 1 is due: the log has no support for "
        f"{1 - mean:.0%} of what the evaluated policy does{where}, or `pscore` is too high; collect with a "
        "logger that plays those arms, or check its probabilities"
    )


def too_few_rows(log: Log) -> str | None:
    effective = effective_sample_size(log.weight)
    if effective >= LEAST_EFFECTIVE_ROWS:
        return None
    return (
        f"effective sample size is {effective:.1f} of {log.rows} rows (at least "
        f"{LEAST_EFFECTIVE_ROWS:.0f} are needed): the answer would hang on a handful of rows; collect more, "
        "or evaluate a policy closer to the logger's"
    )


def no_difference(log: Log) -> str | None:
    if float(np.ptp(log.reward)) > 0.0:
        return None
    return (
        f"every reward is {log.reward[0]:g}: the log shows no difference that an interval could be made of; "
        "collect more rows"
    )


def listed(arms: npt.NDArray[np.int64], most: int = 5) -> str:
    shown = ", ".join(str(arm) for arm in arms[:most])
    return shown if len(arms) <= most else f"{shown} and {len(arms) - most} more"
