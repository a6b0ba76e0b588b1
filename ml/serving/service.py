"""The process: its parts, how they are wired, and how they end."""

import asyncio
import contextlib
import hashlib
import json
import socket
from collections.abc import Awaitable, Callable
from functools import partial
from logging import Logger
from typing import Any, Final

import uvicorn
from nats.aio.client import Client
from nats.aio.msg import Msg

from ml.recommender.catalogue import load_advices
from ml.recommender.fold import PRIORS, prior_of
from ml.recommender.policies import CURRENT
from ml.serving.broker import History, Unanswered, connect
from ml.serving.candidates import Candidates
from ml.serving.clock import Clock, SteeredClock, SystemClock
from ml.serving.desk import Desk
from ml.serving.feed import Feed
from ml.serving.figures import Figures
from ml.serving.http import Checks, application
from ml.serving.parking import Parking
from ml.serving.people import People
from ml.serving.published import read_published
from ml.serving.requests import ProblemError, Recommendations
from ml.serving.settings import Settings
from ml.serving.snapshots import Snapshots, open_folder
from ml.serving.worker import Worker
from oo_contracts.ids import UserId
from oo_contracts.partition import PARTITIONS
from oo_contracts.problems import invalid_input, problem
from oo_contracts.subjects import parked_filter, progress_subject, recommend_filter, retry_parked_filter

NAME: Final = "recommender"
RELEASE: Final = "0.1.0"
PROGRESS_TIMEOUT_S: Final = 30.0
READ_AGAIN_S: Final = 0.2


