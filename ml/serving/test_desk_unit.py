"""What the desk does with a broker that stores no proposal."""

import asyncio
import logging
from typing import Any, cast

import pytest
from nats.aio.client import Client
from nats.js.errors import APIError

from ml.recommender.fold import COMMON_PRIOR, new_person, prior_of
from ml.recommender.policies import CURRENT
from ml.serving import desk as desk_module
from ml.serving.candidates import Candidates
from ml.serving.clock import SystemClock
from ml.serving.desk import REFUSALS, Desk
from ml.testing.life import user_of
from oo_contracts.subjects import PROPOSALS_STREAM


class _Broker:
    """Refuses what it is given, as nats-server does after a full disk, until the stream is made anew."""

    def __init__(self) -> None:
        self.refused = 0
        self.stored: list[bytes] = []
        self.deleted: list[str] = []

    def jetstream(self) -> "_Broker":
        return self

    def jsm(self) -> "_Broker":
        return self

    async def publish(self, _subject: str, body: bytes, **_options: Any) -> None:
        if not self.deleted:
            self.refused += 1
            raise APIError(code=503, err_code=10077, description="no space left on device")
        self.stored.append(body)

    async def delete_stream(self, name: str) -> None:
        self.deleted.append(name)


async def test_a_stream_that_stores_no_proposal_is_deleted_so_that_it_is_made_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(desk_module, "PAUSE_S", 0.0)
    broker = _Broker()
    client = cast(Client, broker)
    log = logging.getLogger("test")
    prior = prior_of(COMMON_PRIOR)
    desk = Desk(client, SystemClock(), Candidates(client, log), [], CURRENT["heuristic"], prior, log)
    person = new_person(user_of(1), prior)
    for attempt in range(REFUSALS + 1):
        await desk._publish(person.user, f"decision:{attempt}", b"{}", None)
        await asyncio.sleep(0)
    assert broker.refused == REFUSALS
    assert broker.deleted == [PROPOSALS_STREAM]
    assert broker.stored == [b"{}"]
