"""`random`: speaks every other time, and then of any todo. What others are measured against."""

from typing import Final

from ml.recommender.draws import UNITS, apportion
from ml.recommender.fatigue import Planned
from ml.recommender.policy import FIRST_PAGE_RULE, Situation, Verdict
from oo.v1 import decisions_pb2

ACT: Final = UNITS // 2


class RandomPolicy:
    """All todos are equally likely; all candidates, where none is a todo."""

    name = "random"
    version = "v1"
    features = "v1"
    page_rule = FIRST_PAGE_RULE

    def prepare(self, planned: Planned | None, daily_budget: int) -> None:
        """Nothing takes long."""

    def judge(self, situation: Situation) -> Verdict:
        todos = [each.kind == decisions_pb2.TIP_KIND_TODO for each in situation.candidates]
        weights = [1.0 if todo or not any(todos) else 0.0 for todo in todos]
        return Verdict(act=ACT, tips=tuple(apportion(weights)))
