"""Keeps everyone's state at the head of the store, and lets the desk decide from there."""

import asyncio
from collections import deque
from logging import Logger
from typing import Any, Final

from ml.serving.broker import Gone, History, Unanswered
from ml.serving.desk import Desk
from ml.serving.feed import Delivered, Feed
from ml.serving.people import Gap, People
from oo_contracts.envelope import Address, EnvelopeMalformed, read_address
from oo_contracts.ids import UserId
from oo_contracts.streams import streams_of

SWEEP_S: Final = 1.0
"""After this long without a message the store is asked whether there is more."""
POLL_S: Final = 0.2
"""The same while the broker has no feed, and the pause after a failure."""
BEHIND_S: Final = 0.05
"""How long somebody who asks for progress waits for the broker before the store is asked."""


NOT_YET: Final = 1 << 63
"""Behind every position."""
MARKS: Final = 64
"""Newest events that are kept, to know the store by."""


class Worker:
    """Refolds everyone from the store at a start, then applies what the broker delivers for as long as that
    follows without a hole; whenever it does not, it reads the store again. The broker makes it fast, the
    store makes it right.
    """

    def __init__(self, people: People, history: History, feed: Feed, desk: Desk, log: Logger) -> None:
        self._people = people
        self._history = history
        self._feed = feed
        self._desk = desk
        self._log = log
        self._hurry = asyncio.Event()
        self.position = -1
        """Position up to which everything is folded."""
        self.is_ready = False
        """It has reached the head of the store, and does not fail."""
        self.refolded = 0
        """States that were made anew, since events were missing between."""
        self.told = 0
        """Events that were folded, or passed over, since the start."""
        self.newest: deque[dict[str, Any]] = deque(maxlen=MARKS)
        """The last of them, the newest at the end."""

    async def run(self) -> None:
        """Runs until it is cancelled. After a failure it goes on from where it was."""
        reported = ""
        while True:
            try:
                await self._follow()
            except Unanswered as error:
                self.is_ready = False
                self._desk.close()
                if str(error) != reported:
                    self._log.warning("the store's past cannot be read", extra={"reason": str(error)})
                reported = str(error)
                await asyncio.sleep(POLL_S)

    async def progress(self, position: int, timeout_s: float) -> bool:
        """Waits until all up to `position` is folded and nothing is due; False where it takes longer."""
        loop = asyncio.get_running_loop()
        deadline, impatient = loop.time() + timeout_s, loop.time() + BEHIND_S
        while not (self.is_ready and self.position >= position and self._desk.is_idle):
            now = loop.time()
            if now >= deadline:
                return False
            if self.position < position and now >= impatient:
                self._hurry.set()
                impatient = now + BEHIND_S
            await asyncio.sleep(min(0.005, deadline - now))
        return True

    async def retry(self, user: UserId) -> int:
        """Folds a parked person anew out of the store, and gives how many events it took; 0 where they are
        not parked (any more). Raises Unanswered.
        """
        while (parked := self._people.parked.get(user)) is not None:
            envelopes = await self._whole(user)
            if envelopes is None:
                return 0
            # What came meanwhile may not be in what was read, and would be lost: then once more.
            if self._people.parked.get(user) is parked:
                self.refolded += 1
                return self._people.refold(user, envelopes)
        return 0

    async def _follow(self) -> None:
        await self._catch_up()
        self.is_ready = True
        self._log.info("caught up", extra={"position": str(self.position), "people": len(self._people)})
        self._desk.open(self._people)
        await self._follow_live()

    async def _follow_live(self) -> None:
        last: Delivered | None = None
        while True:
            message = await self._next()
            if message is None:
                await self._catch_up()
                continue
            follows = last is not None and (last.consumer, last.sequence + 1) == (
                message.consumer,
                message.sequence,
            )
            try:
                position = read_address(message.envelope).position
            except EnvelopeMalformed as error:
                self._log.error("a message is no event", extra={"reason": str(error)})
                continue
            if position > self.position:
                if follows:
                    await self._fold(message.envelope)
                    self.position = position
                else:
                    # A follower of the store's cluster may be behind the broker for a moment.
                    while self.position < position:
                        before = self.position
                        await self._catch_up()
                        if self.position == before:
                            await asyncio.sleep(POLL_S)
            last = message

    async def _next(self) -> Delivered | None:
        """The next message; None when the store should be asked."""
        message = asyncio.ensure_future(self._feed.next(SWEEP_S if self._feed.is_live else POLL_S))
        hurry = asyncio.ensure_future(self._hurry.wait())
        try:
            await asyncio.wait([message, hurry], return_when=asyncio.FIRST_COMPLETED)
            if message.done():
                return message.result()
            self._hurry.clear()
            return None
        finally:
            hurry.cancel()
            message.cancel()

    async def _catch_up(self) -> None:
        async for page in self._history.after(self.position):
            for envelope in page:
                await self._fold(envelope)
            self.position = read_address(page[-1]).position
            # A long past leaves room for health and requests.
            await asyncio.sleep(0)

    async def refold(self, user: UserId) -> int:
        """Makes a person's state anew out of the store, and gives how many events it took."""
        envelopes = await self._whole(user)
        return 0 if envelopes is None else self._people.refold(user, envelopes)

    async def _fold(self, envelope: dict[str, Any]) -> None:
        try:
            self._people.fold(envelope)
        except EnvelopeMalformed as error:
            self._log.error("what the store told is no event", extra={"reason": str(error)})
            return
        except Gap as gap:
            await self._refold_through(gap.user, read_address(envelope))
        self.told += 1
        self.newest.append(envelope)

    async def _refold_through(self, user: UserId, through: Address) -> None:
        """Folds a person anew, up to an event at least, unless the store has it no more."""
        self.refolded += 1
        is_there = False
        while True:
            await self.refold(user)
            if is_there or self._people.has(user, through) or self._people.has_left(user):
                return
            # A follower of the store's cluster may be behind the broker for a moment; it tells nothing twice.
            is_there = await self._history.head() >= through.position
            if not is_there:
                await asyncio.sleep(POLL_S)

    async def _whole(self, user: UserId) -> list[dict[str, Any]] | None:
        """All events that a person's state depends on; None where their streams are gone, and so are they."""
        try:
            return [one async for page in self._history.of_streams(streams_of(user)) for one in page]
        except Gone:
            # The record of it stands somewhere, and comes in its place.
            self._people.leave(user, NOT_YET)
            return None
