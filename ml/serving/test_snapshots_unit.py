"""A state that was kept is the state that would be folded, and a file that does not count is no state."""

import asyncio
import json
import logging
import os
import pickle
import random
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from nats.aio.client import Client

import ml
import oo_contracts
from ml.recommender.agenda import Trigger
from ml.recommender.decide import decide
from ml.recommender.fold import PRIORS, fold, prior_of
from ml.recommender.person import Person
from ml.recommender.policies import CURRENT
from ml.recommender.policy import Policy
from ml.recommender.record import record_of
from ml.recommender.shortlist import shortlist
from ml.serving import snapshot_file, snapshots
from ml.serving.broker import Gone, History
from ml.serving.candidates import Candidates
from ml.serving.clock import SystemClock
from ml.serving.desk import Desk
from ml.serving.feed import Feed
from ml.serving.people import People
from ml.serving.snapshot_file import Freezer, Mark, Reader, Unusable, Writer, mark_of
from ml.serving.snapshots import FILE, Snapshots, open_folder
from ml.serving.worker import Worker
from ml.testing.life import ADVICES, HOUR, Life
from ml.testing.portrait import portrait
from oo.v1 import decisions_pb2, signals_pb2, users_pb2
from oo_contracts.envelope import STREAM_DELETED
from oo_contracts.ids import UserId
from oo_contracts.partition import PARTITIONS, partition_of

ALL = range(PARTITIONS)
Json = dict[str, Any]


class Store(History):
    """The store's past, a few events at a time."""

    def __init__(self, envelopes: Sequence[Json]) -> None:
        self.envelopes = list(envelopes)
        self.gone: set[str] = set()
        self.page = 7
        self.asked: list[Sequence[str]] = []
        """Streams that were asked for by their names."""

    async def _read(self, after: int, streams: Sequence[str] | None) -> AsyncIterator[list[Json]]:
        if streams is not None and self.gone & set(streams):
            raise Gone("gone")
        found = [
            each
            for each in self.envelopes
            if int(each["position"]) > after and (streams is None or each["stream"] in streams)
        ]
        for first in range(0, len(found), self.page):
            await asyncio.sleep(0)
            yield found[first : first + self.page]

    def after(self, position: int) -> AsyncIterator[list[Json]]:
        return self._read(position, None)

    def of_streams(self, streams: Sequence[str]) -> AsyncIterator[list[Json]]:
        self.asked.append(streams)
        return self._read(-1, streams)

    async def at(self, stream: str, position: int) -> Json | None:
        if stream in self.gone:
            raise Gone("gone")
        return next(
            (e for e in self.envelopes if (e["stream"], int(e["position"])) == (stream, position)), None
        )

    def tombstone(self, life: Life) -> None:
        """Deletes a person's streams for good, and scavenges."""
        mine = {each["stream"] for each in self.envelopes if each["stream"].endswith(life.user)}
        at = max(int(each["position"]) for each in self.envelopes)
        self.envelopes = [each for each in self.envelopes if each["stream"] not in mine]
        self.gone |= mine
        for number, stream in enumerate(sorted(mine), start=1):
            record = {"id": str(number), "type": STREAM_DELETED, "stream": stream, "data": ""}
            self.envelopes.append(record | {"revision": str((1 << 63) - 1), "position": str(at + number)})


class _Client:
    def jetstream(self) -> "_Client":
        return self

    def jsm(self) -> "_Client":
        return self


class Said(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record)

    def reasons(self) -> list[str]:
        return [getattr(each, "reason", each.getMessage()) for each in self.lines]


