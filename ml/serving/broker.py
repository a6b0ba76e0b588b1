"""The connection to the broker, and questions asked over it."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from nats.aio.client import Client
from nats.errors import Error as NatsError

from oo_contracts.subjects import HISTORY_HEAD, HISTORY_READ

GONE: Final = "urn:oo:problem:unknown-user"
PAGE = 500
"""Events in one answer of the history, at the most."""


class Unanswered(RuntimeError):
    """Nobody answered in time, or the answer was a problem."""


class Gone(Unanswered):
    """A stream that was asked for was deleted for good: its person has left."""


async def connect(client: Client, url: str, name: str, report: Callable[[str], None]) -> None:
    """Opens a connection that is never given up, and waits for as long as the first one takes.

    `url` is nats://TOKEN@HOST:PORT, several with commas between. `report` is told what goes wrong, once each.
    """
    parts = [urlsplit(part.strip()) for part in url.split(",")]
    reported = ""

    async def failed(error: Exception) -> None:
        nonlocal reported
        reason = type(error).__name__
        if reason != reported:
            report(reason)
        reported = reason

    while True:
        try:
            await client.connect(
                servers=[f"{part.scheme}://{part.hostname}:{part.port or 4222}" for part in parts],
                name=name,
                token=next((part.username for part in parts if part.username), None),
                max_reconnect_attempts=-1,
                # The stub says int; it is slept as it is.
                reconnect_time_wait=0.25,  # type: ignore[arg-type]
                error_cb=failed,
            )
        except (NatsError, OSError) as error:
            await failed(error)
            await asyncio.sleep(0.25)
        else:
            return


async def request(client: Client, subject: str, body: object, timeout_s: float) -> dict[str, Any]:
    """Asks and gives the answer. Raises Unanswered."""
    try:
        reply = await client.request(subject, json.dumps(body).encode(), timeout=timeout_s)
        answer = json.loads(reply.data)
    except (TimeoutError, NatsError, OSError, ValueError) as error:
        raise Unanswered(f"{subject}: {type(error).__name__}") from error
    if not isinstance(answer, dict):
        raise Unanswered(f"{subject}: the answer is no object")
    if "problem" in answer:
        said = f"{subject}: {answer['problem'].get('detail', 'a problem')}"
        raise (Gone if answer["problem"].get("type") == GONE else Unanswered)(said)
    return answer


class History:
    """The store's past, as the relay tells it. Raises Unanswered wherever it does not, and Gone where one of
    the streams that are asked for was deleted for good.
    """

    def __init__(self, client: Client, timeout_s: float = 15.0) -> None:
        self._client = client
        self._timeout_s = timeout_s

    async def head(self) -> int:
        """Position of the newest event of oO."""
        answer = await request(self._client, HISTORY_HEAD, {}, self._timeout_s)
        return int(answer["position"])

    def after(self, position: int) -> AsyncIterator[list[dict[str, Any]]]:
        """Envelopes of all events behind a position, in its order, in pages."""
        return self._pages({"fromPosition": str(max(0, position))})

    def of_streams(self, streams: Sequence[str]) -> AsyncIterator[list[dict[str, Any]]]:
        """Envelopes of all events of some streams, in the order of positions, in pages."""
        return self._pages({"streams": list(streams)})

    async def at(self, stream: str, position: int) -> dict[str, Any] | None:
        """The envelope of the stream's event at a position; None where another or none is there."""
        question = {"streams": [stream], "after": str(position - 1), "until": str(position), "limit": 1}
        answer = await request(self._client, HISTORY_READ, question, self._timeout_s)
        events: list[dict[str, Any]] = answer["events"]
        return events[0] if events else None

    async def _pages(self, question: dict[str, object]) -> AsyncIterator[list[dict[str, Any]]]:
        cursor: dict[str, object] = {}
        while True:
            body = question | cursor | {"limit": PAGE}
            answer = await request(self._client, HISTORY_READ, body, self._timeout_s)
            if answer["events"]:
                yield answer["events"]
            following = answer.get("next")
            if following is None:
                return
            cursor = {"after": following}
