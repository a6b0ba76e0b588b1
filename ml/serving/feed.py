"""What the broker relays, as it happens."""

import asyncio
import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from logging import Logger
from typing import Any

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.errors import APIError, NotFoundError

from oo_contracts.subjects import EVENTS_STREAM

HEARTBEAT_S = 1.0
RETRY_S = 0.25
REMAKE_AFTER_S = 5.0
"""For so long the broker may give no consumer; then the stream is deleted, and the relay makes it anew.

It cannot read what it kept of a consumer or of the stream then, and only deleting the stream helps: of a
consumer that it cannot read it knows nothing.
"""
CAPACITY = 5_000
"""Most messages kept for the worker; the hole behind them sends it to the store."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """A relayed event. It follows the one before directly where the consumer is the same and the sequence one
    more.
    """

    consumer: int
    sequence: int
    envelope: dict[str, Any]


class Feed:
    """A durable JetStream consumer of all that is relayed, made anew whenever it or its stream has gone.

    It begins with what comes next: what was before is the store's to tell, never the broker's. It is not
    filtered, so that sequence numbers without a hole prove that nothing is missing.
    """

    def __init__(self, client: Client, durable: str, log: Logger) -> None:
        self._client = client
        self._durable = durable
        self._log = log
        self._inbox: asyncio.Queue[Delivered] = asyncio.Queue(CAPACITY)
        self._consumer = 0
        self._heard = 0.0
        self._unable_since: float | None = None
        self.is_live = False

    async def next(self, timeout_s: float) -> Delivered | None:
        """The next message, None where none came in time."""
        try:
            return self._inbox.get_nowait()
        except asyncio.QueueEmpty:
            pass
        try:
            return await asyncio.wait_for(self._inbox.get(), timeout_s)
        except TimeoutError:
            return None

    async def run(self) -> None:
        """Runs until it is cancelled."""
        reported = ""
        while True:
            try:
                await self._consume()
                reported = ""
            except (NatsError, OSError, TimeoutError) as error:
                # A stream that nobody has made yet is how every first start looks.
                reason = type(error).__name__
                if reason != reported and not isinstance(error, NotFoundError):
                    self._log.warning("the live feed stopped", extra={"reason": reason})
                reported = reason
                await self._remake_if_unable(error)
            finally:
                self.is_live = False
            await asyncio.sleep(RETRY_S)

    async def _consume(self) -> None:
        manager = self._client.jsm()
        await manager.stream_info(EVENTS_STREAM)
        inbox = self._client.new_inbox()
        self._consumer += 1
        subscription = await self._client.subscribe(inbox, cb=self._receiver(self._consumer))
        try:
            with contextlib.suppress(NotFoundError):
                await manager.delete_consumer(EVENTS_STREAM, self._durable)
            config = ConsumerConfig(
                durable_name=self._durable,
                deliver_subject=inbox,
                deliver_policy=DeliverPolicy.NEW,
                ack_policy=AckPolicy.EXPLICIT,
                ack_wait=30.0,
                max_ack_pending=CAPACITY,
                idle_heartbeat=HEARTBEAT_S,
                flow_control=True,
            )
            made = await manager.add_consumer(EVENTS_STREAM, config)
            if made.delivered is not None and made.delivered.consumer_seq > 0:
                # It would go on where one of that name was in a stream that is lost, and be deaf until then.
                await manager.delete_consumer(EVENTS_STREAM, self._durable)
                await manager.add_consumer(EVENTS_STREAM, config)
            self.is_live = True
            loop = asyncio.get_running_loop()
            self._heard = loop.time()
            # A consumer that has vanished sends no heartbeats.
            while loop.time() - self._heard < 3 * HEARTBEAT_S:
                await asyncio.sleep(HEARTBEAT_S / 2)
        finally:
            if not self._client.is_closed:
                await subscription.unsubscribe()

    async def _remake_if_unable(self, error: Exception) -> None:
        """Nothing in the stream is the only copy: what stood there is published again."""
        if not isinstance(error, APIError) or isinstance(error, NotFoundError):
            self._unable_since = None
            return
        now = asyncio.get_running_loop().time()
        if self._unable_since is None:
            self._unable_since = now
        if now - self._unable_since < REMAKE_AFTER_S:
            return
        self._unable_since = None
        with contextlib.suppress(NatsError, OSError, TimeoutError):
            await self._client.jsm().delete_stream(EVENTS_STREAM)
            self._log.warning("the broker could give no consumer any more; its stream was deleted")

    def _receiver(self, consumer: int) -> Callable[[Msg], Any]:
        async def receive(message: Msg) -> None:
            self._heard = asyncio.get_running_loop().time()
            if message.headers and message.headers.get("Status"):
                # Flow control asks for an answer; a heartbeat may carry its subject too.
                stalled = message.headers.get("Nats-Consumer-Stalled")
                for subject in (message.reply, stalled):
                    if subject:
                        await self._client.publish(subject)
                return
            try:
                envelope = json.loads(message.data)
                sequence = message.metadata.sequence.stream
                self._inbox.put_nowait(Delivered(consumer, sequence, envelope))
            except (ValueError, asyncio.QueueFull) as error:
                # Either leaves a hole in the sequence, and holes are filled from the store.
                self._log.warning("a message was left out", extra={"reason": type(error).__name__})
            await message.ack()

        return receive
