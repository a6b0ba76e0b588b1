"""`python -m ml.evaluation.cold_start [--people 10000] [--events 150] [--policy learned] [--json]`: how long
the recommender takes to know everybody, with a snapshot and without one, and what writing one costs.

The parts are those of the process, and so is what they read: pages of JSON. Store and broker are left out;
what they need for a page comes on top of a start without a snapshot. All in one run, so that ratios stand on
a busy machine, too. Starts, and writing at the end, are the processor's time, of all threads; decisions, and
writing beside them, are the clock's. Rows as those of `ml.evaluation.speed`.
"""

import argparse
import asyncio
import gc
import json
import logging
import re
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
from nats.aio.client import Client

from ml.evaluation.rows import Row, print_rows, row
from ml.recommender.agenda import Trigger
from ml.recommender.fold import PRIORS, prior_of
from ml.recommender.person import DAY
from ml.recommender.policies import CURRENT
from ml.recommender.record import record_of
from ml.serving.broker import PAGE, History
from ml.serving.candidates import Candidates
from ml.serving.clock import SystemClock
from ml.serving.desk import Desk
from ml.serving.feed import Feed
from ml.serving.people import People
from ml.serving.snapshots import SLICE_S, Snapshots, open_folder
from ml.serving.worker import Worker
from ml.testing.life import ADVICES, Life, user_of
from oo.v1 import decisions_pb2
from oo_contracts.ids import UserId, decision_id_of
from oo_contracts.partition import PARTITIONS

LIVES: Final = 50
"""Different lives; everybody else has one of these, under their own name and with their own ids."""
STEP: Final = 10
EVERY_S: Final = 0.004
"""Between two decisions."""


