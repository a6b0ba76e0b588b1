"""A real nats-server with JetStream, and the services around the recommender played in a few lines."""

import asyncio
import contextlib
import itertools
import json
import random
import shutil
import socket
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import nats
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import Message
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import StreamConfig

from ml.serving.broker import connect
from ml.testing.life import Life
from oo.v1 import candidates_pb2, decisions_pb2
from oo_contracts import subjects
from oo_contracts.envelope import STREAM_DELETED
from oo_contracts.ids import UserId
from oo_contracts.problems import problem

_BLOCKS = [range(first, first + 100) for first in range(20_000, 32_000, 100)]
_left: list[int] = []
_held: list[socket.socket] = []


def free_port() -> int:
    """A port of loopback that is free now, and that no process has been given that lives.

    The rule is that of infra/embedded/src/ports.ts, so that tests of both languages run side by side: ports
    below those of outgoing connections, in blocks; a process has those on whose first port it listens.
    """
    while True:
        if not _left:
            _left.extend(_claim_block())
        port = _left.pop()
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def _claim_block() -> range:
    for block in random.SystemRandom().sample(_BLOCKS, len(_BLOCKS)):
        holder = socket.socket()
        try:
            holder.bind(("127.0.0.1", block[0]))
            holder.listen()
        except OSError:
            holder.close()
            continue
        _held.append(holder)
        return block[1:]
    raise OSError("no port from 20000 to 31999 is free")


