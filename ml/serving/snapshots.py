"""When states of people are kept in a file, and read from it at a start.

The file is a cache: without it, or with one that does not count here, everybody is folded from the store and
comes out the same.
"""

import asyncio
import gc
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from logging import Logger
from pathlib import Path
from typing import Any, Final, cast

from ml.recommender.person import Person
from ml.recommender.policy import Policy
from ml.recommender.prior import Prior
from ml.serving.broker import Gone, History, Unanswered
from ml.serving.desk import Desk, End
from ml.serving.people import People
from ml.serving.snapshot_file import (
    ENDS,
    PEOPLE,
    UNFINISHED,
    Freezer,
    Mark,
    Reader,
    Table,
    Unusable,
    Writer,
    freeze_ends,
    key_of,
    mark_of,
    same_key,
    thaw_ends,
)
from ml.serving.worker import Worker
from oo_contracts.ids import UserId
from oo_contracts.streams import owner_of

FILE: Final = "people.snapshot"
EVENTS: Final = 50_000
"""After so many events it is written anew: folding them again takes a few seconds."""
EVERY_S: Final = 600.0
"""After so long it is written anew, if anything was folded since."""
PAUSE_S: Final = 30.0
"""Between the end of one and the beginning of the next, so that writing never takes most of the time, also
where it fails.
"""
LOOK_S: Final = 1.0
SLICE_S: Final = 0.002
"""How long the worker stands still at a time while states are made into bytes."""
ENDS_AT_ONCE: Final = 50
COVERED_S: Final = 30.0
"""How long the feed is waited for, where states have more than it has brought."""
AGAIN_S: Final = 0.2


class NotNow(Exception):
    """It was not written; the text says why. It is tried again."""


class FolderUnusable(OSError):
    """Nothing can be kept there."""


