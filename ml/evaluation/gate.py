"""The gate that a policy or a prior passes before it goes live, and the record of what it found.

    python -m ml.evaluation.gate --policy learned --prior people.1 [--margin 0.05] [--events FILE] [--dry-run]

It evaluates the policy with the prior on oO's own decisions (`ope.store`), off-policy. It passes where the
log can answer, and the lower end of the 95% interval of the difference to what was logged lies above
-`--margin`. What it found is recorded as `PolicyJudged`, passed or not; the recommender starts from the prior
that passed last with its policy.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from ml.evaluation.ope.estimators import effective_sample_size, scores
from ml.evaluation.ope.intervals import robust, spread
from ml.evaluation.ope.log import Log, LogError
from ml.evaluation.ope.store import WHAT, log_of
from ml.evaluation.ope.support import refusal
from ml.recommender.fold import PRIORS, prior_of
from ml.recommender.policies import CURRENT
from ml.recommender.policy import Policy
from ml.recommender.prior import Prior, PriorUnknown
from ml.serving.broker import Unanswered
from ml.serving.commands import send
from ml.serving.past import everybody
from oo.v1 import policies_pb2
from oo_contracts.events import payload_json
from oo_contracts.subjects import JUDGE_POLICY

MARGIN: Final = 0.05
"""Of a reward from -1 to 1, a decision."""
NOT_PASSED: Final = 1
USAGE: Final = 2
UNAVAILABLE: Final = 3


@dataclass(frozen=True)
class Verdict:
    judged: policies_pb2.PolicyJudged
    what: str

    def as_json(self) -> dict[str, object]:
        return {**payload_json(self.judged), "estimates": self.what}


def judge(log: Log, policy: Policy, prior: Prior, margin: float) -> Verdict:
    """What the gate says of a policy whose probabilities are in `log`."""
    values = scores(log)
    refused = refusal(log)
    difference = values - log.reward
    low, high = robust(
        spread(difference, float(np.max(log.weight)) ** 2 * float(np.var(log.reward)) / len(values))
    )
    logged = float(log.reward.mean())
    reason = "refused" if refused is not None else "worse" if low < -margin else ""
    people = 0 if log.person is None else int(log.person.max()) + 1
    judged = policies_pb2.PolicyJudged(
        policy=policy.name,
        policy_version=policy.version,
        prior_version=prior.version,
        passed=not reason,
        reason=reason,
        refused=refused or "",
        estimate=float(values.mean()),
        low=logged + low,
        high=logged + high,
        logged=logged,
        decisions=log.rows,
        people=people,
        effective=effective_sample_size(log.weight),
        margin=margin,
    )
    return Verdict(judged, WHAT.format(policy=policy.name, version=policy.version, prior=prior.version))


def main(arguments: Sequence[str] | None = None) -> int:
    """0 it passed, 1 it did not, 2 wrong arguments, 3 the history cannot be read or nothing be recorded."""
    parser = argparse.ArgumentParser(prog="python -m ml.evaluation.gate", description=__doc__)
    parser.add_argument("--policy", choices=sorted(CURRENT), default="learned")
    parser.add_argument("--prior", metavar="VERSION", help="the one that comes with the code by default")
    parser.add_argument("--margin", type=float, default=MARGIN)
    parser.add_argument("--events", type=Path, metavar="FILE", help="envelopes, one JSON a line")
    parser.add_argument("--dry-run", action="store_true", help="record nothing")
    parser.add_argument("--json", type=Path, metavar="OUT")
    wanted = parser.parse_args(arguments)
    if not 0.0 <= wanted.margin <= 1.0:
        parser.error(f"--margin is {wanted.margin}; give a number from 0 to 1")
    try:
        return asyncio.run(_judge(wanted))
    except (PriorUnknown, LogError) as error:
        print(error, file=sys.stderr)
        return USAGE
    except (Unanswered, OSError, ValueError) as error:
        print(f"{error}", file=sys.stderr)
        return UNAVAILABLE


async def _judge(wanted: argparse.Namespace) -> int:
    policy = CURRENT[wanted.policy]
    by_person = await everybody(wanted.events)
    prior = prior_of(wanted.prior or PRIORS[policy.features])
    verdict = judge(log_of(by_person, policy, prior), policy, prior, wanted.margin)
    document = json.dumps(verdict.as_json(), indent=1)
    print(document)
    if wanted.json:
        wanted.json.write_text(document + "\n", encoding="utf-8")
    if not wanted.dry_run and wanted.events is None:
        await send(JUDGE_POLICY, {"judgement": payload_json(verdict.judged)}, str(uuid.uuid4()), "gate")
    return 0 if verdict.judged.passed else NOT_PASSED


if __name__ == "__main__":
    sys.exit(main())
