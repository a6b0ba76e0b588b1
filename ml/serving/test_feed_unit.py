"""The feed's own remedies, on a broker that is played."""

import asyncio
import logging
from types import SimpleNamespace
from typing import Any

import pytest
from nats.errors import NoServersError
from nats.errors import TimeoutError as NatsTimeout
from nats.js.api import SequenceInfo
from nats.js.errors import APIError, NotFoundError

from ml.serving import feed
from oo_contracts.subjects import EVENTS_STREAM


class Broker:
    """Answers questions, and makes consumers until it is told to fail."""

    def __init__(self, error: Exception | None) -> None:
        self.error = error
        self.deleted: list[str] = []
        self.is_closed = False
        self.left_over = 0
        """Where a consumer of the name was in a stream that is lost."""
        self.made = 0

    def jsm(self) -> "Broker":
        return self

    def new_inbox(self) -> str:
        return "_INBOX.test"

    async def subscribe(self, _inbox: str, **_: Any) -> "Broker":
        return self

    async def unsubscribe(self) -> None:
        pass

    async def stream_info(self, _name: str) -> None:
        pass

    async def delete_consumer(self, *_: str) -> None:
        pass

    async def add_consumer(self, *_: Any) -> SimpleNamespace:
        if self.error is not None:
            raise self.error
        self.made += 1
        delivered = SequenceInfo(consumer_seq=self.left_over, stream_seq=self.left_over)
        self.left_over = 0
        return SimpleNamespace(delivered=delivered)

    async def delete_stream(self, name: str) -> None:
        self.deleted.append(name)
        self.error = None


async def run_for(seconds: float, broker: Broker) -> None:
    running = asyncio.create_task(feed.Feed(broker, "recommender", logging.getLogger("test")).run())  # type: ignore[arg-type]
    await asyncio.sleep(seconds)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "RETRY_S", 0.01)
    monkeypatch.setattr(feed, "REMAKE_AFTER_S", 0.1)


@pytest.mark.parametrize("code", [10012, 10194])
async def test_a_stream_that_gives_no_consumer_is_deleted_after_a_while(code: int) -> None:
    broker = Broker(APIError(code=500, err_code=code))
    await run_for(0.05, broker)
    assert broker.deleted == []
    await run_for(0.3, broker)
    assert broker.deleted == [EVENTS_STREAM]


@pytest.mark.parametrize("error", [NotFoundError(), NatsTimeout(), NoServersError()])
async def test_a_stream_is_left_alone_whatever_else_is_wrong(error: Exception) -> None:
    broker = Broker(error)
    await run_for(0.3, broker)
    assert broker.deleted == []


async def test_a_new_consumer_does_not_go_on_where_an_old_one_was() -> None:
    broker = Broker(None)
    broker.left_over = 120
    await run_for(0.05, broker)
    assert broker.made == 2
