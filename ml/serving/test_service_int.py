"""The recommender's process against a real broker, with the services around it played by the test."""

import asyncio
import contextlib
import json
import logging
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import nats
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import NoRespondersError

from ml.recommender import decide as decide_module
from ml.recommender.fold import COMMON_PRIOR, LATEST_PRIOR, fold, prior_of
from ml.recommender.person import Person
from ml.recommender.policies import CURRENT
from ml.recommender.replay import replay
from ml.serving import desk as desk_module
from ml.serving import requests as requests_module
from ml.serving.service import serve
from ml.serving.settings import Settings
from ml.serving.snapshot_file import UNFINISHED
from ml.serving.snapshots import FILE
from ml.testing.backbone import World, free_port, nats_server
from ml.testing.life import HOUR, MINUTE, MONDAY, Life, skip_of, user_of
from oo.v1 import signals_pb2, tips_pb2, users_pb2
from oo_contracts import subjects
from oo_contracts.envelope import read_envelope, read_unread
from oo_contracts.instants import instant
from oo_contracts.partition import PARTITIONS, partition_of

LOG = logging.getLogger("oo.test")
ROOT = Path(__file__).parents[2]


class Running:
    """A recommender of the test's own, and the world around it."""

    def __init__(self, url: str, client: Client) -> None:
        self.url = url
        self.world = World(client)
        self.port = free_port()
        self.now = MONDAY + 8 * HOUR
        self._task: asyncio.Task[None] | None = None

    async def start(self, policy: str = "heuristic", **settings: Any) -> None:
        """With the policy whose newcomers mostly wait, unless told otherwise."""
        configured = Settings(
            nats_url=self.url, health_port=self.port, clock="steered", policy=policy, **settings
        )
        self._task = asyncio.create_task(serve(configured, LOG))
        async with httpx.AsyncClient() as http:
            for _ in range(400):
                with contextlib.suppress(httpx.TransportError):
                    if (await http.get(f"http://127.0.0.1:{self.port}/health/ready")).status_code == 200:
                        return
                await asyncio.sleep(0.02)
        raise AssertionError("the recommender did not become ready")

    async def kill(self) -> None:
        """Ends it as it stands: nothing of it survives but what is recorded."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def steer(self, at: int) -> None:
        self.now = at
        for life in self.world.lives.values():
            life.now = at
        await self.world.client.publish(subjects.CLOCK_SUBJECT, self._time())
        await self.world.client.flush()

    async def answer_the_time(self) -> None:
        async def answer(message: Msg) -> None:
            await message.respond(self._time())

        await self.world.client.subscribe(subjects.CLOCK_QUERY, cb=answer)

    def _time(self) -> bytes:
        return json.dumps({"now": instant(self.now)}).encode()

    async def post(self, body: Any, **options: Any) -> httpx.Response:
        async with httpx.AsyncClient(timeout=20) as http:
            url = f"http://127.0.0.1:{self.port}/recommend"
            if isinstance(body, bytes):
                headers = {"content-type": "application/json"} | options.pop("headers", {})
                return await http.post(url, content=body, headers=headers)
            return await http.post(url, json=body, **options)


@pytest.fixture
async def oo() -> AsyncIterator[Running]:
    async with nats_server() as url:
        client = await nats.connect(url)
        running = Running(url, client)
        await running.world.open()
        await running.answer_the_time()
        try:
            yield running
        finally:
            await running.kill()
            await client.close()


async def newcomer(oo: Running, number: int = 1) -> Life:
    life = oo.world.person(number)
    life.register()
    life.task("demo:task:1", 3 * HOUR)
    await oo.world.relay()
    return life


def tips_of(life: Life) -> list[Any]:
    return [each.decision for each in (e.data for e in life.events) if isinstance(each, tips_pb2.TipProposed)]


async def test_an_opened_page_gets_its_decision_and_all_replays(oo: Running) -> None:
    life = await newcomer(oo)
    await oo.start()
    await oo.steer(life.now + MINUTE)
    await oo.world.record(life, page_opened())
    await oo.world.quiet()
    # A task that was new, then the page: both decided, in this order, once each.
    assert len(life.ended) == len(set(life.ended)) == 2
    assert life.person.agenda.due(life.now) == []
    history = replay(life.user, life.events, COMMON_PRIOR)
    assert [again.identical for again in history.decisions] == [True, True]
    assert oo.world.proposals[-1].decision.trigger.kind == 2
    assert oo.world.proposals[-1].decision.act_probability == 0.95
    assert {one.ref for one in oo.world.proposals[-1].decision.candidates} > {"demo:task:1"}


async def test_the_learned_policy_decides_and_replays(oo: Running) -> None:
    life = await newcomer(oo)
    await oo.start(policy="learned")
    await oo.world.quiet()
    (decided,) = oo.world.proposals
    assert (decided.decision.policy, decided.decision.prior_version) == ("learned", LATEST_PRIOR)
    assert len(decided.decision.context) == 25
    assert [again.identical for again in replay(life.user, life.events, LATEST_PRIOR).decisions] == [True]


async def test_what_was_open_at_a_crash_is_found_again_and_decided_alike(oo: Running) -> None:
    life = await newcomer(oo)
    oo.world.accepts = False
    await oo.start()
    while not oo.world.proposals:
        await asyncio.sleep(0.01)
    lost = oo.world.proposals[0].decision
    assert not await oo.world.settled(timeout_ms=50)
    await oo.kill()
    oo.world.accepts = True
    await oo.start()
    await oo.world.quiet()
    assert life.ended == [lost.decision_id]
    assert oo.world.proposals[-1].decision == lost


async def test_a_proposal_without_an_end_is_sent_again(oo: Running) -> None:
    life = await newcomer(oo)
    oo.world.accepts = False
    await oo.start()
    while len(oo.world.proposals) < 2:
        await asyncio.sleep(0.02)
    oo.world.accepts = True
    await oo.world.quiet()
    first = oo.world.proposals[0].decision
    assert oo.world.message_ids[:2] == [f"{first.decision_id}:0", f"{first.decision_id}:1"]
    assert life.ended == [first.decision_id]


async def test_events_that_were_not_relayed_are_read_from_the_store(oo: Running) -> None:
    life = await newcomer(oo)
    await oo.start()
    await oo.world.quiet()
    oo.world.relays = False
    await oo.world.record(life, signals_pb2.MoodReported(valence=-2))
    oo.world.relays = True
    await oo.world.record(life, signals_pb2.MoodReported(valence=2))
    await oo.world.quiet()
    assert len(life.ended) == 3
    folded = {each.stream: each.revision for each in oo.world.proposals[-1].decision.folded_to}
    assert folded[f"signals-{life.user}"] == 2
    assert all(again.identical for again in replay(life.user, life.events, COMMON_PRIOR).decisions)


async def test_it_goes_on_while_the_stream_is_gone_and_when_it_is_back(oo: Running) -> None:
    life = await newcomer(oo)
    await oo.start()
    await oo.world.quiet()
    await oo.world.client.jetstream().delete_stream(subjects.EVENTS_STREAM)
    oo.world.relays = False
    await oo.world.record(life, signals_pb2.MoodReported(valence=1))
    await oo.world.quiet()
    assert len(life.ended) == 2
    oo.world.relays = True
    await oo.world.make_streams()
    await oo.world.record(life, signals_pb2.MoodReported(valence=0))
    await oo.world.quiet()
    assert len(life.ended) == 3


async def test_a_restart_makes_the_state_that_was(oo: Running) -> None:
    life = oo.world.person(5)
    life.live(20)
    oo.now = life.now
    await oo.start()
    await oo.world.quiet()
    first = (await oo.post({"userId": life.user, "dryRun": True})).json()["decision"]
    await oo.kill()
    await oo.start()
    await oo.world.quiet()
    second = (await oo.post({"userId": life.user, "dryRun": True})).json()["decision"]
    assert (
        first["stateDigest"]
        == second["stateDigest"]
        == fold(life.user, prior_of(COMMON_PRIOR), life.events).belief.digest
    )
    assert first["context"] == second["context"]


async def first_proposal(oo: Running, **settings: Any) -> bytes:
    """What it proposes after a start, again at each start: nobody takes it."""
    oo.world.accepts = False
    seen = len(oo.world.bodies)
    await oo.start(**settings)
    async with asyncio.timeout(20):
        while len(oo.world.bodies) == seen:
            await asyncio.sleep(0.01)
    return oo.world.bodies[seen]


def lines_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the recommender said since this was asked last."""
    lines = [each.getMessage() for each in caplog.records if each.name == LOG.name]
    caplog.clear()
    return lines


