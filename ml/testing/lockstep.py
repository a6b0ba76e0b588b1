"""`python -m ml.testing.lockstep`: the recommender as a simulation drives it, a step at a time over a pipe.

The shipped `Worker`, `Desk`, `People` and fold run in an event loop whose time and messages come from the
simulation: whenever nothing is left to do at the present moment, one line goes out (what was asked and
published, and when the next timer is due) and one line comes in (what time it is, and what has arrived). So a
run is a function of what comes in, and replays exactly. Nothing of it is shipped.

In:  `{"now", "wall", "items"}`, times in milliseconds; `now` never goes back, `wall` may.
Out: `{"next", "idle", "position", "out"}`, exactly one line for each that came in.
"""

import asyncio
import gc
import json
import logging
import selectors
import sys
from collections.abc import Mapping
from typing import Any, Final, cast

from nats.aio.client import Client
from nats.errors import TimeoutError as NatsTimeoutError
from nats.js.errors import APIError, NotFoundError

from ml.recommender.catalogue import load_advices
from ml.recommender.fold import COMMON_PRIOR, prior_of
from ml.recommender.person import Person
from ml.recommender.policies import CURRENT
from ml.serving.broker import History
from ml.serving.candidates import Candidates
from ml.serving.clock import SystemClock
from ml.serving.desk import Desk
from ml.serving.feed import Delivered, Feed
from ml.serving.people import People
from ml.serving.worker import Worker
from oo_contracts.partition import PARTITIONS

Item = dict[str, Any]
COLLECTED_EVERY: Final = 16
_ALL: Final = frozenset(range(PARTITIONS))


class _Pipe(selectors.SelectSelector):
    """What a loop waits at: instead of sockets, the next line of the simulation."""

    def __init__(self, world: "_World") -> None:
        super().__init__()
        self._world = world

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout > 0:
            self._world.exchange(timeout)
        return []


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self, world: "_World") -> None:
        super().__init__(_Pipe(world))
        self._world = world

    def time(self) -> float:
        return self._world.now / 1000


class _World:
    """Time and messages, as the simulation tells them."""

    def __init__(self) -> None:
        self.now: float = 0
        self.wall: int = 0
        self.out: list[Item] = []
        self.service: _Service | None = None
        self.ended = False
        self._crashes = 0
        self._next_start: Item | None = None

    def exchange(self, timeout: float | None) -> None:
        following = None if timeout is None else self.now + timeout * 1000
        self._say(following)
        self._hear()

    def _say(self, following: float | None) -> None:
        standing = {} if self.service is None else self.service.standing()
        line = {"next": following, "out": self.out} | standing
        sys.stdout.write(json.dumps(line, separators=(",", ":")) + "\n")
        sys.stdout.flush()
        self.out = []

    def _hear(self) -> None:
        line = sys.stdin.readline()
        if not line:
            self.ended = True
            if self.service is not None:
                self.service.loop.stop()
            return
        heard = json.loads(line)
        self.now, self.wall = heard["now"], heard["wall"]
        for item in heard["items"]:
            if item["kind"] == "start":
                self._next_start = item
                if self.service is not None:
                    self.service.loop.stop()
            elif self.service is not None:
                self.service.take(item)

    def run(self) -> None:
        """One service after the other; each start is the end of the one before, as by a crash."""
        self._hear()
        while not self.ended and self._next_start is not None:
            policy, self._next_start = self._next_start["policy"], None
            service = self.service = _Service(self, policy)
            service.loop.run_forever()
            service.abandon()
            self.service = None
            del service
            self._crashes += 1
            if self._crashes % COLLECTED_EVERY == 0:
                gc.collect()


class _Clock(SystemClock):
    def __init__(self, world: _World) -> None:
        self._world = world

    def now(self) -> int:
        return self._world.wall


class _Feed(Feed):
    """The broker's messages, as the simulation delivers them."""

    def __init__(self) -> None:
        self._inbox: asyncio.Queue[Delivered] = asyncio.Queue()
        self.is_live = False

    def put(self, message: Delivered) -> None:
        self._inbox.put_nowait(message)


class _Reply:
    def __init__(self, data: bytes) -> None:
        self.data = data


class _Client:
    """What of a connection to the broker the recommender uses to ask and to publish."""

    def __init__(self, world: _World) -> None:
        self._world = world
        self._asked = 0
        self._waiting: dict[int, asyncio.Future[Any]] = {}

    def jetstream(self) -> "_Client":
        return self

    def jsm(self) -> "_Client":
        return self

    async def delete_stream(self, stream: str) -> None:
        await self._ask({"kind": "delete", "stream": stream}, 5.0)

    async def stream_info(self, stream: str) -> None:
        answer = await self._ask({"kind": "look", "stream": stream}, 5.0)
        if not answer["is"]:
            raise NotFoundError

    async def request(self, subject: str, body: bytes, timeout: float) -> _Reply:  # noqa: ASYNC109
        answer = await self._ask({"kind": "request", "subject": subject, "body": json.loads(body)}, timeout)
        return _Reply(json.dumps(answer).encode())

    async def publish(
        self,
        subject: str,
        body: bytes,
        timeout: float,  # noqa: ASYNC109
        stream: str,
        headers: Mapping[str, str],
    ) -> None:
        item = {"kind": "publish", "subject": subject, "body": body.decode(), "stream": stream}
        answer = await self._ask(item | {"messageId": headers["Nats-Msg-Id"]}, timeout)
        if "error" in answer:
            raise APIError(description=answer["error"])

    async def _ask(self, item: Item, timeout_s: float) -> Any:
        self._asked += 1
        future = self._waiting[self._asked] = asyncio.get_running_loop().create_future()
        self._world.out.append(item | {"id": self._asked})
        try:
            return await asyncio.wait_for(future, timeout_s)
        except TimeoutError as error:
            raise NatsTimeoutError from error
        finally:
            self._waiting.pop(self._asked, None)

    def answer(self, number: int, body: Any) -> None:
        waiting = self._waiting.get(number)
        if waiting is not None and not waiting.done():
            waiting.set_result(body)


