"""What the desk does with a broker that stores no proposal, and what it has ready for the next decision."""

import asyncio
import json
import logging
import uuid
from typing import Any, cast

import pytest
from google.protobuf.json_format import ParseDict
from nats.aio.client import Client
from nats.errors import TimeoutError as NatsTimeoutError
from nats.js.errors import APIError

from ml.recommender.agenda import Trigger
from ml.recommender.fold import COMMON_PRIOR, new_person, prior_of
from ml.recommender.person import Person
from ml.recommender.policies import CURRENT, learned_v2
from ml.recommender.policy import Policy
from ml.serving import desk as desk_module
from ml.serving.candidates import Candidates
from ml.serving.clock import SystemClock
from ml.serving.desk import Desk
from ml.serving.people import People
from ml.testing.life import ADVICES, Life, user_of
from oo.v1 import decisions_pb2, tips_pb2
from oo_contracts.partition import PARTITIONS
from oo_contracts.subjects import PROPOSALS_STREAM


class _Broker:
    """Stores nothing, as nats-server does after a full disk, until the stream is made anew."""

    def __init__(self, failure: Exception, *, answers: bool) -> None:
        self.unstored = 0
        self.stored: list[bytes] = []
        self.deleted: list[str] = []
        self._failure = failure
        self._answers = answers

    def jetstream(self) -> "_Broker":
        return self

    def jsm(self) -> "_Broker":
        return self

    async def publish(self, _subject: str, body: bytes, **_options: Any) -> None:
        if not self.deleted:
            self.unstored += 1
            raise self._failure
        self.stored.append(body)

    async def request(self, *_question: Any, **_options: Any) -> None:
        raise NatsTimeoutError

    async def stream_info(self, _name: str) -> None:
        if not self._answers:
            raise NatsTimeoutError

    async def delete_stream(self, name: str) -> None:
        self.deleted.append(name)


class _Standing(SystemClock):
    """A clock that stands still."""

    def __init__(self, at: int) -> None:
        self._at = at

    def now(self) -> int:
        return self._at


async def _published(broker: _Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Six attempts at a proposal, less than the limit apart."""
    monkeypatch.setattr(desk_module, "PAUSE_S", 0.02)
    monkeypatch.setattr(desk_module, "REMAKE_AFTER_S", 0.07)
    client = cast(Client, broker)
    log = logging.getLogger("test")
    prior = prior_of(COMMON_PRIOR)
    desk = Desk(client, SystemClock(), Candidates(client, log), [], CURRENT["heuristic"], prior, log)
    person = new_person(user_of(1), prior)
    for attempt in range(6):
        await desk._publish(person.user, f"decision:{attempt}", b"{}", None)


async def test_what_an_answer_changes_is_planned_for_before_the_next_decision_asks() -> None:
    client = cast(Client, _Broker(NatsTimeoutError(), answers=True))
    log = logging.getLogger("test")
    life = Life(35, CURRENT["learned"])
    life.live(4)
    desk = Desk(client, SystemClock(), Candidates(client, log), ADVICES, life.policy, life.prior, log)
    people = People(life.prior, range(PARTITIONS), log, desk.folded)
    preparing = asyncio.create_task(desk.prepare())
    try:
        half = len(life.envelopes) // 2
        learned_v2._plans.clear()
        for envelope in life.envelopes[:half]:
            people.fold(envelope)
            await asyncio.sleep(0)
        # Folding up to now, at a start, plans for nobody.
        assert not learned_v2._plans
        desk.open(people)
        planned_for = set()
        for envelope in life.envelopes[half:]:
            people.fold(envelope)
            for _ in range(3):
                await asyncio.sleep(0)
            person = people.get(life.user)
            assert person is not None
            assert person.fatigue.planned is not None
            planned_for.add(person.fatigue.planned.digest)
            assert (person.fatigue.planned.digest, 3) in learned_v2._plans
        assert len(planned_for) > 1
    finally:
        desk.close()
        preparing.cancel()


async def test_who_cannot_be_prepared_for_holds_up_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    client = cast(Client, _Broker(NatsTimeoutError(), answers=True))
    log = logging.getLogger("test")
    lives = [Life(number, CURRENT["learned"]) for number in (36, 37)]
    policy, prior = lives[0].policy, lives[0].prior
    desk = Desk(client, SystemClock(), Candidates(client, log), ADVICES, policy, prior, log)
    people = People(prior, range(PARTITIONS), log, desk.folded)
    asked: list[Person] = []

    def failing(person: Person, _policy: Policy) -> None:
        asked.append(person)
        raise ValueError("a bug")

    monkeypatch.setattr(desk_module, "prepare", failing)
    preparing = asyncio.create_task(desk.prepare())
    try:
        desk.open(people)
        for life in lives:
            life.register()
            for envelope in life.envelopes:
                people.fold(envelope)
        for _ in range(5):
            await asyncio.sleep(0)
        assert [person.user for person in asked] == [life.user for life in lives]
        assert not preparing.done()
    finally:
        desk.close()
        preparing.cancel()


async def test_who_gives_up_takes_nothing_from_who_waits_for_the_same() -> None:
    broker = _Broker(NatsTimeoutError(), answers=True)
    broker.deleted.append("stores")
    client = cast(Client, broker)
    log = logging.getLogger("test")
    life = Life(38, CURRENT["heuristic"])
    life.register()
    desk = Desk(client, _Standing(life.now), Candidates(client, log), ADVICES, life.policy, life.prior, log)
    people = People(life.prior, range(PARTITIONS), log, desk.folded)
    for envelope in life.envelopes:
        people.fold(envelope)
    desk.open(people)
    asked = Trigger(decisions_pb2.TRIGGER_KIND_REQUEST, str(uuid.UUID(int=1)), life.now, "c", "c")
    try:
        impatient, patient = (asyncio.create_task(desk.request(life.user, asked)) for _ in range(2))
        while not broker.stored:
            await asyncio.sleep(0.01)
        impatient.cancel()
        await asyncio.sleep(0)
        folded = len(life.envelopes)
        life.accept(ParseDict(json.loads(broker.stored[0]), decisions_pb2.Proposal()).decision)
        for envelope in life.envelopes[folded:]:
            people.fold(envelope)
        end = await asyncio.wait_for(patient, 1)
        assert isinstance(end, tips_pb2.TipProposed | tips_pb2.TipWithheld)
        assert end.decision.decision_id == life.ended[-1]
        assert impatient.cancelled()
        assert await asyncio.wait_for(desk.request(life.user, asked), 1) == end
        assert len(broker.stored) == 1
    finally:
        desk.close()


@pytest.mark.parametrize(
    "failure",
    [APIError(code=503, err_code=10077, description="no space left on device"), NatsTimeoutError()],
    ids=["refused", "silent"],
)
async def test_a_stream_that_stores_no_proposal_is_deleted_so_that_it_is_made_anew(
    failure: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = _Broker(failure, answers=True)
    await _published(broker, monkeypatch)
    assert broker.unstored >= 2
    assert broker.deleted == [PROPOSALS_STREAM]
    assert broker.stored[0] == b"{}"


@pytest.mark.parametrize(("failure", "answers"), [(NatsTimeoutError(), False), (OSError(), True)])
async def test_a_broker_that_is_away_keeps_its_stream(
    failure: Exception, *, answers: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = _Broker(failure, answers=answers)
    await _published(broker, monkeypatch)
    assert broker.deleted == []