@contextlib.asynccontextmanager
async def nats_server() -> AsyncIterator[str]:
    """A server of its own on a free port of loopback, in a fresh folder; gives its URL."""
    beside = Path(sys.executable).parent / "nats-server"
    binary = str(beside) if beside.exists() else shutil.which("nats-server")
    assert binary, "nats-server is missing; install ml/requirements.txt"
    port, folder = free_port(), tempfile.mkdtemp(prefix="oo-nats-")
    arguments = ["-a", "127.0.0.1", "-p", str(port), "-js", "-sd", folder, "--auth", "secret"]
    process = await asyncio.create_subprocess_exec(
        binary, *arguments, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    url = f"nats://secret@127.0.0.1:{port}"
    try:
        client = Client()
        await connect(client, url, "test", lambda _reason: None)
        await client.close()
        yield url
    finally:
        process.terminate()
        await process.wait()
        shutil.rmtree(folder, ignore_errors=True)


class World:
    """The store, the relay, the tips service and the integrations service, for a few people."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._stream = client.jetstream()
        self._positions = itertools.count(1000, 10)
        self.lives: dict[UserId, Life] = {}
        self.relays = True
        """False: events are in the store, and not relayed."""
        self.accepts = True
        """False: the tips service is down."""
        self.voids = False
        """True: the tips service voids what is proposed."""
        self.lists = True
        """False: the integrations service is down."""
        self.proposals: list[decisions_pb2.Proposal] = []
        self.bodies: list[bytes] = []
        self.message_ids: list[str] = []
        self.tombstones: list[dict[str, Any]] = []
        """What stands in the place of streams that were deleted for good."""
        self._relayed = 0

    async def open(self) -> None:
        await self.make_streams()
        await self._answer(subjects.HISTORY_READ, self._read)
        await self._answer(subjects.HISTORY_HEAD, lambda _body: {"position": str(self.head)})
        await self._answer(subjects.CANDIDATES, self._list)
        await self.client.subscribe(subjects.PROPOSALS_SUBJECTS, cb=self._proposed)

    async def make_streams(self) -> None:
        for name, of in (
            (subjects.EVENTS_STREAM, subjects.EVENTS_SUBJECTS),
            (subjects.PROPOSALS_STREAM, subjects.PROPOSALS_SUBJECTS),
        ):
            with contextlib.suppress(nats.js.errors.BadRequestError):
                await self._stream.add_stream(StreamConfig(name=name, subjects=[of]))

    def person(self, number: int, **options: Any) -> Life:
        life = Life(number, positions=self._positions, **options)
        self.lives[life.user] = life
        return life

    @property
    def envelopes(self) -> list[dict[str, Any]]:
        """All events of the store, in its order."""
        return sorted(
            (*self.tombstones, *(envelope for life in self.lives.values() for envelope in life.envelopes)),
            key=lambda envelope: int(envelope["position"]),
        )

    @property
    def head(self) -> int:
        return max((int(envelope["position"]) for envelope in self.envelopes), default=0)

    async def record(self, life: Life, payload: Message) -> None:
        life.record(payload)
        await self.relay()

    async def tombstone(self, life: Life) -> None:
        """Deletes the person's streams for good, and scavenges: records of that are all that is left."""
        for stream in sorted({envelope["stream"] for envelope in life.envelopes}):
            self.tombstones.append(
                {
                    "id": str(uuid.uuid4()),
                    "type": STREAM_DELETED,
                    "stream": stream,
                    "revision": str((1 << 63) - 1),
                    "position": str(next(self._positions)),
                    "data": "",
                }
            )
        life.envelopes.clear()
        await self.relay()

    async def relay(self) -> None:
        """Publishes what is new."""
        for envelope in self.envelopes:
            position = int(envelope["position"])
            if position <= self._relayed:
                continue
            self._relayed = position
            if not self.relays:
                continue
            subject = subjects.event_subject(envelope["stream"], envelope["type"])
            assert subject is not None
            headers = {
                "Nats-Msg-Id": envelope["id"],
                subjects.HEADER_POSITION: envelope["position"],
                subjects.HEADER_REVISION: envelope["revision"],
            }
            await self._stream.publish(subject, json.dumps(envelope).encode(), headers=headers)

    async def settled(self, timeout_ms: int = 10_000) -> bool:
        """Whether the recommender has nothing left to do, now or within a while."""
        body = {"position": str(self.head), "timeoutMs": timeout_ms}
        subject = subjects.progress_subject("recommender")
        reply = await self.client.request(subject, json.dumps(body).encode(), timeout=timeout_ms / 1000 + 2)
        settled: bool = json.loads(reply.data)["settled"]
        return settled

    async def quiet(self) -> None:
        """Waits until nothing more follows."""
        while True:
            head = self.head
            assert await self.settled(), "the recommender did not settle"
            if head == self.head:
                return

    async def _answer(self, subject: str, answer: Callable[[dict[str, Any]], object]) -> None:
        async def respond(message: Msg) -> None:
            reply = answer(json.loads(message.data or b"{}"))
            if reply is not None:
                await message.respond(json.dumps(reply).encode())

        await self.client.subscribe(subject, cb=respond)

    def _read(self, body: dict[str, Any]) -> object:
        streams, cursor = body.get("streams"), int(body.get("after", body.get("fromPosition", 0)))
        if streams is not None and any(each["stream"] in streams for each in self.tombstones):
            return {"problem": problem("unknown-user", "This person has left.")}
        until = int(body.get("until", 1 << 63))
        matching = [
            envelope
            for envelope in self.envelopes
            if cursor < int(envelope["position"]) <= until
            and (streams is None or envelope["stream"] in streams)
        ]
        # A page is small here, so that every test turns some.
        page = matching[: min(body["limit"], 25)]
        more = page[-1]["position"] if len(matching) > len(page) else None
        return {"events": page, "next": more, "head": str(self.head)}

    def _list(self, body: dict[str, Any]) -> object:
        life = self.lives.get(UserId(body["userId"]))
        if not self.lists or life is None:
            return None
        return MessageToDict(candidates_pb2.CandidateList(items=life.items.values()))

    async def _proposed(self, message: Msg) -> None:
        proposal = ParseDict(json.loads(message.data), decisions_pb2.Proposal())
        self.proposals.append(proposal)
        self.bodies.append(message.data)
        self.message_ids.append((message.headers or {})["Nats-Msg-Id"])
        life = self.lives[UserId(proposal.user_id)]
        if self.accepts and proposal.decision.decision_id not in life.ended:
            if self.voids:
                life.void(proposal.decision)
            else:
                life.accept(proposal.decision)
            await self.relay()
