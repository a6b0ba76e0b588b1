"""`python -m ml.evaluation.speed [--json]`: what deciding and folding cost, in this process, on one core.

Times are the processor's for this thread, so that what else the machine does counts little.

A list of `{name, value, unit, baseline, ratio}`; `baseline` is what the value is measured against, in the
same unit and the same run, or null.
"""

import argparse
import sys
import time
import tracemalloc
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from river import linear_model

from ml.evaluation.rows import Row, print_rows, row
from ml.learning.person_model import Moment
from ml.recommender.agenda import Trigger
from ml.recommender.belief import Belief
from ml.recommender.decide import CANDIDATES, decide, prepare
from ml.recommender.fold import fold
from ml.recommender.policies import CURRENT
from ml.recommender.record import record_of
from ml.recommender.shortlist import shortlist
from ml.testing.life import ADVICES, Life, user_of
from oo_contracts.envelope import read_envelope
from oo_contracts.ids import DecisionId

SEED: Final = 17
DECISIONS: Final = 3_000
HISTORY: Final = 5_000
PEOPLE: Final = 200
PLAN_EVERY: Final = 20
"""Every tenth answer is unwelcome, and has a policy that plans do so anew."""
STANDING: Final = Moment(0.5, 0.2, 0.2, 0)


def measure() -> list[Row]:
    """Runs everything with the policy that is served, and with `learned` (names that begin with it); about
    two minutes.
    """
    rows: list[Row] = []
    for prefix, name in (("", "heuristic"), ("learned-", "learned")):
        life = Life(SEED, CURRENT[name])
        while len(life.envelopes) < HISTORY:
            life.live(10)
        while len(life.items) < CANDIDATES:
            life.task(f"demo:task:more-{len(life.items)}")
        found = (
            *_deciding(life, "decision", prepared=False),
            *_deciding(life, "prepared-decision", prepared=True),
            *_folding(life),
            _memory(life),
        )
        rows += [{**row, "name": prefix + row["name"]} for row in found]
    return rows


def _deciding(life: Life, name: str, *, prepared: bool) -> list[Row]:
    """The whole of a decision with ten candidates: shortlist, features, draws, record. `prepared` is with
    what the worker has made ready after an answer, which is timed by itself.
    """
    person, times, preparing = fold(life.user, life.prior, life.events), [], []
    at = life.now - life.now % 86_400_000 + 10 * 3_600_000
    person.active_tip = None
    for number in range(DECISIONS):
        # Every other decision follows an answer, so that the posterior has to be solved anew.
        if number % 2:
            person.belief.learn(np.zeros(len(life.prior.names)), 0.0)
            if number % PLAN_EVERY == 1:
                person.fatigue.decided(decision_id_of(number), STANDING, spoke=True)
                # Another answer in each run: the plans of the one are not at hand in the other.
                reward = -1.0 if prepared else -0.9
                person.fatigue.closed(decision_id_of(number), reward, resented=True)
                person.fatigue.decided(decision_id_of(number + 1), STANDING, spoke=False)
        trigger = Trigger(1, str(number), at + 86_400_000, "c", "c")  # type: ignore[arg-type]
        decision_id = decision_id_of(number)
        if prepared:
            start = time.thread_time()
            prepare(person, life.policy)
            if number % PLAN_EVERY == 1:
                preparing.append(time.thread_time() - start)
        start = time.thread_time()
        offers = shortlist(person, trigger.at, list(life.items.values()), ADVICES, life.policy)
        made = decide(person, trigger, offers, life.policy, life.prior, decision_id)
        record_of(made)
        times.append(time.thread_time() - start)
        if len(made.candidates) != CANDIDATES:
            raise RuntimeError(f"a decision had {len(made.candidates)} candidates; wanted {CANDIDATES}")
    milliseconds = np.array(times) * 1000
    of_preparing = [row("preparing-p50", float(np.median(preparing)) * 1000, "ms")] if prepared else []
    return [
        row(f"{name}-p50", float(np.quantile(milliseconds, 0.5)), "ms"),
        row(f"{name}-p99", float(np.quantile(milliseconds, 0.99)), "ms", 5.0),
        *of_preparing,
    ]


def decision_id_of(number: int) -> DecisionId:
    return DecisionId(f"{number:08x}-0000-4000-8000-000000000000")


def _folding(life: Life) -> list[Row]:
    envelopes = life.envelopes[:HISTORY]
    events = [read_envelope(each) for each in envelopes]
    # With the digest, so that nothing that was put off stays out of the measure.
    folding = _best(lambda: fold(life.user, life.prior, events).digest) / HISTORY
    belief, river = Belief(life.prior), linear_model.BayesianLinearRegression()
    rng = np.random.default_rng(SEED)
    rows = [
        dict(zip(life.prior.names, values, strict=True))
        for values in rng.normal(size=(HISTORY, len(life.prior.names)))
    ]

    def learn_all(model: Any) -> None:
        for lesson in rows:
            model.learn_one(lesson, 1.0)

    own = _best(lambda: learn_all(belief)) / HISTORY
    rivers = _best(lambda: learn_all(river)) / HISTORY
    cold = _best(lambda: fold(life.user, life.prior, [read_envelope(each) for each in envelopes]).digest)
    return [
        row("fold", 1 / folding, "events/s", 1 / own),
        row("fold-over-river", 1 / folding, "events/s", 1 / rivers),
        row("learn-one", 1 / own, "answers/s", 1 / rivers),
        row("cold-start-5000-events", cold, "s"),
    ]


def _memory(life: Life) -> Row:
    """What one more person of 500 events takes in the worker."""
    events = [read_envelope(each) for each in life.envelopes[:500]]
    tracemalloc.start()
    people = [fold(user_of(number), life.prior, events) for number in range(PEOPLE)]
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return row("memory-per-person", taken / len(people) / 1024, "KiB")


def _best(run: Callable[[], object], times: int = 3) -> float:
    """Seconds of the quickest of a few runs: what else goes on can only add to it."""
    found = []
    for _ in range(times):
        start = time.thread_time()
        run()
        found.append(time.thread_time() - start)
    return min(found)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m ml.evaluation.speed", description=__doc__)
    parser.add_argument("--json", action="store_true", help="the list as JSON instead of a table")
    wanted = parser.parse_args(arguments)
    rows = measure()
    print_rows(rows, as_json=wanted.json, width=24, digits=2)
    return 0


if __name__ == "__main__":
    sys.exit(main())