READ, NOT_READ = "the snapshot was read", "the snapshot does not count; everybody is folded from the store"
NONE = "there is no snapshot; everybody is folded from the store"


@pytest.mark.parametrize("policy", ["heuristic", "learned"])
async def test_a_start_with_a_snapshot_decides_as_one_without(
    oo: Running, policy: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    lives = [oo.world.person(number, policy=CURRENT[policy]) for number in (5, 6)]
    for life in lives:
        life.live(6)
    life = lives[0]
    await oo.world.relay()
    await oo.start(policy=policy, snapshots=tmp_path)
    await oo.steer(max(each.now for each in lives))
    await oo.world.quiet()
    asked = {"userId": life.user, "requestId": request_id(7)}
    end = (await oo.post(asked)).json()
    assert NONE in lines_of(caplog)
    await oo.kill()
    assert (tmp_path / FILE).exists()

    # What is recorded while it is down, and what is due then.
    await oo.world.record(life, signals_pb2.MoodReported(valence=-2))
    with_it = await first_proposal(oo, policy=policy, snapshots=tmp_path)
    assert READ in lines_of(caplog)
    proposed = len(oo.world.proposals)
    assert (await oo.post(asked)).json() == end
    assert len(oo.world.proposals) == proposed
    dry = {"userId": life.user, "dryRun": True, "requestId": request_id(8)}
    dry_with_it = (await oo.post(dry)).content
    await oo.kill()

    (tmp_path / FILE).unlink()
    assert await first_proposal(oo, policy=policy, snapshots=tmp_path) == with_it
    assert (await oo.post(dry)).content == dry_with_it
    assert NONE in lines_of(caplog)
    oo.world.accepts = True
    await oo.world.quiet()
    again = replay(life.user, life.events, life.prior.version)
    assert all(each.identical for each in again.decisions)


@pytest.mark.parametrize("damage", ["a bit", "half", "another policy", "another store", "no file"])
async def test_a_snapshot_that_does_not_count_changes_nothing(
    oo: Running, damage: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    life = oo.world.person(5)
    life.live(5)
    await oo.world.relay()
    await oo.start(policy="learned" if damage == "another policy" else "heuristic", snapshots=tmp_path)
    await oo.steer(life.now)
    await oo.world.quiet()
    await oo.kill()
    file = tmp_path / FILE
    good = file.read_bytes()
    if damage == "a bit":
        file.write_bytes(good[:2000] + bytes([good[2000] ^ 1]) + good[2001:])
    elif damage == "half":
        file.write_bytes(good[: len(good) // 2])
    elif damage == "another store":
        life.envelopes[-1]["metadata"]["recordedAt"] = "2026-03-01T00:00:00Z"
    elif damage == "no file":
        file.unlink()
    await oo.world.record(life, signals_pb2.MoodReported(valence=-2))
    lines_of(caplog)
    found = await first_proposal(oo, snapshots=tmp_path)
    said = [each for each in lines_of(caplog) if each in (READ, NOT_READ, NONE)]
    assert said == [NONE if damage == "no file" else NOT_READ]
    await oo.kill()
    assert await first_proposal(oo) == found


async def test_killed_at_any_moment_it_goes_on_from_the_snapshot_before(oo: Running, tmp_path: Path) -> None:
    life = await newcomer(oo)
    settings = {"OO_SNAPSHOTS": str(tmp_path), "OO_LOG_LEVEL": "info"}
    process_of = await process(oo, None, **settings)
    try:
        while not (tmp_path / FILE).exists():
            await asyncio.sleep(0.02)
        await oo.world.record(life, page_opened())
        await oo.world.quiet()
        process_of.kill()
        await process_of.wait()
        (tmp_path / f"{FILE}.0{UNFINISHED}").write_bytes(b"half")
        await oo.world.record(life, signals_pb2.MoodReported(valence=-2))
        second = await process(oo, asyncio.subprocess.PIPE, **settings)
        while len(life.ended) < 3:
            await asyncio.sleep(0.02)
        await oo.world.quiet()
        second.terminate()
        _, said = await second.communicate()
        assert (second.returncode, READ in said.decode()) == (0, True)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process_of.kill()
    assert await asyncio.to_thread(os.listdir, tmp_path) == [FILE]
    assert all(each.identical for each in replay(life.user, life.events, COMMON_PRIOR).decisions)
    assert len(life.ended) == len(set(life.ended)) == 3


@pytest.mark.parametrize("snapshots", [True, False])
async def test_somebody_whose_streams_were_deleted_for_good_holds_nothing_up(
    oo: Running, snapshots: bool, tmp_path: Path
) -> None:
    settings: dict[str, Any] = {"snapshots": tmp_path} if snapshots else {}
    gone, stays = await newcomer(oo, 1), await newcomer(oo, 2)
    await oo.start(**settings)
    await oo.world.quiet()
    await oo.kill()
    await oo.world.tombstone(gone)
    await oo.start(**settings)
    await oo.world.quiet()
    assert (await oo.post({"userId": gone.user, "dryRun": True})).status_code == 404
    assert (await oo.post({"userId": stays.user, "dryRun": True})).status_code == 200
    # And while it runs.
    await oo.world.tombstone(stays)
    await oo.world.quiet()
    assert (await oo.post({"userId": stays.user, "dryRun": True})).status_code == 404
    if snapshots:
        await oo.kill()
        assert not (tmp_path / FILE).exists()


async def test_its_figures_tell_the_age_of_the_snapshot(oo: Running, tmp_path: Path) -> None:
    await newcomer(oo)
    await oo.start(snapshots=tmp_path)
    await oo.world.quiet()
    async with httpx.AsyncClient() as http:
        while True:
            figures = (await http.get(f"http://127.0.0.1:{oo.port}/metrics")).text
            if "oo_snapshot_age_seconds{" in figures:
                break
            await asyncio.sleep(0.05)
    size = (tmp_path / FILE).stat().st_size
    assert f'oo_snapshot_bytes{{consumer="recommender"}} {size}\n' in figures


async def test_a_folder_that_nothing_can_be_kept_in_ends_the_process_and_is_named(
    oo: Running, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    started = await process(oo, stderr=asyncio.subprocess.PIPE, OO_SNAPSHOTS=str(tmp_path / "file"))
    _, said = await started.communicate()
    assert started.returncode == 1
    assert "set OO_SNAPSHOTS" in said.decode()


async def test_moments_come_by_the_clock(oo: Running) -> None:
    life = await newcomer(oo)
    # Nothing to tip and nothing said: it waits, and sets a moment.
    await oo.start(policy="random")
    await oo.world.quiet()
    decided = len(life.ended)
    moment = life.person.agenda.next_moment(life.now)
    assert moment is not None
    await oo.steer(moment - 1)
    await oo.world.quiet()
    assert len(life.ended) == decided
    await oo.steer(moment)
    await oo.world.quiet()
    assert len(life.ended) == decided + 1
    last = oo.world.proposals[-1].decision
    assert (last.trigger.kind, last.trigger.id) == (3, life.ended[-2])
    assert last.policy == "random"


async def test_without_the_integrations_service_there_are_advices(oo: Running) -> None:
    oo.world.lists = False
    await newcomer(oo)
    await oo.start()
    await oo.world.quiet()
    refs = [candidate.ref for candidate in oo.world.proposals[0].decision.candidates]
    assert refs
    assert all(ref.startswith("oo:advice:") for ref in refs)


async def test_nobody_is_asked_for_todos_without_consent(oo: Running) -> None:
    life = oo.world.person(1)
    life.register(consent=False)
    life.task("demo:task:1")
    await oo.world.relay()
    await oo.start()
    await oo.world.quiet()
    assert list(oo.world.proposals[0].decision.unavailable) == [1]
    assert list(oo.world.proposals[0].decision.candidates) == []


async def test_who_has_left_is_decided_for_no_more(oo: Running) -> None:
    life = await newcomer(oo)
    await oo.world.record(life, users_pb2.UserErased())
    await oo.start()
    await oo.world.quiet()
    assert oo.world.proposals == []
    reply = await oo.post({"userId": life.user})
    assert (reply.status_code, reply.json()["type"]) == (404, "urn:oo:problem:unknown-user")


async def test_one_who_cannot_be_read_waits_and_everyone_else_goes_on(oo: Running) -> None:
    broken, well = await newcomer(oo, 1), await newcomer(oo, 2)
    broken.envelopes[-1]["metadata"]["schemaVersion"] = 99
    await oo.start()
    await oo.world.quiet()
    assert {proposal.user_id for proposal in oo.world.proposals} == {well.user}
    async with httpx.AsyncClient() as http:
        report = (await http.get(f"http://127.0.0.1:{oo.port}/health")).json()
    assert report["checks"]["state"]["detail"]["parked"] == 1


async def ask(oo: Running, subject: str, body: Any) -> Any:
    reply = await oo.world.client.request(subject, json.dumps(body).encode(), timeout=5)
    return json.loads(reply.data)


async def parked(oo: Running, life: Life) -> list[Any]:
    """Who of the person's partition is parked, once all that there is has been folded: of several processes
    it may have been another one that said so of itself.
    """
    async with asyncio.timeout(10):
        while True:
            answer = await ask(oo, subjects.parked_subject(life.user), {})
            if int(answer["position"]) >= oo.world.head:
                break
            await asyncio.sleep(0.02)
    assert answer["total"] == len(answer["parked"])
    found: list[Any] = answer["parked"]
    return found


async def skip(oo: Running, life: Life, envelope: Any, projection: str = "recommender") -> None:
    await oo.world.record(life, skip_of(envelope, projection))
    await oo.world.quiet()


async def dry(oo: Running, life: Life) -> Any:
    """A decision on the state as it is; nothing is recorded of it."""
    body = {"userId": life.user, "dryRun": True, "requestId": request_id(99)}
    return await ask(oo, subjects.recommend_subject(life.user), body)


async def test_who_is_parked_is_told_and_goes_on_when_the_event_is_left_out(oo: Running) -> None:
    broken, well = await newcomer(oo, 1), await newcomer(oo, 2)
    assert partition_of(broken.user) != partition_of(well.user)
    await oo.start()
    await oo.world.quiet()
    assert await parked(oo, broken) == await parked(oo, well) == []
    before = len(oo.world.proposals)
    # Broken before anybody hears of it.
    broken.record(signals_pb2.MoodReported(valence=-2))
    given_up = broken.envelopes[-1]
    given_up["metadata"]["schemaVersion"] = 99
    await oo.world.relay()
    await oo.world.record(broken, signals_pb2.MoodReported(valence=1))
    await oo.world.record(well, signals_pb2.MoodReported(valence=1))
    await oo.world.quiet()
    assert {proposal.user_id for proposal in oo.world.proposals[before:]} == {well.user}
    (waiting,) = await parked(oo, broken)
    assert waiting == {
        "userId": broken.user,
        "stream": given_up["stream"],
        "revision": given_up["revision"],
        "position": given_up["position"],
        "type": "MoodReported",
        "eventId": given_up["id"],
        "recordedAt": given_up["metadata"]["recordedAt"],
        "behind": 1,
        "error": "cannot read MoodReported version 99: newest version known here is 1",
    }
    assert await parked(oo, well) == []
    one = await ask(oo, subjects.parked_subject(broken.user), {"userId": broken.user})
    assert one["parked"] == [waiting]
    # Tried again it is parked again.
    again = await ask(oo, subjects.retry_parked_subject(broken.user), {"userId": broken.user})
    assert again == {"applied": 5, "parked": waiting}
    refused = await dry(oo, broken)
    assert "oo parked show recommender" in refused["problem"]["detail"]
    # What a read model leaves out is nothing to the recommender.
    await skip(oo, broken, given_up, projection="timeline")
    assert await parked(oo, broken) == [waiting]
    ended = len(broken.ended)
    await skip(oo, broken, given_up)
    assert await parked(oo, broken) == []
    assert len(broken.ended) > ended
    folded = {each.stream: each.revision for each in oo.world.proposals[-1].decision.folded_to}
    assert folded[f"skips-{broken.user}"] == 1
    assert folded[given_up["stream"]] == int(given_up["revision"]) + 1
    # A restart makes the same of it, and all of it replays.
    first = await dry(oo, broken)
    await oo.kill()
    await oo.start()
    await oo.world.quiet()
    assert await parked(oo, broken) == []
    assert await dry(oo, broken) == first
    events = [(read_unread if each is given_up else read_envelope)(each) for each in broken.envelopes]
    again = replay(broken.user, events, COMMON_PRIOR)
    assert [each.identical for each in again.decisions] == [True] * len(broken.ended)


async def test_a_retry_applies_what_can_be_applied_by_now(oo: Running) -> None:
    life = await newcomer(oo)
    life.envelopes[-1]["metadata"]["schemaVersion"] = 99
    await oo.start()
    await oo.world.quiet()
    assert len(await parked(oo, life)) == 1
    life.envelopes[-1]["metadata"]["schemaVersion"] = 2
    answer = await ask(oo, subjects.retry_parked_subject(life.user), {"userId": life.user})
    assert answer == {"applied": len(life.envelopes), "parked": None}
    await oo.world.quiet()
    assert len(life.ended) == 1
    assert await parked(oo, life) == []
    # Nothing waits any more.
    answer = await ask(oo, subjects.retry_parked_subject(life.user), {"userId": life.user})
    assert answer == {"applied": 0, "parked": None}


async def test_a_decision_whose_end_is_left_out_holds_nobody_up(oo: Running) -> None:
    life = await newcomer(oo)
    oo.world.accepts = False
    await oo.start()
    while not oo.world.proposals:
        await asyncio.sleep(0.01)
    life.accept(oo.world.proposals[0].decision)
    end = life.envelopes[-1]
    end["metadata"]["schemaVersion"] = 99
    oo.world.accepts = True
    await oo.world.relay()
    await skip(oo, life, end)
    await oo.world.record(life, signals_pb2.MoodReported(valence=-1))
    await oo.world.quiet()
    assert len(life.ended) == len(set(life.ended)) == 2


async def test_each_process_with_partitions_tells_of_its_own_and_folds_its_own_skips(
    oo: Running,
) -> None:
    life, other = await newcomer(oo, 1), await newcomer(oo, 2)
    for each in (life, other):
        each.envelopes[-1]["metadata"]["schemaVersion"] = 99
    mine = frozenset({partition_of(life.user)})
    await oo.start(partitions=mine)
    with pytest.raises(NoRespondersError):
        await ask(oo, subjects.parked_subject(other.user), {})
    beside = Running(oo.url, oo.world.client)
    await beside.start(partitions=frozenset(range(PARTITIONS)) - mine)
    try:
        for _ in range(8):
            for each in (life, other):
                assert [one["userId"] for one in await parked(oo, each)] == [each.user]
        await skip(oo, other, other.envelopes[-1])
        assert await parked(oo, other) == []
        assert [one["userId"] for one in await parked(oo, life)] == [life.user]
        await skip(oo, life, life.envelopes[-1])
        assert await parked(oo, life) == []
    finally:
        await beside.kill()


async def test_a_question_about_parked_people_that_is_wrong_says_what(oo: Running) -> None:
    life, other = await newcomer(oo, 1), await newcomer(oo, 2)
    await oo.start()
    for subject in (subjects.parked_subject(life.user), subjects.retry_parked_subject(life.user)):
        for body, field in (
            ({"userId": other.user}, "userId"),
            ({"userId": "me"}, "userId"),
            ({"userId": life.user, "reason": "x"}, "reason"),
        ):
            problem = (await ask(oo, subject, body))["problem"]
            assert problem["type"] == "urn:oo:problem:invalid-input"
            assert [error["field"] for error in problem["errors"]] == [field]
    missing = (await ask(oo, subjects.retry_parked_subject(life.user), {}))["problem"]
    assert [error["field"] for error in missing["errors"]] == ["userId"]


async def test_a_decision_that_fails_ends_nobody_elses(oo: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    failing, well = await newcomer(oo, 1), await newcomer(oo, 2)
    decide = decide_module.decide

    def sometimes(person: Person, *arguments: Any) -> Any:
        if person.user == failing.user:
            raise ZeroDivisionError("a bug")
        return decide(person, *arguments)

    monkeypatch.setattr(desk_module, "decide", sometimes)
    await oo.start()
    for valence in (1, 2):
        await oo.world.record(well, signals_pb2.MoodReported(valence=valence))
    async with asyncio.timeout(10):
        while len(well.ended) < 3:
            await asyncio.sleep(0.02)
    assert failing.ended == []
    # It is not given up: the point stays open, and shows in the progress.
    assert not await oo.world.settled(timeout_ms=50)
    assert await parked(oo, failing) == []


async def test_recommend_decides_and_records_unless_it_is_a_dry_run(oo: Running) -> None:
    life = await newcomer(oo)
    await oo.start()
    await oo.steer(life.now + HOUR)
    await oo.world.quiet()
    before = len(life.ended)
    dry = await oo.post({"userId": life.user, "dryRun": True})
    assert (dry.status_code, len(life.ended)) == (200, before)
    request = {"userId": life.user, "requestId": "5f3c2c1e-6c0f-4b1e-9d53-3f2a6f0b7a01"}
    reply, again = await oo.post(request), await oo.post(request)
    assert (reply.status_code, len(life.ended)) == (200, before + 1)
    assert reply.json() == again.json()
    decision, tip = reply.json()["decision"], reply.json()["tip"]
    assert decision["decisionId"] == life.ended[-1]
    assert decision["trigger"] == {
        "kind": "TRIGGER_KIND_REQUEST",
        "id": request["requestId"],
        "at": instant(life.now),
    }
    assert (tip is None) == ("choice" not in decision)
    assert all(again.identical for again in replay(life.user, life.events, COMMON_PRIOR).decisions)
    asked = await oo.world.client.request(
        subjects.recommend_subject(life.user), json.dumps({**request, "dryRun": True}).encode()
    )
    assert json.loads(asked.data)["decision"]["trigger"]["id"] == request["requestId"]


def request_id(number: int) -> str:
    return f"5f3c2c1e-6c0f-4b1e-9d53-{number:012x}"


async def settled_newcomer(oo: Running) -> Life:
    life = await newcomer(oo)
    await oo.start()
    await oo.world.quiet()
    return life


async def is_decided_for(oo: Running, life: Life) -> None:
    """Nothing of the person's waits for an end that does not come."""
    before = len(life.ended)
    await oo.world.record(life, signals_pb2.MoodReported(valence=-1))
    await oo.world.quiet()
    assert len(life.ended) == before + 1
    assert all(again.identical for again in replay(life.user, life.events, COMMON_PRIOR).decisions)


async def test_of_processes_with_partitions_the_one_that_owns_the_person_answers(oo: Running) -> None:
    life, other = await newcomer(oo, 1), await newcomer(oo, 2)
    mine = frozenset({partition_of(life.user)})
    assert partition_of(other.user) not in mine
    await oo.start(partitions=mine)
    beside = Running(oo.url, oo.world.client)
    await beside.start(partitions=frozenset(range(PARTITIONS)) - mine)
    try:
        # Often enough that chance would have asked either.
        for asked in [life, other] * 8:
            question = json.dumps({"userId": asked.user, "dryRun": True}).encode()
            reply = await oo.world.client.request(subjects.recommend_subject(asked.user), question)
            assert "decision" in json.loads(reply.data)
        assert (await oo.post({"userId": life.user, "dryRun": True})).status_code == 200
        elsewhere = await beside.post({"userId": life.user, "dryRun": True})
        assert (elsewhere.status_code, elsewhere.json()["type"]) == (503, "urn:oo:problem:unavailable")
        assert "partition" in elsewhere.json()["detail"]
    finally:
        await beside.kill()


async def test_a_request_twice_at_once_is_one_decision(oo: Running) -> None:
    life = await settled_newcomer(oo)
    before = len(oo.world.proposals)
    request = {"userId": life.user, "requestId": request_id(1)}
    first, second, third = await asyncio.gather(oo.post(request), oo.post(request), oo.post(request))
    assert [reply.status_code for reply in (first, second, third)] == [200, 200, 200]
    assert first.json() == second.json() == third.json()
    assert len(oo.world.proposals) == before + 1
    await is_decided_for(oo, life)


@pytest.mark.parametrize("kept", [1_000, 1], ids=["known", "looked for"])
async def test_a_request_again_long_after_is_the_decision_that_was(
    oo: Running, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk_module, "REQUESTS_KEPT", kept)
    monkeypatch.setattr(desk_module, "END_S", 0.1)
    life = await settled_newcomer(oo)
    asked = [{"userId": life.user, "requestId": request_id(number)} for number in range(7)]
    replies = [await oo.post(request) for request in asked]
    ended, proposed = list(life.ended), len(oo.world.proposals)
    again = await oo.post(asked[0])
    assert (again.status_code, again.json()) == (200, replies[0].json())
    assert life.ended == ended
    sent_in_vain = 0 if kept > 1 else desk_module.SENDS_BEFORE_A_LOOK
    assert len(oo.world.proposals) == proposed + sent_in_vain
    await is_decided_for(oo, life)


async def test_a_request_again_that_was_voided_is_voided(oo: Running) -> None:
    life = await settled_newcomer(oo)
    oo.world.voids = True
    request = {"userId": life.user, "requestId": request_id(1)}
    first, ended, proposed = await oo.post(request), list(life.ended), len(oo.world.proposals)
    again = await oo.post(request)
    assert (first.status_code, again.status_code) == (409, 409)
    assert first.json() == again.json()
    assert (life.ended, len(oo.world.proposals)) == (ended, proposed)
    # After a restart as well.
    await oo.kill()
    await oo.start()
    assert (await oo.post(request)).json() == first.json()
    oo.world.voids = False
    await is_decided_for(oo, life)


async def test_a_request_that_nobody_waits_for_holds_nothing_up_and_may_be_asked_for_again(
    oo: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk_module, "END_S", 0.2)
    life = await settled_newcomer(oo)
    oo.world.accepts = False
    request = {"userId": life.user, "requestId": request_id(1)}
    with monkeypatch.context() as impatient:
        impatient.setattr(requests_module, "TIMEOUT_S", 0.5)
        assert (await oo.post(request)).status_code == 503
    assert await oo.world.settled()
    late = oo.world.proposals[-1].decision
    assert late.decision_id not in life.ended
    oo.world.accepts = True
    life.accept(late)
    await oo.world.relay()
    await oo.world.quiet()
    again = await oo.post(request)
    assert (again.status_code, again.json()["decision"]["decisionId"]) == (200, late.decision_id)
    await is_decided_for(oo, life)


@pytest.mark.parametrize(
    ("body", "status", "kind", "field"),
    [
        (b"{", 400, "malformed-json", "(body)"),
        (b"[" * 100_000, 413, "too-large", "(body)"),
        (b"[" * 50_000, 400, "malformed-json", "(body)"),
        (b"[]", 400, "invalid-input", "(body)"),
        (b"{}", 400, "invalid-input", "userId"),
        (b'{"userId": 7}', 400, "invalid-input", "userId"),
        (b'{"userId": "me"}', 400, "invalid-input", "userId"),
        (b'{"userId": "home_00000000000000000000000000", "dryRun": "yes"}', 400, "invalid-input", "dryRun"),
        (b'{"userId": "home_00000000000000000000000000", "x": 1}', 400, "invalid-input", "x"),
        (
            b'{"userId": "home_00000000000000000000000000", "requestId": "1"}',
            400,
            "invalid-input",
            "requestId",
        ),
        (b'{"userId": "home_00000000000000000000000000"}', 404, "unknown-user", "userId"),
        (b"x" * 70_000, 413, "too-large", "(body)"),
    ],
)
async def test_bad_input_is_answered_with_a_problem_that_names_the_field(
    oo: Running, body: bytes, status: int, kind: str, field: str | None
) -> None:
    await oo.start()
    reply = await oo.post(body)
    document = reply.json()
    assert reply.headers["content-type"] == "application/problem+json"
    assert (reply.status_code, document["status"]) == (status, status)
    assert document["type"] == f"urn:oo:problem:{kind}"
    assert [error["field"] for error in document["errors"]] == ([] if field is None else [field])
    assert oo.world.proposals == []


async def test_only_json_is_taken(oo: Running) -> None:
    await oo.start()
    reply = await oo.post(b"{}", headers={"content-type": "text/plain"})
    assert (reply.status_code, reply.json()["type"]) == (415, "urn:oo:problem:unsupported-media-type")


def page_opened() -> signals_pb2.ContextObserved:
    return signals_pb2.ContextObserved(
        kind=signals_pb2.CONTEXT_KIND_PAGE_OPENED, device=signals_pb2.DEVICE_PHONE
    )


async def test_the_process_killed_in_mid_flow_decides_once_after_its_restart(oo: Running) -> None:
    life = await newcomer(oo)
    oo.world.accepts = False
    first = await process(oo)
    while not oo.world.proposals:
        await asyncio.sleep(0.02)
    first.kill()
    await first.wait()
    oo.world.accepts = True
    second = await process(oo)
    try:
        while not life.ended:
            await asyncio.sleep(0.02)
        await oo.world.quiet()
        assert len(life.ended) == 1
        assert life.ended == [oo.world.proposals[0].decision.decision_id]
        second.terminate()
        assert await asyncio.wait_for(second.wait(), 10) == 0
    finally:
        with contextlib.suppress(ProcessLookupError):
            second.kill()
        await second.wait()


async def process(oo: Running, stderr: int | None = None, **settings: str) -> asyncio.subprocess.Process:
    """The recommender as a process of its own."""
    paths = [ROOT, ROOT / "contracts/python", ROOT / "contracts/generated/python"]
    environment = {
        "PYTHONPATH": ":".join(map(str, paths)),
        "OO_NATS_URL": oo.url,
        "OO_CLOCK": "steered",
        "OO_HEALTH_PORT": str(oo.port),
        "OO_LOG_LEVEL": "warn",
    }
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "ml.serving",
        cwd=ROOT,
        env={**os.environ, **environment, **settings},
        stderr=stderr,
    )


async def test_a_taken_port_ends_the_process_and_is_named(oo: Running) -> None:
    await oo.start()
    second = await process(oo, stderr=asyncio.subprocess.PIPE)
    _, said = await second.communicate()
    assert second.returncode == 1
    assert f"cannot listen on 127.0.0.1:{oo.port}" in said.decode()


async def test_while_there_is_no_broker_it_lives_and_is_not_ready() -> None:
    port = free_port()
    settings = Settings(nats_url=f"nats://secret@127.0.0.1:{free_port()}", health_port=port)
    serving = asyncio.create_task(serve(settings, LOG))
    try:
        async with httpx.AsyncClient() as http:
            while True:
                with contextlib.suppress(httpx.TransportError):
                    live = await http.get(f"http://127.0.0.1:{port}/health/live")
                    break
                await asyncio.sleep(0.02)
            ready = await http.get(f"http://127.0.0.1:{port}/health/ready")
            asked = await http.post(f"http://127.0.0.1:{port}/recommend", json={"userId": user_of(1)})
    finally:
        serving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await serving
    assert (live.status_code, ready.status_code, asked.status_code) == (200, 503, 503)
    assert ready.json()["checks"]["nats"] == {"ok": False}
    assert asked.json()["type"] == "urn:oo:problem:unavailable"


async def test_a_process_that_starts_in_a_steered_past_asks_for_the_time(oo: Running) -> None:
    life = await newcomer(oo)
    await oo.start()
    await oo.world.record(life, page_opened())
    await oo.world.quiet()
    await oo.kill()
    decided = list(life.ended)
    # By the system's time every moment of that past would be over.
    await oo.start()
    await oo.world.quiet()
    assert life.ended == decided
    await oo.kill()
