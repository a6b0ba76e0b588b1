"""The policies, by name and version. A version stays as it is for as long as a recorded decision names it."""

from collections.abc import Mapping
from typing import Final

from ml.recommender.policies import heuristic_v1, heuristic_v2, learned_v1, learned_v2, random_v1
from ml.recommender.policy import Policy

_ALL: Final[tuple[Policy, ...]] = (
    random_v1.RandomPolicy(),
    heuristic_v1.HeuristicPolicy(),
    heuristic_v2.HeuristicPolicy(),
    learned_v1.LearnedPolicy(),
    learned_v2.LearnedPolicy(),
)

POLICIES: Final[Mapping[tuple[str, str], Policy]] = {(each.name, each.version): each for each in _ALL}
"""Every policy that a recorded decision can name."""
CURRENT: Final[Mapping[str, Policy]] = {each.name: each for each in _ALL}
"""The newest version of each policy, by its name."""


class PolicyUnknown(LookupError):
    """A record names a policy that this build does not have."""


def policy_of(name: str, version: str) -> Policy:
    """Raises PolicyUnknown."""
    policy = POLICIES.get((name, version))
    if policy is None:
        raise PolicyUnknown(f"there is no policy {name} {version} here; a newer build may have it")
    return policy