class _Lives:
    """Many people's events, made of a few lives when they are asked for."""

    def __init__(self, policy: str, people: int, events: int) -> None:
        self.people = people
        self.events = events
        self.lives = [Life(number, CURRENT[policy]) for number in range(min(LIVES, people))]
        self._texts = [self._text(life) for life in self.lives]

    def _text(self, life: Life) -> tuple[str, "re.Pattern[str]", dict[str, Trigger]]:
        while len(life.envelopes) < self.events:
            life.live(1)
        decided = {decision.id: decision.trigger for decision in life.decisions}
        numbered = [
            envelope | {"position": f"@{place}@"}
            for place, envelope in enumerate(life.envelopes[: self.events])
        ]
        ids = "|".join([life.user, *decided])
        return json.dumps(numbered)[1:-1], re.compile(rf"@(\d+)@|{ids}"), cast(Any, decided)

    def of(self, number: int) -> str:
        """A person's envelopes, as JSON between commas."""
        text, pattern, decided = self._texts[number % len(self._texts)]
        user, base = user_of(number), STEP * (1 + number * self.events)

        def named(found: "re.Match[str]") -> str:
            if found[1] is not None:
                return str(base + STEP * int(found[1]))
            trigger = decided.get(found[0])
            if trigger is None:
                return user
            return decision_id_of(user, decisions_pb2.TriggerKind.Name(trigger.kind), trigger.id)

        return pattern.sub(named, text)

    def pages(self) -> Iterator[str]:
        at_once = max(1, PAGE // self.events)
        for first in range(0, self.people, at_once):
            yield ",".join(self.of(number) for number in range(first, min(self.people, first + at_once)))


class _Store(History):
    """Pages as the broker gives them. What making them takes is not counted."""

    def __init__(self, lives: _Lives) -> None:
        self._lives = lives
        self.making_s = 0.0

    async def after(self, position: int) -> AsyncIterator[list[Row]]:
        start = time.process_time()
        last = STEP * (self._lives.people * self._lives.events + 1)
        if position < last - STEP:
            for page in self._lives.pages():
                self.making_s += time.process_time() - start
                yield json.loads(f"[{page}]")
                start = time.process_time()

    async def at(self, stream: str, position: int) -> Row | None:
        envelopes: list[Row] = json.loads(f"[{self._lives.of(self._lives.people - 1)}]")
        place = (stream, str(position))
        return next((each for each in envelopes if (each["stream"], each["position"]) == place), None)


class _Client:
    def jetstream(self) -> "_Client":
        return self

    def jsm(self) -> "_Client":
        return self


class _Process:
    def __init__(self, store: _Store, folder: Path, policy: str) -> None:
        self.policy = CURRENT[policy]
        self.prior = prior_of(PRIORS[self.policy.features])
        log, client = logging.getLogger("oo"), cast(Client, _Client())
        candidates = Candidates(client, log)
        self.desk = Desk(client, SystemClock(), candidates, ADVICES, self.policy, self.prior, log)
        self.people = People(self.prior, range(PARTITIONS), log, self.desk.folded)
        self.worker = Worker(self.people, store, cast(Feed, None), self.desk, log)
        self.snapshots = Snapshots(folder, self.people, self.desk, self.worker, store, log)

    async def start(self) -> None:
        await self.snapshots.restore(self.prior, self.policy, range(PARTITIONS))
        await self.worker._catch_up()

    def digest(self, users: Sequence[UserId]) -> list[str]:
        return [person.digest for user in users if (person := self.people.get(user)) is not None]


async def measure(people: int, events: int, policy: str) -> list[Row]:
    lives = _Lives(policy, people, events)
    store = _Store(lives)
    some = [user_of(number) for number in range(0, people, max(1, people // 200))]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        open_folder(folder)
        process = _Process(store, folder, policy)
        start = time.process_time()
        await process.start()
        without = time.process_time() - start - store.making_s
        digests = process.digest(some)
        now = max(life.now for life in lives.lives) + DAY
        quiet = await _deciding(process, some, now, 0)
        writing = asyncio.create_task(_timed(process.snapshots))
        busy = await _deciding(process, some, now, len(quiet), while_running=writing)
        wrote = await writing
        size = (folder / "people.snapshot").stat().st_size
        start = time.process_time()
        await process.snapshots._try(None)
        at_stop = time.process_time() - start
        del process
        gc.collect()
        again = _Process(store, folder, policy)
        start = time.process_time()
        await again.start()
        with_it = time.process_time() - start
        if again.snapshots.standing is None or again.digest(some) != digests:
            raise RuntimeError("the snapshot did not count, or is of other states")
    milliseconds = [np.array(times) * 1000 for times in (quiet, busy)]
    p99, while_writing = (float(np.quantile(each, 0.99)) for each in milliseconds)
    longest, longest_while_writing = (float(each.max()) for each in milliseconds)
    return [
        row("cold-start-without", without, "s"),
        row("cold-start-with", with_it, "s", without),
        row("snapshot", size / 1_000_000, "MB"),
        row("snapshot-per-person", size / people / 1024, "KiB"),
        row("writing-beside-deciding", wrote, "s"),
        row("writing-at-the-end", at_stop, "s", without),
        row("decision-p99", p99, "ms"),
        row("decision-p99-while-writing", while_writing, "ms", p99),
        row("decision-longest", longest, "ms"),
        row("decision-longest-while-writing", longest_while_writing, "ms", longest),
    ]


async def _timed(snapshots: Snapshots) -> float:
    start = time.perf_counter()
    await snapshots._try(SLICE_S)
    return time.perf_counter() - start


async def _deciding(
    process: _Process,
    users: Sequence[UserId],
    at: int,
    first: int,
    while_running: "asyncio.Task[float] | None" = None,
) -> list[float]:
    """Seconds from the moment that each decision was due to its record: what it waited for, too."""
    times = []
    loop = asyncio.get_running_loop()
    number = first
    due = loop.time() + EVERY_S
    while (while_running is None and number < first + 1_000) or (
        while_running is not None and not while_running.done()
    ):
        await asyncio.sleep(max(0.0, due - loop.time()))
        person = process.people.get(users[number % len(users)])
        if person is not None:
            trigger = Trigger(decisions_pb2.TRIGGER_KIND_PAGE_OPENED, str(number), at, "c", "c")
            record_of(process.desk.decide(person, trigger, []))
        times.append(loop.time() - due)
        # The next one is not held against it that this one was late.
        due = max(due + EVERY_S, loop.time())
        number += 1
    return times


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m ml.evaluation.cold_start", description=__doc__)
    parser.add_argument("--people", type=int, default=10_000)
    parser.add_argument("--events", type=int, default=150, help="of each of them")
    parser.add_argument("--policy", choices=sorted(CURRENT), default="learned")
    parser.add_argument("--json", action="store_true", help="the list as JSON instead of a table")
    wanted = parser.parse_args(arguments)
    if wanted.people < 1 or wanted.events < 1:
        parser.error("give at least one person, and an event for each")
    rows = asyncio.run(measure(wanted.people, wanted.events, wanted.policy))
    print_rows(rows, as_json=wanted.json, width=32, digits=3)
    return 0


if __name__ == "__main__":
    sys.exit(main())