def open_folder(folder: Path) -> None:
    """Makes the folder, and leaves nothing in it that a process did not finish. Raises FolderUnusable."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for unfinished in folder.glob(f"{FILE}.*{UNFINISHED}"):
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        reason = f"cannot keep snapshots in {folder} ({error.strerror}); set OO_SNAPSHOTS"
        raise FolderUnusable(reason) from error


@dataclass(frozen=True, slots=True)
class Standing:
    """The file that is there."""

    age_s: float
    size: int
    """Bytes."""
    behind: int
    """Events that were folded since."""


class Snapshots:
    """Keeps one file in a folder that is this process's alone."""

    def __init__(
        self, folder: Path, people: People, desk: Desk, worker: Worker, history: History, log: Logger
    ) -> None:
        self._path = folder / FILE
        self._people = people
        self._desk = desk
        self._worker = worker
        self._history = history
        self._log = log
        self._freezer: Freezer | None = None
        self._key: dict[str, Any] = {}
        self._marks: list[Mark] = []
        self._written_at: float | None = None
        self._size = 0
        self._told = 0
        self._looked_at = time.monotonic()
        self._restored = asyncio.Event()
        """What is there may be written: before, some people are missing."""
        self._at_once = asyncio.Event()
        self._leavings = 0
        self._reported = ""

    @property
    def standing(self) -> Standing | None:
        """None where there is no file that counts."""
        if self._written_at is None:
            return None
        return Standing(time.monotonic() - self._written_at, self._size, self._worker.told - self._told)

    async def restore(self, prior: Prior, policy: Policy, partitions: Collection[int]) -> None:
        """Reads the file into the people, the desk and the worker, before any of them was told anything.
        Where it does not count it is deleted, and nothing has happened.
        """
        self._freezer = freezer = Freezer(prior)
        self._key = await asyncio.to_thread(key_of, prior, policy, partitions)
        start = time.monotonic()
        try:
            read = await self._read(freezer)
        except FileNotFoundError:
            self._log.info("there is no snapshot; everybody is folded from the store")
            self._restored.set()
            return
        except (Unusable, OSError) as error:
            self._log.warning(
                "the snapshot does not count; everybody is folded from the store",
                extra={"reason": str(error)},
            )
            self._delete()
            self._restored.set()
            return
        table = read.table
        self._people.restore(read.people, table.left)
        self._desk.restore(read.ends, read.traces)
        self._worker.position = table.position
        self._marks = [table.mark]
        self._size = read.size
        self._written_at = time.monotonic() - read.age_s
        for user in map(UserId, table.again):
            await self._refold(user)
            if self._people.has_left(user):
                # Nobody here knew them, but the file names them.
                self.forget()
        self._restored.set()
        self._log.info(
            "the snapshot was read",
            extra={
                "position": str(table.position),
                "people": len(read.people),
                "seconds": round(time.monotonic() - start, 3),
            },
        )

    async def run(self) -> None:
        """Writes it whenever it is time to. Runs until it is cancelled."""
        await self._restored.wait()
        while True:
            try:
                # Not `wait_for`, which forgets that it was cancelled when it has come at that moment.
                async with asyncio.timeout(LOOK_S):
                    await self._at_once.wait()
            except TimeoutError:
                if not self._is_due():
                    continue
            self._at_once.clear()
            await self._try(SLICE_S)

    async def close(self) -> None:
        """Writes it a last time, if anything was folded since. The worker does not run any more."""
        if self._restored.is_set() and (self._worker.told > self._told or self._written_at is None):
            await self._try(None)

    def forget(self) -> None:
        """Somebody who may be in the file has left: it is deleted, and written anew at once."""
        self._leavings += 1
        if self._written_at is not None:
            self._delete()
            self._at_once.set()

    def _is_due(self) -> bool:
        since = time.monotonic() - self._looked_at
        told = self._worker.told - self._told
        if self._freezer is None or told == 0 or (self._reported and since < PAUSE_S):
            return False
        if not self._worker.is_ready:
            # A long past is folded: what is written now is old in a moment.
            return since >= EVERY_S
        return self._written_at is None or since >= EVERY_S or (told >= EVENTS and since >= PAUSE_S)

    async def _try(self, slice_s: float | None) -> None:
        if self._freezer is None:
            return
        try:
            await self._write(self._freezer, slice_s)
            self._reported = ""
        except (NotNow, OSError) as error:
            if str(error) != self._reported:
                self._log.warning("the snapshot was not written", extra={"reason": str(error)})
            self._reported = str(error)
        finally:
            self._looked_at = time.monotonic()

    async def _write(self, freezer: Freezer, slice_s: float | None) -> None:
        """States are written while events are folded: each is whole, some are newer than others. Reading goes
        on behind the position of the beginning, and what a state has already is passed over.

        `slice_s` is how long nothing else happens at a time; None where nothing else has to.
        """
        start, leavings = time.monotonic(), self._leavings
        position, told = self._worker.position, self._worker.told
        if position < 0:
            return
        writer = await asyncio.to_thread(Writer, self._path, self._key)
        try:
            states = _States(self._people, self._desk)
            count, longest = 0, 0.0
            while True:
                began = time.perf_counter()
                payload, some = freezer.people(states, slice_s or 0.05)
                longest = max(longest, time.perf_counter() - began)
                if not some:
                    break
                count += some
                await asyncio.to_thread(writer.block, PEOPLE, payload)
                self._nobody_left_since(leavings)
            ends = self._desk.ends
            for first in range(0, len(ends), ENDS_AT_ONCE):
                payload = freeze_ends(ends[first : first + ENDS_AT_ONCE])
                await asyncio.to_thread(writer.block, ENDS, payload)
                self._nobody_left_since(leavings)
            mark = await self._mark_behind(states.newest, leavings, wait=slice_s is not None)
            again = {*states.passed_over, *self._people.parked}
            # Who left behind the mark is told of again, as everything behind it is.
            left = {trace: at for trace, at in self._people.left.items() if at <= mark.position}
            position = min(position, mark.position)
            self._size = await asyncio.to_thread(writer.finish, position, mark, count, again, left)
            self._written_at, self._told = time.monotonic(), told
            if self._leavings != leavings:
                # While it was put in its place.
                self._delete()
                self._at_once.set()
        except BaseException:
            writer.abandon()
            raise
        self._log.info(
            "the snapshot was written",
            extra={
                "position": str(position),
                "people": count,
                "bytes": self._size,
                "seconds": round(time.monotonic() - start, 3),
                "longestMs": round(longest * 1000, 1),
            },
        )

    def _nobody_left_since(self, leavings: int) -> None:
        if self._leavings != leavings:
            self._at_once.set()
            raise NotNow("somebody left meanwhile; it is written anew")

    async def _mark_behind(self, newest: int, leavings: int, *, wait: bool) -> Mark:
        """The newest event, if nothing in the states is newer. A state that was made anew out of the store
        has what the feed still has to bring.
        """
        until = time.monotonic() + COVERED_S
        while True:
            self._nobody_left_since(leavings)
            mark = self._newest_mark()
            if mark is not None and mark.position >= newest:
                return mark
            if not wait or time.monotonic() >= until:
                raise NotNow("there is no event yet to know the store by")
            await asyncio.sleep(AGAIN_S)

    def _newest_mark(self) -> Mark | None:
        """Of nobody who has left: their streams go, and what is gone proves nothing."""
        for mark in (*map(mark_of, reversed(self._worker.newest)), *self._marks):
            if mark is None:
                continue
            owner = owner_of(mark.stream)
            if owner is not None and (owner.user_id is None or not self._people.has_left(owner.user_id)):
                return mark
        return None

    async def _read(self, freezer: Freezer) -> "_Read":
        reader, collecting = None, gc.isenabled()
        # There is no garbage in what is made here, and looking for it takes as long as making it.
        gc.disable()
        try:
            reader = await asyncio.to_thread(Reader, self._path)
            same_key(reader.table.key, self._key)
            await self._same_store(reader.table.mark)
            status = await asyncio.to_thread(self._path.stat)
            read = _Read(reader.table, status.st_size, max(0.0, time.time() - status.st_mtime))
            while (block := await asyncio.to_thread(reader.block)) is not None:
                kind, payload = block
                if kind == PEOPLE:
                    for person, traces in freezer.thaw(payload):
                        read.people[person.user] = person
                        read.traces.update(traces)
                elif kind == ENDS:
                    read.ends += cast(list[tuple[UserId, End]], thaw_ends(payload))
        except (Unusable, OSError, Unanswered, asyncio.CancelledError):
            raise
        except Exception as error:
            # What unpickling raises is anything. Nothing of it has been given to anybody.
            raise Unusable(f"it is damaged: {type(error).__name__} {error}") from error
        finally:
            if reader is not None:
                reader.close()
            if collecting:
                gc.enable()
        if len(read.people) != reader.table.people:
            raise Unusable("it is damaged: people are missing")
        return read

    async def _same_store(self, mark: Mark) -> None:
        """Raises Unusable where the store does not have the event."""
        while True:
            try:
                found = await self._history.at(mark.stream, mark.position)
                break
            except Gone:
                raise Unusable("the event that it ends with is gone from the store") from None
            except Unanswered as error:
                self._log.debug("the store cannot be read yet", extra={"reason": str(error)})
                await asyncio.sleep(AGAIN_S)
        if found is None or mark_of(found) != mark:
            raise Unusable("it is of another store, or of one that was put back since")

    async def _refold(self, user: UserId) -> None:
        reported = ""
        while True:
            try:
                await self._worker.refold(user)
            except Unanswered as error:
                if str(error) != reported:
                    self._log.warning("the store's past cannot be read", extra={"reason": str(error)})
                reported = str(error)
                await asyncio.sleep(AGAIN_S)
            else:
                return

    def _delete(self) -> None:
        self._written_at = None
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            self._log.error(
                "the snapshot cannot be deleted; somebody in it may have left",
                extra={"file": str(self._path), "reason": str(error)},
            )


class _States(Iterator[tuple[Person, Mapping[str, str]]]):
    """Everybody's state, as it is when it is asked for. Who is parked is passed over."""

    def __init__(self, people: People, desk: Desk) -> None:
        self._people = people
        self._desk = desk
        self._users = iter(list(people))
        self.newest = -1
        """Position of the newest event in one of them."""
        self.passed_over: set[str] = set(people.parked)
        """Who waited at the beginning is in no list, and may have gone on before the end."""

    def __next__(self) -> tuple[Person, Mapping[str, str]]:
        for user in self._users:
            person = self._people.get(user)
            if person is not None:
                self.newest = max(self.newest, person.position)
                return person, self._desk.traces_of(person)
            if user in self._people.parked:
                self.passed_over.add(user)
        raise StopIteration


class _Read:
    """What was read so far; nobody has it yet."""

    def __init__(self, table: Table, size: int, age_s: float) -> None:
        self.table = table
        self.size = size
        self.age_s = age_s
        self.people: dict[UserId, Person] = {}
        self.traces: dict[str, str] = {}
        self.ends: list[tuple[UserId, End]] = []
