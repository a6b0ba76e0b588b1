"""Where time comes from."""

import asyncio
import contextlib
import json
import time
from collections.abc import Callable
from typing import Any, Final, Protocol

from nats.aio.client import Client
from nats.aio.msg import Msg

from oo_contracts.instants import epoch_ms
from oo_contracts.subjects import CLOCK_SUBJECT

NOW_MS: Final = 5 * 60_000
HEAR_S: Final = 3.0
"""Who steers repeats the time to a process that does not settle, every 2 s and a bit."""


class Clock(Protocol):
    async def ready(self, newest: int) -> None:
        """Returns when the time that the clock shows can be acted upon. `newest` is the time of the last
        event.
        """
        ...

    def now(self) -> int:
        """Milliseconds since 1970."""
        ...

    async def wait_until(self, at: int | None) -> None:
        """Returns when the clock shows `at` or later, and now and then before; None waits for a change."""
        ...


class SystemClock:
    async def ready(self, newest: int) -> None:
        """Nothing has to be heard first."""

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
        self._heard = asyncio.Event()

    async def ready(self, newest: int) -> None:
        # Events from another time than now may mean that a demo plays the past, and says so in a moment:
        # moments between then and now are not over.
        if not self._heard.is_set() and abs(self._system.now() - newest) > NOW_MS:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._heard.wait(), HEAR_S)

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
        self._heard.set()
        self._changed.set()
        self._changed = asyncio.Event()

    async def follow(self, nats: Client, ignored: Callable[[str], None]) -> None:
        """Follows CLOCK_SUBJECT; `ignored` is told of a message that is no time."""

        async def heard(message: Msg) -> None:
            try:
                now = json.loads(message.data)["now"]
                self.steer(None if now is None else epoch_ms(now))
            except (ValueError, KeyError, TypeError) as error:
                ignored(str(error))

        await nats.subscribe(CLOCK_SUBJECT, cb=heard)