class Service:
    """The recommender's process."""

    def __init__(self, settings: Settings, client: Client, log: Logger) -> None:
        policy = self._policy = CURRENT[settings.policy]
        prior = prior_of(PRIORS[policy.features])
        self._settings = settings
        self._client = client
        self._log = log
        self._clock: Clock = SteeredClock() if settings.clock == "steered" else SystemClock()
        self._desk = Desk(
            client,
            self._clock,
            Candidates(client, log),
            load_advices(),
            policy,
            prior,
            log,
        )
        self._people = People(prior, settings.partitions, log, self._desk.folded, self._left)
        self._feed = Feed(client, _durable(settings.partitions), log)
        self._history = History(client)
        self._worker = Worker(self._people, self._history, self._feed, self._desk, log)
        self._snapshots = (
            Snapshots(settings.snapshots, self._people, self._desk, self._worker, self._history, log)
            if settings.snapshots is not None
            else None
        )
        self._figures = Figures(self._worker, self._people, self._history, self._clock, self._snapshots)
        self._recommendations = Recommendations(self._people, self._worker, self._desk, self._clock)
        self._parking = Parking(self._people, self._worker)

    async def run(self, listener: socket.socket | None) -> None:
        """Runs until it is cancelled or one of its parts fails for good. `listener` is where HTTP is
        answered.
        """
        try:
            await self._run(listener)
        except asyncio.CancelledError:
            if self._snapshots is not None:
                await self._snapshots.close()
            raise

    async def _run(self, listener: socket.socket | None) -> None:
        async with asyncio.TaskGroup() as parts:
            # First, so that a process that waits for the broker can say so.
            if listener is not None:
                parts.create_task(self._http(listener))
            await connect(self._client, self._settings.nats_url, NAME, self._disconnected)
            await self._listen_to_broker()
            parts.create_task(self._feed.run())
            parts.create_task(self._desk.run())
            parts.create_task(self._desk.prepare())
            parts.create_task(self._decide())
            if self._snapshots is not None:
                parts.create_task(self._snapshots.run())

    async def _decide(self) -> None:
        """Starts from the prior that passed the gate last with this policy. Another one that passes counts
        from the next start on: everybody's state is folded from it.
        """
        while True:
            try:
                published = await read_published(self._history)
                break
            except Unanswered as error:
                self._log.debug("the priors cannot be read yet", extra={"reason": str(error)})
                await asyncio.sleep(READ_AGAIN_S)
        prior = published.prior_for(self._policy)
        self._people.start_from(prior)
        self._desk.start_from(prior)
        self._log.info(
            "decides",
            extra={
                "policy": self._policy.name,
                "policyVersion": self._policy.version,
                "priorVersion": prior.version,
            },
        )
        if self._snapshots is not None:
            await self._snapshots.restore(prior, self._policy, self._settings.partitions)
        await self._worker.run()

    def _left(self, user: UserId) -> None:
        self._desk.forget(user)
        if self._snapshots is not None:
            self._snapshots.forget()

    async def _listen_to_broker(self) -> None:
        if isinstance(self._clock, SteeredClock):
            await self._clock.follow(
                self._client, lambda reason: self._log.warning("not a time", extra={"reason": reason})
            )
        await self._client.subscribe(progress_subject(NAME), cb=self._answers(self._progress))
        recommend = self._answers(self._recommend)
        for partition in sorted(self._settings.partitions):
            await self._client.subscribe(recommend_filter(partition), queue="oo", cb=recommend)
            for subject, answer in (
                (parked_filter(partition), self._parking.parked),
                (retry_parked_filter(partition), self._parking.retry),
            ):
                heard = self._answers(partial(answer, partition))
                await self._client.subscribe(subject, queue="oo", cb=heard)

    def _disconnected(self, reason: str) -> None:
        self._log.warning("the broker cannot be reached", extra={"reason": reason})

    def checks(self) -> Checks:
        """What has to be well for the process to be ready."""
        return {
            "nats": {"ok": self._client.is_connected},
            "state": {
                "ok": self._worker.is_ready,
                "detail": {
                    "position": str(self._worker.position),
                    "people": len(self._people),
                    "parked": len(self._people.parked),
                    "refolded": self._worker.refolded,
                    "live": self._feed.is_live,
                },
            },
        }

    async def _http(self, listener: socket.socket) -> None:
        app = application(self._recommendations, self.checks, RELEASE, self._figures.exposition)
        server = uvicorn.Server(
            uvicorn.Config(
                app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=2
            )
        )
        # The process has its own way to end.
        server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment]
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            await asyncio.shield(serving)
        finally:
            server.should_exit = True
            await serving

    async def _progress(self, body: bytes) -> dict[str, Any]:
        question = _object(body)
        errors = []
        position, timeout_ms = question.get("position", "0"), question.get("timeoutMs", 0)
        if not isinstance(position, str) or not position.isdecimal():
            errors.append(("position", "must be a decimal number in a text"))
        if not isinstance(timeout_ms, int | float) or isinstance(timeout_ms, bool) or timeout_ms < 0:
            errors.append(("timeoutMs", "must be a number of milliseconds"))
        if errors:
            raise ProblemError(invalid_input(errors))
        settled = await self._worker.progress(int(position), min(PROGRESS_TIMEOUT_S, timeout_ms / 1000))
        return {"position": str(max(0, self._worker.position)), "settled": settled}

    async def _recommend(self, body: bytes) -> dict[str, Any]:
        return (await self._recommendations.answer(body)).model_dump()

    def _answers(
        self, answer: Callable[[bytes], Awaitable[dict[str, Any]]]
    ) -> Callable[[Msg], Awaitable[None]]:
        """A responder that holds up no other message while it waits."""
        running: set[asyncio.Task[None]] = set()

        async def respond(message: Msg) -> None:
            try:
                reply = await answer(message.data)
            except ProblemError as error:
                reply = {"problem": error.document}
            except Exception:
                self._log.exception("a request failed")
                reply = {"problem": problem("internal", "This is a bug here. See the log.")}
            await message.respond(json.dumps(reply).encode())

        async def heard(message: Msg) -> None:
            task = asyncio.create_task(respond(message))
            running.add(task)
            task.add_done_callback(running.discard)

        return heard


async def serve(settings: Settings, log: Logger) -> None:
    """Runs until it is cancelled. Raises PortTaken, FolderUnusable."""
    if settings.snapshots is not None:
        open_folder(settings.snapshots)
    port = settings.health_port
    listener = None if port is None else listen(settings.host, port)
    client = Client()
    try:
        await Service(settings, client, log).run(listener)
    finally:
        await client.close()


class PortTaken(OSError):
    """Somebody else listens there."""


def listen(host: str, port: int) -> socket.socket:
    """Raises PortTaken."""
    try:
        listener = socket.create_server((host, port), backlog=128)
    except OSError as error:
        raise PortTaken(f"cannot listen on {host}:{port} ({error.strerror}); set OO_HEALTH_PORT") from error
    # asyncio does this only for sockets that name their protocol. Without it an answer, written in two
    # parts, waits 40 ms for the other side's delayed acknowledgement (RFC 1122, 4.2.3.4).
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _durable(partitions: frozenset[int]) -> str:
    """Name of the consumer: another one for another set of partitions."""
    if len(partitions) == PARTITIONS:
        return NAME
    owned = ",".join(str(partition) for partition in sorted(partitions))
    return f"{NAME}-{hashlib.sha256(owned.encode()).hexdigest()[:12]}"


def _object(body: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(body or b"{}")
    except ValueError:
        parsed = None
    if not isinstance(parsed, dict):
        raise ProblemError(problem("malformed-json", "Send a JSON object."))
    return parsed
