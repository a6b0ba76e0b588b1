"""Where time comes from."""

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any, Final, Protocol

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from oo_contracts.instants import epoch_ms
from oo_contracts.subjects import CLOCK_QUERY, CLOCK_SUBJECT

ANSWER_S: Final = 2.0
"""How long whoever steers is waited for before they are asked again."""
QUESTIONS: Final = 15


class Clock(Protocol):
    def now(self) -> int:
        """Milliseconds since 1970."""
        ...

    async def wait_until(self, at: int | None) -> None:
        """Returns when the clock shows `at` or later, and now and then before; None waits for a change."""
        ...


class SystemClock:
    def now(self) -> int:
        return time.time_ns() // 1_000_000

    async def wait_until(self, at: int | None) -> None:
        # A clock that is set, or a laptop that slept, is noticed within a few seconds.
        await asyncio.sleep(5.0 if at is None else min(5.0, max(0.0, (at - self.now()) / 1000)))


class SteeredClock:
    """A clock that stands where it was put, and follows the system's while it was not, or was released."""

    def __init__(self) -> None:
        self._system = SystemClock()
        self._stands_at: int | None = None
        self._changed = asyncio.Event()
        self._heard = False

    def now(self) -> int:
        return self._system.now() if self._stands_at is None else self._stands_at

    async def wait_until(self, at: int | None) -> None:
        waits: set[asyncio.Future[Any]] = {asyncio.ensure_future(self._changed.wait())}
        if self._stands_at is None:
            waits.add(asyncio.ensure_future(self._system.wait_until(at)))
        elif at is not None and at <= self._stands_at:
            return
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    def steer(self, at: int | None) -> None:
        """Puts the clock to a moment, where it stands; None releases it."""
        self._stands_at = at
        self._heard = True
        self._changed.set()
        self._changed = asyncio.Event()

    async def follow(self, nats: Client, ignored: Callable[[str], None]) -> None:
        """Follows CLOCK_SUBJECT, and asks whoever steers for the time now: a process that starts again in the
        middle of a steered past must not act by the system's time. Nobody steers where nobody answers.
        `ignored` is told of a message that is no time.
        """

        async def heard(message: Msg) -> None:
            try:
                now = json.loads(message.data)["now"]
                self.steer(None if now is None else epoch_ms(now))
            except (ValueError, KeyError, TypeError) as error:
                ignored(str(error))

        await nats.subscribe(CLOCK_SUBJECT, cb=heard)
        for _ in range(QUESTIONS):
            try:
                answer = await nats.request(CLOCK_QUERY, b"", timeout=ANSWER_S)
            except TimeoutError:
                # It tells of a busy machine. Only when the broker knows of nobody, nobody steers.
                if self._heard:
                    return
                continue
            except NatsError:
                return
            # What was said since is newer than the answer.
            if not self._heard:
                await heard(answer)
            return
