"""What the process counts, for Prometheus. Names as in the other parts: see `figures.ts` of the kit."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ml.serving.broker import History
from ml.serving.clock import Clock
from ml.serving.people import People
from ml.serving.snapshots import Snapshots
from ml.serving.worker import Worker
from oo_contracts.envelope import EnvelopeMalformed, read_address, read_metadata

LAG_LIMIT: Final = 1_000
"""Beyond this nobody counts: reading events to say how many they are would itself be the load."""


@dataclass(frozen=True, slots=True)
class Figure:
    name: str
    kind: str
    """`gauge` or `counter`."""
    description: str
    value: float


class Figures:
    """The recommender's figures, read when somebody asks."""

    def __init__(
        self,
        worker: Worker,
        people: People,
        history: History,
        clock: Clock,
        snapshots: Snapshots | None = None,
    ) -> None:
        self._worker = worker
        self._people = people
        self._history = history
        self._clock = clock
        self._snapshots = snapshots

    async def exposition(self) -> str:
        """Prometheus' text format, version 0.0.4. Raises Unanswered where the store does not answer."""
        events, seconds = await self._lag()
        return exposition(
            [
                Figure("oo_consumer_lag_events", "gauge", "Events not handled yet; 1000 or more", events),
                Figure("oo_consumer_lag_seconds", "gauge", "Age of the oldest of them", seconds),
                Figure("oo_consumer_position", "gauge", "Position handled", self._worker.position),
                Figure("oo_consumer_refolds_total", "counter", "People folded anew", self._worker.refolded),
                Figure(
                    "oo_consumer_parked_people",
                    "gauge",
                    "People who wait behind a parked event",
                    len(self._people.parked),
                ),
                *self._of_snapshots(),
            ]
        )

    def _of_snapshots(self) -> list[Figure]:
        """Nothing where there is none: an age of what is not there would look like a fresh one."""
        standing = None if self._snapshots is None else self._snapshots.standing
        if standing is None:
            return []
        return [
            Figure("oo_snapshot_age_seconds", "gauge", "Age of the snapshot", standing.age_s),
            Figure("oo_snapshot_bytes", "gauge", "Size of the snapshot", standing.size),
            Figure("oo_snapshot_events_behind", "gauge", "Events folded since", standing.behind),
        ]

    async def _lag(self) -> tuple[int, float]:
        position = self._worker.position
        if position >= await self._history.head():
            return 0, 0.0
        events, oldest = 0, None
        async for page in self._history.after(position):
            fresh = [envelope for envelope in page if read_address(envelope).position > position]
            if oldest is None and fresh:
                oldest = fresh[0]
            events += len(fresh)
            if events >= LAG_LIMIT:
                break
        return min(events, LAG_LIMIT), 0.0 if oldest is None else self._age_s(oldest)

    def _age_s(self, envelope: dict[str, object]) -> float:
        try:
            return max(0, self._clock.now() - read_metadata(envelope.get("metadata")).recorded_at) / 1000
        except EnvelopeMalformed:
            return 0.0


def exposition(figures: Sequence[Figure], consumer: str = "recommender") -> str:
    """
    >>> print(exposition([Figure("oo_consumer_position", "gauge", "Position handled", 7)]), end="")
    # HELP oo_consumer_position Position handled
    # TYPE oo_consumer_position gauge
    oo_consumer_position{consumer="recommender"} 7
    """
    lines = []
    for figure in figures:
        lines.append(f"# HELP {figure.name} {figure.description}")
        lines.append(f"# TYPE {figure.name} {figure.kind}")
        lines.append(f'{figure.name}{{consumer="{consumer}"}} {figure.value!r}')
    return "\n".join(lines) + "\n"