class Process:
    """The parts of the recommender that a state goes through."""

    def __init__(self, store: Store, folder: Path, policy: str = "heuristic", partitions: Any = ALL) -> None:
        self.policy: Policy = CURRENT[policy]
        self.prior = prior_of(PRIORS[self.policy.features])
        self.partitions = partitions
        self.said = Said()
        log = logging.Logger("test", logging.DEBUG)
        log.addHandler(self.said)
        client = cast(Client, _Client())
        self.desk = Desk(
            client, SystemClock(), Candidates(client, log), ADVICES, self.policy, self.prior, log
        )
        self.people = People(self.prior, partitions, log, self.desk.folded, self.left)
        self.worker = Worker(self.people, store, cast(Feed, None), self.desk, log)
        self.snapshots = Snapshots(folder, self.people, self.desk, self.worker, store, log)
        self.file = folder / FILE

    def left(self, user: UserId) -> None:
        self.desk.forget(user)
        self.snapshots.forget()

    async def start(self) -> "Process":
        open_folder(self.file.parent)
        await self.snapshots.restore(self.prior, self.policy, self.partitions)
        return self

    async def catch_up(self) -> "Process":
        await self.worker._catch_up()
        return self

    async def stop(self) -> None:
        await self.snapshots.close()

    @property
    def used(self) -> bool:
        return "the snapshot was read" in [each.getMessage() for each in self.said.lines]

    def standing(self) -> Json:
        """All of its memory that anything can follow from."""
        return {
            "people": [(user, portrait(person)) for user in self.people if (person := self.people.get(user))],
            "parked": self.people.parked,
            "left": dict(self.people.left),
            "ends": [(user, end.SerializeToString(deterministic=True)) for user, end in self.desk.ends],
        }


async def folded_anew(store: Store, policy: str = "heuristic", partitions: Any = ALL) -> Json:
    process = Process(store, Path("/nowhere"), policy, partitions)
    return (await process.catch_up()).standing()


def population(policy: str, seed: int, people: int = 3, days: int = 4) -> list[Life]:
    """People whose events lie between each other's in the store."""
    draw = random.Random(seed)
    lives = [Life(seed * 100 + number, CURRENT[policy]) for number in range(people)]
    for life in lives:
        life.live(days)
        for _ in range(3):
            life.ask()
        if draw.random() < 0.5:
            life.record(users_pb2.ConsentWithdrawn(scope=users_pb2.CONSENT_SCOPE_TIPS))
    interleave(lives)
    return lives


def interleave(lives: Sequence[Life]) -> None:
    """Gives everybody's events positions in the order of their times."""
    everything = [
        (each["metadata"]["recordedAt"], life.number, each) for life in lives for each in life.envelopes
    ]
    for place, (_, _, envelope) in enumerate(sorted(everything, key=lambda one: one[:2])):
        envelope["position"] = str(1000 + 10 * place)


def stored(lives: Sequence[Life]) -> Store:
    return Store(sorted((e for life in lives for e in life.envelopes), key=lambda e: int(e["position"])))


def decisions(person: Person, policy: Policy, at: int) -> Iterator[bytes]:
    """What would be decided for a person at some moments to come, in bytes."""
    for hours in range(0, 40, 5):
        moment = at + hours * HOUR
        due = [trigger for _, trigger in person.agenda.due(moment)]
        for trigger in [*due, Trigger(decisions_pb2.TRIGGER_KIND_PAGE_OPENED, str(hours), moment, "c", "c")]:
            offers = shortlist(person, trigger.at, [], ADVICES, policy)
            decided = decide(
                person, trigger, offers, policy, person.prior, person.agenda.decision_id(trigger)
            )
            yield record_of(decided).SerializeToString(deterministic=True)


@pytest.mark.parametrize("policy", sorted(CURRENT))
@pytest.mark.parametrize("seed", range(4))
async def test_half_a_history_kept_and_the_rest_folded_is_the_whole_folded(
    tmp_path: Path, policy: str, seed: int
) -> None:
    lives = population(policy, seed)
    everything = stored(lives).envelopes
    whole = await folded_anew(Store(everything), policy)
    for cut in sorted(random.Random(seed).sample(range(1, len(everything)), 4)):
        before = await Process(Store(everything[:cut]), tmp_path, policy).start()
        await (await before.catch_up()).stop()
        after = await Process(Store(everything), tmp_path, policy).start()
        assert after.used
        assert after.standing() == before.standing()
        assert (await after.catch_up()).standing() == whole
        for life in lives:
            person = after.people.get(life.user)
            assert person is not None
            again = fold(life.user, person.prior, life.events)
            assert person.digest == again.digest
            expected = list(decisions(again, after.policy, life.now))
            assert list(decisions(person, after.policy, life.now)) == expected
        after.file.unlink()


