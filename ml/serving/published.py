"""Priors and judgements of the store: what was published, and what passed the gate."""

import json
from dataclasses import dataclass
from typing import Any

from ml.recommender.fold import PRIORS, prior_of, publish
from ml.recommender.policy import Policy
from ml.recommender.prior import Prior, prior_from_json
from ml.serving.broker import History
from oo.v1 import policies_pb2
from oo_contracts.envelope import read_envelope

Json = dict[str, Any]


class PriorCorrupt(ValueError):
    """A published prior is not what its digest says."""


@dataclass(frozen=True)
class Published:
    """What the streams `priors` and `policies` say, oldest first."""

    priors: tuple[Prior, ...]
    judgements: tuple[policies_pb2.PolicyJudged, ...]

    def prior_for(self, policy: Policy) -> Prior:
        """The prior that passed the gate last with this policy; the one that comes with the code where none
        did.
        """
        known = {prior.version: prior for prior in self.priors}
        for judged in reversed(self.judgements):
            mine = (judged.policy, judged.policy_version) == (policy.name, policy.version)
            prior = known.get(judged.prior_version)
            if judged.passed and mine and prior is not None and prior.features == policy.features:
                return prior
        return prior_of(PRIORS[policy.features])


def published_in(envelopes: list[Json]) -> Published:
    """Reads events of the two streams. Raises PriorCorrupt, or ValueError where one cannot be read."""
    priors: list[Prior] = []
    judgements: list[policies_pb2.PolicyJudged] = []
    for envelope in envelopes:
        data = read_envelope(envelope).data
        if isinstance(data, policies_pb2.PriorPublished):
            prior = prior_from_json(json.loads(data.parameters))
            if prior.digest != data.digest or prior.version != data.version:
                raise PriorCorrupt(f"the prior {data.version} is not what its digest says; publish it anew")
            priors.append(prior)
        elif isinstance(data, policies_pb2.PolicyJudged):
            judgements.append(data)
    return Published(tuple(priors), tuple(judgements))


async def read_published(history: History) -> Published:
    """Reads both streams, and makes the priors known to folds and replays.

    Raises Unanswered, PriorCorrupt.
    """
    envelopes = [envelope async for page in history.of_streams(["priors", "policies"]) for envelope in page]
    found = published_in(envelopes)
    for prior in found.priors:
        publish(prior)
    return found
