"""What a learned prior is worth to a new person, and what a year with each policy is worth.

Regret is reckoned by the person's truth, decision by decision: what the best answer within the bounds that
every policy keeps is worth more than the policy's own probabilities, each tip paying the person's price for
what it costs later. The price is the one with which an oracle earns most.
"""

import sys
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import numpy as np

from ml.evaluation.ope.intervals import student_quantile
from ml.evaluation.population.days import live
from ml.evaluation.population.people import ATYPICAL, REPORTED
from ml.evaluation.population.rules import PRICES, Oracle
from ml.learning.global_prior import Lessons, assumed_prior, flat_prior, learned_prior
from ml.learning.lessons import lessons_of
from ml.recommender.policies import CURRENT
from ml.recommender.prior import Prior

PRICE_DAYS: Final = 12
FIRST: Final = 60
Row = dict[str, Any]


def progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def pooled(people: int, days: int, version: str, first: int) -> Prior:
    """The prior that `people` teach who live `days` days with the learned policy.

    Three in five start from what is assumed of anyone. What they teach is what the others start from: the
    appeal of a moment is another one with another prior, and what is learned of fatigue has to be about the
    appeal that new people will meet.
    """
    lessons: list[Lessons] = []
    early = people * 3 // 5
    start = assumed_prior()
    for place in range(people):
        if place == early:
            start = learned_prior("early", lessons, progress)
        lived = live(first + place, lambda _: CURRENT["learned"], start, days=days)
        lessons.append(lessons_of(lived.life.user, lived.life.events, lived.life.prior))
        progress(f"pool {place + 1}/{people}")
    return learned_prior(version, lessons, progress, lessons[early:])


def price_of(number: int) -> float:
    """What a tip costs a person later: the price with which an oracle earns most."""
    earned = {price: live(number, partial(Oracle, price=price), days=PRICE_DAYS).total for price in PRICES}
    return max(earned, key=lambda price: (earned[price], -price))


def first_regret(number: int, prior: Prior, price: float, luck: int) -> float:
    """Over a new person's first decisions."""
    lived = live(number, lambda _: CURRENT["learned"], prior, decisions=FIRST, luck=luck)
    return sum(each.regret(price) for each in lived.faced[:FIRST])


def pooling(prior: Prior, usual: int, atypical: int, lucks: int) -> Row:
    """Regret of new people with the prior and with a flat one, over their first decisions."""
    rows: list[Row] = []
    numbers = [REPORTED + number for number in range(usual)]
    numbers += [REPORTED + ATYPICAL + number for number in range(atypical)]
    for number in numbers:
        price = price_of(number)
        with_prior = [first_regret(number, prior, price, luck) for luck in range(lucks)]
        with_flat = [first_regret(number, flat_prior(), price, luck) for luck in range(lucks)]
        rows.append(
            {
                "person": number,
                "atypical": number >= REPORTED + ATYPICAL,
                "price": price,
                "learned": float(np.mean(with_prior)),
                "flat": float(np.mean(with_flat)),
                "se": float(
                    np.std(np.subtract(with_prior, with_flat), ddof=1) / np.sqrt(lucks) if lucks > 1 else 0.0
                ),
            }
        )
        progress(f"{len(rows)}/{len(numbers)} people: {rows[-1]}")
    found = {"usual": _cut(rows, False, lucks), "atypical": _cut(rows, True, lucks)}
    return {"prior": prior.version, "first": FIRST, "lucks": lucks, **found, "people": rows}


def _cut(rows: Sequence[Row], atypical: bool, lucks: int) -> Row:
    """Share by which the learned prior cuts regret, with a 95% bootstrap interval over people.

    A person is surely worse off where the lives that they were given say so at 95%, one-sided: that no one is
    must hold of people, and their lives are few.
    """
    chosen = [row for row in rows if row["atypical"] == atypical]
    if not chosen:
        return {}
    learned, flat = (np.array([row[name] for row in chosen]) for name in ("learned", "flat"))
    rng = np.random.default_rng(0)
    samples = rng.integers(0, len(chosen), (2000, len(chosen)))
    cuts = 1 - learned[samples].sum(1) / flat[samples].sum(1)
    worst = int(np.argmax(learned / flat))
    errors = np.array([row["se"] for row in chosen])
    student = student_quantile(0.95, lucks - 1) if lucks > 1 else np.inf
    return {
        "people": len(chosen),
        "flat": float(flat.mean()),
        "learned": float(learned.mean()),
        "cut": float(1 - learned.sum() / flat.sum()),
        "interval": [float(value) for value in np.quantile(cuts, [0.025, 0.975])],
        "worst": float(learned[worst] / flat[worst] - 1),
        "worstPerson": chosen[worst]["person"],
        "worseThan5Percent": int(np.sum(learned / flat > 1.05)),
        "surelyWorseThan5Percent": int(np.sum(learned - 1.05 * flat > student * errors)),
    }