@pytest.mark.parametrize("seed", range(8))
async def test_what_is_written_while_events_are_folded_is_good(
    tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each person is written at another moment than the last."""
    monkeypatch.setattr(snapshots, "SLICE_S", 0.0)
    draw = random.Random(seed)
    lives = population("heuristic", seed, people=6, days=2)
    everything = stored(lives).envelopes
    store = Store(everything[: draw.randrange(20, len(everything) // 2)])
    store.page = draw.randrange(1, 9)
    before = await (await Process(store, tmp_path).start()).catch_up()
    begun = before.worker.position
    store.envelopes = everything
    following = asyncio.create_task(before.catch_up())
    await before.snapshots._try(0.0)
    mixed = before.worker.position
    await following
    reader = Reader(before.file)
    assert reader.table.position == begun < mixed
    reader.close()
    after = await Process(store, tmp_path).start()
    assert after.used
    assert (await after.catch_up()).standing() == await folded_anew(store)


async def test_somebody_made_anew_out_of_the_store_waits_for_the_feed_to_be_as_far(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "COVERED_S", 0.0)
    (life,) = population("heuristic", 3, people=1)
    store = stored([life])
    process = await Process(Store(store.envelopes[:10]), tmp_path).start()
    await process.catch_up()
    process.worker._history = store
    await process.worker.refold(life.user)
    await process.snapshots._try(0.002)
    assert process.said.reasons()[-1] == "there is no event yet to know the store by"
    assert files(tmp_path) == []
    await process.catch_up()
    await process.stop()
    assert (await (await Process(store, tmp_path).start()).catch_up()).standing() == await folded_anew(store)


async def kept(tmp_path: Path, lives: Sequence[Life], policy: str = "heuristic") -> Store:
    store = stored(lives)
    process = await Process(store, tmp_path, policy).start()
    await (await process.catch_up()).stop()
    assert process.file.exists()
    return store


async def refused(process: Process) -> str:
    """Why the file did not count. Nothing of it was used, it is gone, and everything is as without."""
    await process.start()
    assert not process.used
    assert not process.file.exists()
    assert (process.worker.position, len(process.people)) == (-1, 0)
    (line,) = [each for each in process.said.lines if each.levelno >= logging.WARNING]
    return str(vars(line)["reason"])


async def test_a_file_that_is_damaged_anywhere_does_not_count(tmp_path: Path) -> None:
    lives = population("heuristic", 1, people=2, days=2)
    store = await kept(tmp_path, lives)
    good = (tmp_path / FILE).read_bytes()
    draw = random.Random(5)
    places = [0, 1, len(good) - 1, *(draw.randrange(len(good)) for _ in range(150))]
    for place in places:
        changed = bytearray(good)
        changed[place] ^= 1 << draw.randrange(8)
        (tmp_path / FILE).write_bytes(changed)
        assert "damaged" in await refused(Process(store, tmp_path)), place


async def test_a_file_that_was_written_half_does_not_count(tmp_path: Path) -> None:
    store = await kept(tmp_path, population("heuristic", 1, people=2, days=2))
    good = (tmp_path / FILE).read_bytes()
    draw = random.Random(6)
    for length in [
        0,
        1,
        len(snapshot_file.LINE),
        len(good) - 1,
        *(draw.randrange(len(good)) for _ in range(40)),
    ]:
        (tmp_path / FILE).write_bytes(good[:length])
        assert "damaged" in await refused(Process(store, tmp_path)), length
    for more in (b"\0", good):
        (tmp_path / FILE).write_bytes(good + more)
        if more != good:
            assert "damaged" in await refused(Process(store, tmp_path))


async def test_parts_that_are_left_out_or_moved_do_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is whole, with a digest of its own."""
    monkeypatch.setattr(time, "perf_counter", iter(range(10**9)).__next__)
    store = await kept(tmp_path, population("heuristic", 1, people=4, days=1))
    good = (tmp_path / FILE).read_bytes()
    at, blocks = len(snapshot_file.LINE), []
    while (head := snapshot_file._HEAD.unpack_from(good, at))[0] != b"T":
        end = at + snapshot_file._HEAD.size + head[1]
        blocks.append(good[at:end])
        at = end
    assert len(blocks) > 4

    def rebuilt(of: Sequence[bytes]) -> bytes:
        body = snapshot_file.LINE + b"".join(of)
        table = good[at : -len(snapshot_file.LINE) - 8]
        return body + table + len(body).to_bytes(8, "big") + snapshot_file.LINE

    assert rebuilt(blocks) == good
    swapped = [blocks[1], blocks[0], *blocks[2:]]
    for of in (blocks[:-1], blocks[1:], swapped, [*blocks, blocks[-1]], []):
        (tmp_path / FILE).write_bytes(rebuilt(of))
        assert "damaged" in await refused(Process(store, tmp_path))


async def test_a_file_of_another_build_prior_policy_or_partitions_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lives = population("heuristic", 1, people=2, days=1)
    store = await kept(tmp_path, lives)
    good = (tmp_path / FILE).read_bytes()

    def put_back() -> Process:
        (tmp_path / FILE).write_bytes(good)
        return Process(store, tmp_path)

    with monkeypatch.context() as other:
        other.setattr(snapshot_file, "build", lambda: "another")
        assert await refused(put_back()) == "it is of another build"
    put_back()
    assert await refused(Process(store, tmp_path, "learned")) == "it is of another prior"
    put_back()
    fewer = Process(store, tmp_path, partitions=range(PARTITIONS - 1))
    assert await refused(fewer) == "it is of another partitions"
    process = put_back()
    process.policy = CURRENT["learned"]
    assert await refused(process) == "it is of another features"
    assert (await put_back().start()).used


def test_any_change_of_code_that_folds_makes_another_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = {
        file.relative_to(package).as_posix()
        for package in (Path(ml.__path__[0]), Path(oo_contracts.__path__[0]))
        for file in snapshot_file._sources(package)
    }
    assert sources >= {
        "recommender/person.py",
        "recommender/priors/common.v3.json",
        "recommender/policies/learned_v2.py",
        "features/v2.py",
        "learning/person_model.py",
        "serving/people.py",
        "serving/snapshot_file.py",
        "upcasters.py",
        "payloads.py",
    }
    build = snapshot_file.build.__wrapped__
    first = build()
    assert first == build() == snapshot_file.build()
    monkeypatch.setattr(sys, "version", "3.99")
    assert build() != first
    monkeypatch.undo()
    monkeypatch.setattr(np, "__version__", "99")
    assert build() != first
    monkeypatch.undo()
    changed = tmp_path / "ml" / "recommender"
    changed.mkdir(parents=True)
    (changed / "person.py").write_text("HABIT = 1")
    monkeypatch.setattr(ml, "__path__", [str(tmp_path / "ml")])
    second = build()
    (changed / "person.py").write_text("HABIT = 2")
    assert len({first, second, build()}) == 3


async def test_a_file_of_another_store_does_not_count(tmp_path: Path) -> None:
    lives = population("heuristic", 1, people=2, days=1)
    store = await kept(tmp_path, lives)
    good = (tmp_path / FILE).read_bytes()
    last = store.envelopes[-1]
    other = json.loads(json.dumps(last))
    other["metadata"]["recordedAt"] = "2027-01-01T00:00:00Z"
    stores = {
        "put back to before": store.envelopes[:-1],
        "put back, and the same command sent again": [*store.envelopes[:-1], other],
        "put back, and gone on": [
            *store.envelopes[:-1],
            last | {"id": "00000000-0000-4000-8000-000000000000"},
        ],
        "moved on by a byte": [*store.envelopes[:-1], last | {"position": str(int(last["position"]) + 1)}],
        "empty": [],
    }
    for name, envelopes in stores.items():
        (tmp_path / FILE).write_bytes(good)
        assert "another store" in await refused(Process(Store(envelopes), tmp_path)), name
    (tmp_path / FILE).write_bytes(good)
    assert (await Process(store, tmp_path).start()).used


async def test_a_state_that_was_written_later_than_the_rest_shows_a_store_that_was_put_back_in_between(
    tmp_path: Path,
) -> None:
    """The position to go on from stands in the older store; what one of the states has does not."""
    lives = population("heuristic", 2, people=6, days=2)
    everything = stored(lives).envelopes
    store = Store(everything[:60])
    store.page = 2
    before = await (await Process(store, tmp_path).start()).catch_up()
    store.envelopes = everything
    following = asyncio.create_task(before.catch_up())
    await before.snapshots._try(0.0)
    await following
    assert "another store" in await refused(Process(Store(everything[:61]), tmp_path))


async def test_who_has_left_is_in_no_file_and_the_one_they_were_in_goes_at_once(tmp_path: Path) -> None:
    lives = population("heuristic", 4, people=3, days=2)
    gone = lives[1]
    store = await kept(tmp_path, lives)
    process = await Process(store, tmp_path).start()
    await process.catch_up()
    writing = asyncio.create_task(process.snapshots.run())
    life_goes_on(store, gone, users_pb2.UserErased())
    await process.catch_up()
    assert not process.file.exists()
    await until(process.file.exists)
    writing.cancel()
    assert is_nowhere(gone, process, tmp_path)
    # What was recorded of them later changes nothing, and brings nobody back.
    life_goes_on(store, gone, signals_pb2.MoodReported(valence=1))
    after = await Process(store, tmp_path).start()
    assert after.used
    assert (await after.catch_up()).standing() == await folded_anew(store)
    assert is_nowhere(gone, after, tmp_path)


async def test_who_leaves_while_it_is_written_is_not_in_it(tmp_path: Path) -> None:
    lives = population("heuristic", 4, people=5, days=1)
    store = stored(lives)
    process = await (await Process(store, tmp_path).start()).catch_up()
    life_goes_on(store, lives[0], users_pb2.UserErased())
    following = asyncio.create_task(process.catch_up())
    await process.snapshots._try(0.0)
    await following
    assert "somebody left meanwhile; it is written anew" in process.said.reasons()
    assert files(tmp_path) == []
    await process.stop()
    assert process.file.exists()
    assert is_nowhere(lives[0], process, tmp_path)


@pytest.mark.parametrize("erased", [True, False])
async def test_streams_that_were_deleted_while_it_was_down_are_not_known_after_it(
    tmp_path: Path, erased: bool
) -> None:
    lives = population("heuristic", 4, people=3, days=2)
    gone = lives[0]
    store = await kept(tmp_path, sorted(lives, key=lambda life: life is not gone))
    if erased:
        life_goes_on(store, gone, users_pb2.UserErased())
    store.tombstone(gone)
    process = await Process(store, tmp_path).start()
    assert process.used
    await process.catch_up()
    assert not process.file.exists()
    assert process.standing() == await folded_anew(store)
    # What comes in its place says it all.
    assert store.asked == []
    await process.stop()
    assert process.file.exists()
    assert is_nowhere(gone, process, tmp_path)
    assert (await Process(store, tmp_path).start()).used


async def test_a_file_outlives_the_streams_of_who_left_last(tmp_path: Path) -> None:
    """It does not end with an event of theirs."""
    lives = population("heuristic", 4, people=3, days=2)
    store = await kept(tmp_path, lives)
    process = await (await Process(store, tmp_path).start()).catch_up()
    life_goes_on(store, lives[1], signals_pb2.MoodReported(valence=1))
    life_goes_on(store, lives[0], users_pb2.UserErased())
    await (await process.catch_up()).stop()
    store.tombstone(lives[0])
    again = await Process(store, tmp_path).start()
    assert again.used
    assert (await again.catch_up()).standing() == await folded_anew(store)


async def test_a_first_event_of_a_stream_brings_nobody_back_who_has_left(tmp_path: Path) -> None:
    """It follows what is known of a stream that nothing is known of."""
    gone, stays = Life(1), Life(2)
    for life in (gone, stays):
        life.register()
    gone.record(users_pb2.UserErased())
    stays.task("demo:task:1")
    interleave([gone, stays])
    store = await kept(tmp_path, [gone, stays])
    life_goes_on(store, gone, signals_pb2.MoodReported(valence=1))
    after = await Process(store, tmp_path).start()
    assert after.used
    assert (await after.catch_up()).standing() == await folded_anew(store)
    assert list(after.people) == [stays.user]
    assert store.asked == []


@pytest.mark.parametrize("moment", ["waits for the feed", "puts it in its place"])
async def test_who_leaves_while_it_ends_is_not_in_it(
    tmp_path: Path, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "AGAIN_S", 0.001)
    lives = population("heuristic", 4, people=3, days=1)
    store = stored(lives)
    process = await (await Process(store, tmp_path).start()).catch_up()
    finish, mark_behind, ended = Writer.finish, Snapshots._mark_behind, []
    gone = lives[0].user

    def finishing(*arguments: Any) -> int:
        ended.append(moment)
        if moment == "puts it in its place":
            process.people.leave(gone, 1)
        return finish(*arguments)

    async def waiting(*arguments: Any, **options: Any) -> Mark:
        if moment == "waits for the feed" and not process.people.has_left(gone):
            process.people.leave(gone, 1)
        return await mark_behind(*arguments, **options)

    monkeypatch.setattr(Writer, "finish", finishing)
    monkeypatch.setattr(Snapshots, "_mark_behind", waiting)
    await process.snapshots._try(0.002)
    assert files(tmp_path) == []
    assert ended == ([moment] if moment == "puts it in its place" else [])
    assert process.snapshots._at_once.is_set()


async def test_it_ends_when_it_is_told_to_at_the_moment_when_it_would_write(tmp_path: Path) -> None:
    process = await Process(stored(population("heuristic", 4, people=1, days=1)), tmp_path).start()
    running = asyncio.create_task(process.snapshots.run())
    await asyncio.sleep(0.01)
    process.snapshots._at_once.set()
    running.cancel()
    done, _ = await asyncio.wait([running], timeout=5)
    assert running in done


async def test_a_file_that_ends_with_an_event_of_somebody_who_is_gone_does_not_count(tmp_path: Path) -> None:
    lives = population("heuristic", 4, people=3, days=2)
    store = await kept(tmp_path, lives)
    last = next(life for life in lives if store.envelopes[-1]["stream"].endswith(life.user))
    store.tombstone(last)
    assert "gone" in await refused(Process(store, tmp_path))


async def test_who_is_parked_is_folded_from_the_store_at_the_start(tmp_path: Path) -> None:
    lives = population("heuristic", 4, people=3, days=2)
    parked = lives[2]
    parked.envelopes[20]["metadata"]["schemaVersion"] = 99
    store = await kept(tmp_path, lives)
    again = await Process(store, tmp_path).start()
    assert again.used
    assert list(again.people.parked) == [parked.user]
    assert (await again.catch_up()).standing() == await folded_anew(store)
    # A build that can read it has another key; a store whose event was mended in place has not.
    parked.envelopes[20]["metadata"]["schemaVersion"] = 1
    again = await Process(store, tmp_path).start()
    assert again.used
    assert again.people.parked == {}
    mended, anew = (await again.catch_up()).standing(), await folded_anew(store)
    assert dict(mended["people"]) == dict(anew["people"])


async def test_who_is_parked_when_it_begins_and_not_when_it_ends_is_folded_from_the_store_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lives = population("heuristic", 4, people=3, days=2)
    parked = lives[2]
    parked.envelopes[20]["metadata"]["schemaVersion"] = 99
    store = stored(lives)
    process = await (await Process(store, tmp_path).start()).catch_up()
    assert list(process.people.parked) == [parked.user]
    parked.envelopes[20]["metadata"]["schemaVersion"] = 1
    mark_behind = Snapshots._mark_behind

    async def waiting(*arguments: Any, **options: Any) -> Mark:
        assert await process.worker.retry(parked.user) == len(parked.envelopes)
        return await mark_behind(*arguments, **options)

    monkeypatch.setattr(Snapshots, "_mark_behind", waiting)
    await process.snapshots._try(0.002)
    again = await Process(store, tmp_path).start()
    assert again.used
    goes_on, anew = (await again.catch_up()).standing(), await folded_anew(store)
    assert dict(goes_on["people"]) == dict(anew["people"])


async def test_who_is_parked_and_leaves_is_forgotten(tmp_path: Path) -> None:
    lives = population("heuristic", 4, people=2, days=1)
    lives[0].envelopes[-1]["metadata"]["schemaVersion"] = 99
    store = await kept(tmp_path, lives)
    process = await (await Process(store, tmp_path).start()).catch_up()
    life_goes_on(store, lives[0], users_pb2.UserErased())
    await process.catch_up()
    assert process.people.parked == {}
    await process.stop()
    assert is_nowhere(lives[0], process, tmp_path)


@pytest.mark.parametrize("erased", [True, False])
async def test_who_is_parked_and_leaves_while_it_is_down_is_named_nowhere_any_more(
    tmp_path: Path, erased: bool
) -> None:
    lives = population("heuristic", 4, people=3, days=1)
    last = stored(lives).envelopes[-1]["stream"]
    gone = next(life for life in lives if not last.endswith(life.user))
    gone.envelopes[5]["metadata"]["schemaVersion"] = 99
    store = await kept(tmp_path, lives)
    if erased:
        life_goes_on(store, gone, users_pb2.UserErased())
    else:
        store.tombstone(gone)
    process = await Process(store, tmp_path).start()
    assert process.used
    assert not process.file.exists()
    await (await process.catch_up()).stop()
    assert process.file.exists()
    assert is_nowhere(gone, process, tmp_path)
    assert process.standing() == await folded_anew(store)


async def test_only_the_process_s_partitions_are_kept(tmp_path: Path) -> None:
    lives = population("heuristic", 4, people=4, days=1)
    mine = [partition_of(lives[0].user)]
    assert any(partition_of(life.user) not in mine for life in lives)
    store = stored(lives)
    process = await Process(store, tmp_path, partitions=mine).start()
    await (await process.catch_up()).stop()
    after = await Process(store, tmp_path, partitions=mine).start()
    assert after.used
    assert (await after.catch_up()).standing() == await folded_anew(store, partitions=mine)


async def test_a_trace_that_a_decision_will_go_on_with_is_kept(tmp_path: Path) -> None:
    life = Life(1)
    life.register()
    life.task("demo:task:1")
    life.envelopes[-1]["metadata"]["traceparent"] = "00-1-2-01"
    store = await kept(tmp_path, [life])
    after = await Process(store, tmp_path).start()
    person = after.people.get(life.user)
    assert person is not None
    assert after.desk.traces_of(person) == {life.envelopes[-1]["id"]: "00-1-2-01"}


async def test_what_a_process_did_not_finish_goes_at_the_next_start(tmp_path: Path) -> None:
    left = tmp_path / f"{FILE}.0123{snapshot_file.UNFINISHED}"
    left.write_bytes(b"half")
    foreign = tmp_path / "notes"
    foreign.write_bytes(b"mine")
    await Process(Store([]), tmp_path).start()
    assert files(tmp_path) == [foreign.name]


async def test_a_disk_that_takes_nothing_leaves_the_file_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lives = population("heuristic", 1, people=2, days=1)
    store = await kept(tmp_path, lives)
    good = (tmp_path / FILE).read_bytes()
    life_goes_on(store, lives[0], signals_pb2.MoodReported(valence=1))
    process = await (await Process(store, tmp_path).start()).catch_up()

    monkeypatch.setattr(os, "fsync", no_space)
    await process.stop()
    assert "No space left" in process.said.reasons()[-1]
    assert files(tmp_path) == [FILE]
    assert (tmp_path / FILE).read_bytes() == good


async def test_it_is_written_after_so_many_events_or_so_long_and_not_again_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1_000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    lives = population("heuristic", 1, people=2, days=1)
    process = await Process(stored(lives), tmp_path).start()
    due, worker = process.snapshots._is_due, process.worker
    assert not due()
    await process.catch_up()
    # A long past is still read.
    assert not due()
    now += snapshots.EVERY_S
    assert due()
    worker.is_ready = True
    now -= snapshots.EVERY_S
    assert due()
    with monkeypatch.context() as full:
        full.setattr(
            Writer, "finish", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device"))
        )
        await process.snapshots._try(0.002)
    assert not due()
    now += snapshots.PAUSE_S
    assert due()
    await process.snapshots._try(0.002)
    now += snapshots.EVERY_S
    assert not due()
    worker.told += 1
    assert due()
    now -= snapshots.EVERY_S - snapshots.PAUSE_S
    assert not due()
    worker.told += snapshots.EVENTS
    assert due()
    now -= 1
    assert not due()


async def test_nobody_else_can_read_it(tmp_path: Path) -> None:
    await kept(tmp_path / "new", population("heuristic", 1, people=1, days=1))
    assert (tmp_path / "new" / FILE).stat().st_mode & 0o077 == 0
    assert (tmp_path / "new").stat().st_mode & 0o077 == 0


def test_only_what_a_state_is_made_of_is_unpickled() -> None:
    freezer = Freezer(prior_of(PRIORS["v1"]))

    class Evil:
        def __reduce__(self) -> Any:
            return os.getcwd, ()

    for payload in (
        pickle.dumps(Evil()),
        pickle.dumps(pickle.loads),
        b"cml.serving.snapshot_file\nWriter\n.",
    ):
        with pytest.raises(pickle.UnpicklingError, match="is no part of a state"):
            list(freezer.thaw(payload))
    with pytest.raises(Unusable):
        list(freezer.thaw(pickle.dumps(("no person", {}))))


def test_a_mark_is_an_event_of_oo() -> None:
    life = Life(1)
    life.register()
    envelope = life.envelopes[0]
    metadata = envelope["metadata"]
    expected = Mark(int(envelope["position"]), envelope["id"], envelope["stream"], metadata["recordedAt"])
    assert mark_of(envelope) == expected
    assert mark_of({**envelope, "type": STREAM_DELETED, "metadata": None}) is None
    assert mark_of({}) is None


def life_goes_on(store: Store, life: Life, payload: Any) -> None:
    """Something more is recorded of the person, at the store's end."""
    life.record(payload)
    last = int(store.envelopes[-1]["position"])
    store.envelopes.append(life.envelopes[-1] | {"position": str(last + 10)})


def no_space(_descriptor: int) -> None:
    raise OSError(28, "No space left on device")


def files(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def is_nowhere(life: Life, process: Process, folder: Path) -> bool:
    """Neither in memory nor, whatever was packed, in the folder."""
    found = [repr(process.people._people), repr(process.desk.ends), repr(process.desk._requested)]
    for file in folder.iterdir():
        reader = Reader(file)
        found.append(repr(reader.table))
        while (block := reader.block()) is not None:
            found.append(block[1].decode("latin-1"))
        reader.close()
        found.append(file.read_bytes().decode("latin-1"))
    decided = {each.id for each in life.decisions}
    return not any(text in one for one in found for text in (life.user, *decided))


async def until(holds: Any) -> None:
    for _ in range(1_000):
        if holds():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it did not come to be")
