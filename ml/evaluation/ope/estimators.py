"""Point estimates of a policy's value from another's log.

Formulas and conventions are those of Open Bandit Pipeline 0.5.7 (Saito et al. 2021, arXiv:2008.07146). With
w the importance weight, r the reward, q the model's prediction for the played arm and v = sum_a pi(a) q(a):

replay     mean of r where the evaluated policy plays the logged arm for certain
dm         mean v
ipw        mean w r
snipw      mean w r / mean w
dr         mean v + w (r - q)                            (Dudik et al. 2014)
sndr       mean v + w (r - q) / mean w
switch_dr  mean v + w [w <= tau] (r - q)                 (Wang et al. 2017)
dros       mean v + w lambda / (w^2 + lambda) (r - q)    (Su et al. 2020, optimistic shrinkage)
"""

from __future__ import annotations

import numpy as np

from ml.evaluation.ope.log import Array, Log

SWITCH_TAU = 5.0
SHRINKAGE_LAMBDA = 10.0


def scores(log: Log) -> Array:
    """(n,) doubly robust scores; their mean is `dr`, their spread its uncertainty."""
    return baseline(log) + log.weight * residual(log)


def baseline(log: Log) -> Array:
    """(n,) the model's value of the evaluated policy, its rows rescaled to sum to 1 as obp does."""
    return np.asarray((log.action_dist * log.q_hat).sum(1) / log.action_dist.sum(1))


def residual(log: Log) -> Array:
    """(n,) reward less the model's prediction for the played arm."""
    return np.asarray(log.reward - log.of_played(log.q_hat))


def estimates(
    log: Log, tau: float = SWITCH_TAU, shrinkage: float = SHRINKAGE_LAMBDA
) -> dict[str, float | None]:
    """Every estimator's value. `replay` is None where no row matches, self-normalised ones where no weight
    is."""
    w, r, v, e = log.weight, log.reward, baseline(log), residual(log)
    mean_weight = float(w.mean())
    matched = log.of_played(log.action_dist) >= 1.0
    return {
        "replay": float(r[matched].mean()) if matched.any() else None,
        "dm": float(v.mean()),
        "ipw": float((w * r).mean()),
        "snipw": float((w * r).mean() / mean_weight) if mean_weight > 0 else None,
        "dr": float((v + w * e).mean()),
        "sndr": float((v + w * e / mean_weight).mean()) if mean_weight > 0 else None,
        "switch_dr": float((v + np.where(w <= tau, w, 0.0) * e).mean()),
        "dros": float((v + w * shrinkage / (w * w + shrinkage) * e).mean()),
    }


def effective_sample_size(weight: Array) -> float:
    """Kish's (sum w)^2 / sum w^2, between 0 and n."""
    squares = float((weight * weight).sum())
    return float(weight.sum()) ** 2 / squares if squares > 0 else 0.0
