"""`heuristic` v2: judges as v1, and lets nobody wait on an open page for more than some seconds."""

from ml.recommender.policies import heuristic_v1
from ml.recommender.policy import PAGE_RULE


class HeuristicPolicy(heuristic_v1.HeuristicPolicy):
    """As v1, under the newer rule for the page."""

    version = "v2"
    page_rule = PAGE_RULE
