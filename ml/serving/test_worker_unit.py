"""What the worker does when the store is behind, or the world goes on while it reads."""

import logging
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, cast

import pytest

from ml.recommender.fold import COMMON_PRIOR, prior_of
from ml.serving import worker as worker_module
from ml.serving.broker import History
from ml.serving.desk import Desk
from ml.serving.feed import Feed
from ml.serving.people import People
from ml.serving.worker import Worker
from ml.testing.life import Life, skip_of
from oo.v1 import signals_pb2
from oo_contracts.partition import PARTITIONS
from oo_contracts.streams import PERSON_CATEGORIES

LOG = logging.getLogger("oo.test.worker")
PRIOR = prior_of(COMMON_PRIOR)


class _Store:
    """Tells the first `told` events of a person; `reading` happens before each answer is complete."""

    def __init__(self, life: Life) -> None:
        self._life = life
        self.told: int | None = None
        self.gone = False
        self.reading: Callable[[], None] = lambda: None
        self.asked = 0

    async def of_streams(self, streams: Sequence[str]) -> AsyncIterator[list[dict[str, Any]]]:
        assert [stream.split("-")[0] for stream in streams] == list(PERSON_CATEGORIES)
        self.asked += 1
        yield [] if self.gone else self._life.envelopes[: self.told]
        self.reading()

    async def head(self) -> int:
        told = self._life.envelopes[: self.told]
        # Told once, it has caught up.
        self.told = None
        return int(told[-1]["position"])


def working(life: Life) -> tuple[Worker, People, _Store]:
    store = _Store(life)
    people = People(PRIOR, range(PARTITIONS), LOG, lambda _user, _event: None)
    worker = Worker(people, cast(History, store), cast(Feed, None), cast(Desk, None), LOG)
    return worker, people, store


@pytest.fixture
def life() -> Life:
    life = Life(61)
    life.register()
    life.record(signals_pb2.MoodReported(valence=1))
    return life


async def parked(life: Life, people: People, worker: Worker) -> dict[str, Any]:
    life.record(signals_pb2.MoodReported(valence=2))
    broken = life.envelopes[-1]
    broken["metadata"]["schemaVersion"] = 99
    for envelope in life.envelopes:
        await worker._fold(envelope)
    assert life.user in people.parked
    return broken


def skip(life: Life, envelope: dict[str, Any]) -> dict[str, Any]:
    life.record(skip_of(envelope))
    return life.envelopes[-1]


async def test_what_comes_while_a_retry_reads_is_not_lost(life: Life) -> None:
    worker, people, store = working(life)
    broken = await parked(life, people, worker)

    def goes_on() -> None:
        store.reading, store.told = (lambda: None), None
        life.record(signals_pb2.MoodReported(valence=-1))
        people.fold(life.envelopes[-1])

    # What comes is behind what this answer of the store has.
    store.reading, store.told = goes_on, len(life.envelopes)
    broken["metadata"]["schemaVersion"] = 1
    assert await worker.retry(life.user) == len(life.envelopes)
    person = people.get(life.user)
    assert person is not None
    assert person.mood is not None
    assert person.mood.valence == -1
    assert await worker.retry(life.user) == 0


async def test_a_skip_that_the_store_does_not_tell_yet_is_waited_for(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "POLL_S", 0.0)
    worker, people, store = working(life)
    broken = await parked(life, people, worker)
    said = skip(life, broken)
    # A follower that is behind: it has not heard of the skip.
    store.told = len(life.envelopes) - 1
    await worker._fold(said)
    assert people.parked == {}
    assert store.asked > 1


async def test_a_skip_that_has_gone_with_its_person_is_not_waited_for(life: Life) -> None:
    worker, people, store = working(life)
    said = skip(life, await parked(life, people, worker))
    store.gone = True
    await worker._fold(said)
    assert people.parked == {}
    assert people.get(life.user) is not None
    assert store.asked == 2