class _Errors(logging.Handler):
    """What the recommender calls an error goes to the simulation, which ends by it."""

    def __init__(self, world: _World) -> None:
        super().__init__(logging.ERROR)
        self._world = world
        self._formatter = logging.Formatter()

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.exc_info:
            text += "\n" + self._formatter.formatException(record.exc_info)
        self._world.out.append({"kind": "error", "message": text})


class _Service:
    """The parts of `ml.serving.service`, over the pipe."""

    def __init__(self, world: _World, policy: str) -> None:
        self._world = world
        self.loop = _Loop(world)
        asyncio.set_event_loop(self.loop)
        log = logging.Logger("lockstep")
        log.addHandler(_Errors(world))
        self._log = log
        self._prior = prior_of(COMMON_PRIOR)
        self.loop.set_exception_handler(self._unhandled)
        self._client = _Client(world)
        client = cast(Client, self._client)
        self._feed = _Feed()
        self._clock = _Clock(world)
        self._desk = Desk(
            client,
            self._clock,
            Candidates(client, log),
            load_advices(),
            CURRENT[policy],
            self._prior,
            log,
        )
        self._people = People(self._prior, _ALL, log, self._desk.folded)
        self._worker = Worker(self._people, History(client), self._feed, self._desk, log)
        self._parts = [self.loop.create_task(self._desk.run()), self.loop.create_task(self._worker.run())]
        for part in self._parts:
            part.add_done_callback(self._ended)

    def take(self, item: Item) -> None:
        if item["kind"] == "answer":
            self._client.answer(item["id"], item["body"])
        elif item["kind"] == "deliver":
            self._feed.put(Delivered(item["consumer"], item["sequence"], item["envelope"]))
        elif item["kind"] == "live":
            self._feed.is_live = item["is"]
        elif item["kind"] == "compare":
            self._world.out.append({"kind": "compared", **self._compare(item["envelopes"])})

    def _compare(self, envelopes: list[dict[str, Any]]) -> Item:
        """This memory against a straight fold of the store, and what that fold says is still due."""
        fresh = People(self._prior, _ALL, self._log, lambda _user, _event: None)
        for envelope in envelopes:
            fresh.fold(envelope)
        users = sorted({*self._people, *fresh})
        now = self._clock.now()
        due = [
            decision_id
            for user in users
            if (person := fresh.get(user)) is not None
            for decision_id, _ in person.agenda.due(now)
        ]
        differences = [
            f"{user}: {name}"
            for user in users
            for name in _differences(self._people.get(user), fresh.get(user))
        ]
        return {"due": due, "differences": differences}

    def standing(self) -> Item:
        return {
            "position": self._worker.position,
            "idle": self._worker.is_ready and self._desk.is_idle,
        }

    def _unhandled(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        self._world.out.append({"kind": "error", "message": f"{context.get('message')}: {error!r}"})

    def _ended(self, part: asyncio.Task[None]) -> None:
        if not part.cancelled():
            self._world.out.append({"kind": "error", "message": f"a part ended: {part.exception()!r}"})

    def abandon(self) -> None:
        """As a crash leaves it: nothing of it runs any more."""
        self._desk.close()
        self.loop.set_exception_handler(lambda _loop, _context: None)
        for task in asyncio.all_tasks(self.loop):
            task._log_destroy_pending = False  # type: ignore[attr-defined]
        self.loop.close()


def portrait(person: Person | None) -> dict[str, str]:
    """All that a state holds, as texts that are the same where the state is."""
    if person is None:
        return {}
    values = {name: value for name, value in vars(person).items() if name not in ("belief", "_teacher")}
    agenda = vars(values.pop("agenda"))
    return (
        {name: _text(value) for name, value in values.items()}
        | {f"agenda.{name}": repr(value) for name, value in agenda.items()}
        | {"belief": person.belief.digest}
    )


def _text(value: object) -> str:
    return repr(sorted(value)) if isinstance(value, set | frozenset) else repr(value)


def _differences(one: Person | None, other: Person | None) -> list[str]:
    here, there = portrait(one), portrait(other)
    return [name for name in sorted({*here, *there}) if here.get(name) != there.get(name)]


def main() -> None:
    # The last words of what a crash has left concern nobody, and are said between two services.
    sys.unraisablehook = lambda _unraisable: None
    gc.disable()
    gc.freeze()
    world = _World()
    world.run()


if __name__ == "__main__":
    main()
