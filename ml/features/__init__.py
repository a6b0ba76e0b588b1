"""Feature maps. Each version is a module that stays as it is for as long as a recorded decision names it."""

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from ml.features import v1, v2
from ml.recommender.belief import Lesson
from ml.recommender.catalogue import Advice
from ml.recommender.person import Person
from oo.v1 import candidates_pb2, decisions_pb2, tips_pb2


class FeatureMap(Protocol):
    """What a version of the features offers: a module with these names (see `v1` for their meaning)."""

    @property
    def VERSION(self) -> str: ...  # noqa: N802
    @property
    def GIVEN(self) -> tuple[str, ...]: ...  # noqa: N802
    @property
    def WEIGHTS(self) -> tuple[str, ...]: ...  # noqa: N802

    def context_features(self, person: Person, at: int) -> tuple[float, ...]: ...
    def given_by_todo(self, item: candidates_pb2.CandidateItem, at: int) -> tuple[float, ...]: ...
    def given_by_advice(self, advice: Advice, context: Sequence[float]) -> tuple[float, ...]: ...
    def derived(self, person: Person, ref: str, at: int) -> tuple[float, ...]: ...
    def lesson(
        self, record: decisions_pb2.DecisionRecord, outcome: tips_pb2.OutcomeKind
    ) -> Lesson | None: ...


FEATURE_MAPS: Final[Mapping[str, FeatureMap]] = {v1.VERSION: v1, v2.VERSION: v2}
READS: Final[Mapping[str, tuple[str, ...]]] = {v1.VERSION: (v1.VERSION,), v2.VERSION: v2.READS}
"""Of each map, the maps whose records it can learn from."""
