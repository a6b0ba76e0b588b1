"""The file that states of people are kept in between two starts: its form, and what makes it unusable.

    line      what it is
    blocks    kind (1), length (8), digest (32), payload: people, then ends of decisions
    table     the last block: key, position, mark, who is not in it, how many are
    trailer   offset of the table (8), the line again

All numbers are big-endian. A block's digest is SHA-256 over the digest before it, its kind and its payload,
so that none is changed, left out or moved; the table names the last one, and has a digest of its own.

States are pickled (protocol 5), since what is to be kept is a graph of objects with all of their fields, and
is never read by another build than the one that wrote it: the key has a digest of the code. What may be
unpickled is a list of classes. Objects that everybody shares are named instead of written: the prior, its
arrays, the reader of records. What is only remembered to be reckoned once is left out.
"""

import contextlib
import copyreg
import hashlib
import json
import os
import pickle
import platform
import struct
import sys
import time
import uuid
import zlib
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Final

import google.protobuf
import numpy as np
from google.protobuf.message import Message

import ml
import oo_contracts
from ml.learning.person_model import Moment, PersonModel
from ml.learning.regression import Moments
from ml.recommender import fatigue, person
from ml.recommender.agenda import Agenda, Trigger
from ml.recommender.belief import Belief
from ml.recommender.fatigue import Fading, Fatigue, Planned
from ml.recommender.fold import teacher_of
from ml.recommender.person import Person
from ml.recommender.policy import Policy
from ml.recommender.prior import Prior
from oo.v1 import decisions_pb2, tips_pb2
from oo_contracts.envelope import EnvelopeMalformed, read_address
from oo_contracts.ids import UserId

Json = dict[str, Any]

LINE: Final = b"oO: states of people, a cache\n"
UNFINISHED: Final = ".new"
PEOPLE: Final = b"P"
ENDS: Final = b"E"
_TABLE: Final = b"T"
_HEAD: Final = struct.Struct(">cQ32s")
_OFFSET: Final = struct.Struct(">Q")
_LEVEL: Final = 1
"""Of zlib: a third of the size, at a third of the time that the next levels take."""
LARGEST: Final = 256 * 1024 * 1024
"""No block is larger, whatever its length says."""

_CLASSES: Final = {
    (each.__module__, each.__qualname__): each
    for each in (
        *(Person, person.Preferences, person.Task, person.Habit, person.Mood, person.Answer),
        *(person.ActiveTip, person.RefHistory, Agenda, Trigger, OrderedDict, Belief),
        *(Fatigue, Fading, Planned, fatigue._Pending, PersonModel, Moments, Moment),
    )
}
_MESSAGES: Final[Mapping[str, type[Message]]] = {
    each.DESCRIPTOR.full_name: each
    for each in (
        decisions_pb2.DecisionRecord,
        tips_pb2.TipProposed,
        tips_pb2.TipWithheld,
        tips_pb2.DecisionVoided,
    )
}
_REMADE: Final[Mapping[type, Mapping[str, None]]] = {
    Belief: {"_mean": None, "_digest": None},
    Fatigue: {"_digest": None},
    Planned: {},
}
"""Classes that remember what follows from the rest of them, and how they begin without it."""
_REMEMBERED: Final = frozenset({"_mean", "_digest", "digest"})


class Unusable(Exception):
    """The file is not read. The text says why."""


@dataclass(frozen=True, slots=True)
class Mark:
    """An event by which a store is known again: another one has another event there, or none."""

    position: int
    id: str
    stream: str
    recorded_at: str
    """A command sent again to a store that was put back makes an event of the same id, at another time."""


def mark_of(envelope: object) -> Mark | None:
    """None where it is no event of oO's: what the store writes when a stream is deleted has no metadata."""
    try:
        address = read_address(envelope)
    except EnvelopeMalformed:
        return None
    metadata = envelope.get("metadata") if isinstance(envelope, Mapping) else None
    recorded_at = metadata.get("recordedAt") if isinstance(metadata, Mapping) else None
    if not isinstance(recorded_at, str):
        return None
    return Mark(address.position, address.id, address.stream, recorded_at)


@dataclass(frozen=True, slots=True)
class Table:
    """What a file has, and where it stands."""

    key: Json
    position: int
    """Everything up to here is in the states; some have more, which comes again and is passed over."""
    mark: Mark
    """Nothing in the states is newer than this event."""
    people: int
    again: tuple[str, ...]
    """People who are not in it, and have to be folded from the store: they were parked."""
    left: Mapping[str, int]
    """Who has left, by a digest of the pseudonym, and at which position."""


@cache
def build() -> str:
    """SHA-256 (hex) over all code and data that a state follows from, and what runs it."""
    content = hashlib.sha256()
    versions = (sys.version, np.__version__, version("river"), google.protobuf.__version__)
    content.update(json.dumps([*versions, platform.machine(), sys.byteorder]).encode())
    packages = [Path(ml.__path__[0]), Path(oo_contracts.__path__[0])]
    packages += [Path(decisions_pb2.__file__).parent]
    for number, package in enumerate(packages):
        for file in _sources(package):
            content.update(f"\n{number}/{file.relative_to(package).as_posix()}\n".encode())
            content.update(hashlib.sha256(file.read_bytes()).digest())
    return content.hexdigest()


def _sources(package: Path) -> Iterator[Path]:
    files = (each for each in package.rglob("*") if each.suffix in (".py", ".json"))
    aside = {"testing", "evaluation", "pipelines"}
    for file in sorted(files):
        if not file.name.startswith("test_") and not aside & set(file.relative_to(package).parts):
            yield file


def key_of(prior: Prior, policy: Policy, partitions: Collection[int]) -> Json:
    """What has to be the same for a state to be the one that would be folded. `build` is looked at first."""
    return {
        "build": build(),
        "prior": f"{prior.version} {prior.digest}",
        "features": policy.features,
        "partitions": sorted(partitions),
    }


def same_key(found: object, wanted: Json) -> None:
    """Raises Unusable, naming what is not the same."""
    if not isinstance(found, dict):
        raise Unusable("it is damaged: no key")
    for name, value in wanted.items():
        if found.get(name) != value:
            raise Unusable(f"it is of another {name}")


class Writer:
    """Writes a file beside the one that it will replace. Raises OSError wherever the disk does."""

    def __init__(self, path: Path, key: Json) -> None:
        self._path = path
        self._beside = path.with_name(f"{path.name}.{uuid.uuid4().hex}{UNFINISHED}")
        self._key = key
        self._chain = b""
        # Nobody else's to read: it has what is known of people.
        opened = os.open(self._beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        self._file: BinaryIO = os.fdopen(opened, "wb")
        self._file.write(LINE)

    def block(self, kind: bytes, payload: bytes) -> None:
        packed = zlib.compress(payload, _LEVEL)
        self._chain = hashlib.sha256(self._chain + kind + packed).digest()
        self._file.write(_HEAD.pack(kind, len(packed), self._chain))
        self._file.write(packed)

    def finish(
        self, position: int, mark: Mark, people: int, again: Collection[str], left: Mapping[str, int]
    ) -> int:
        """Puts it in the place of the file before, all of which is there until then. Gives its bytes."""
        table: Json = {
            "key": self._key,
            "position": position,
            "mark": asdict(mark),
            "people": people,
            "again": sorted(again),
            "left": dict(left),
            "chain": self._chain.hex(),
        }
        offset, payload = self._file.tell(), json.dumps(table).encode()
        self._file.write(_HEAD.pack(_TABLE, len(payload), hashlib.sha256(_TABLE + payload).digest()))
        self._file.write(payload + _OFFSET.pack(offset) + LINE)
        size = self._file.tell()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._beside.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return size

    def abandon(self) -> None:
        """Leaves nothing of it behind."""
        with contextlib.suppress(OSError):
            self._file.close()
        with contextlib.suppress(OSError):
            self._beside.unlink(missing_ok=True)


class Reader:
    """Reads a file. Raises Unusable where it is not as it was written, and OSError where the disk does."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        try:
            self.table = self._read_table()
        except BaseException:
            self._file.close()
            raise
        self._left = self.table.people

    def _read_table(self) -> Table:
        size = self._file.seek(0, os.SEEK_END)
        trailer = _OFFSET.size + len(LINE)
        if size < len(LINE) + _HEAD.size + trailer:
            raise Unusable("it is damaged: too short")
        self._file.seek(size - trailer)
        (self._end,) = _OFFSET.unpack(self._file.read(_OFFSET.size))
        if self._file.read() != LINE or self._end > size - trailer - _HEAD.size:
            raise Unusable("it is damaged: no end")
        self._file.seek(self._end)
        kind, length, digest = _HEAD.unpack(self._file.read(_HEAD.size))
        if kind != _TABLE or self._end + _HEAD.size + length != size - trailer:
            raise Unusable("it is damaged: no table")
        payload = self._file.read(length)
        if hashlib.sha256(_TABLE + payload).digest() != digest:
            raise Unusable("it is damaged: the table is not what was written")
        self._file.seek(0)
        if self._file.read(len(LINE)) != LINE:
            raise Unusable("it is damaged: no beginning")
        table: Json = json.loads(payload)
        self._chain, self._so_far = bytes.fromhex(table.pop("chain")), b""
        mark, again = Mark(**table.pop("mark")), tuple(table.pop("again"))
        return Table(mark=mark, again=again, **table)

    def block(self) -> tuple[bytes, bytes] | None:
        """Kind and payload of the next block; None behind the last one."""
        at = self._file.tell()
        if at == self._end:
            if self._so_far != self._chain:
                raise Unusable("it is damaged: a part is missing")
            return None
        head = self._file.read(_HEAD.size)
        if at + _HEAD.size > self._end:
            raise Unusable("it is damaged: a part has no end")
        kind, length, digest = _HEAD.unpack(head)
        if at + _HEAD.size + length > self._end or length > LARGEST:
            raise Unusable("it is damaged: a part has no end")
        packed = self._file.read(length)
        self._so_far = hashlib.sha256(self._so_far + kind + packed).digest()
        if self._so_far != digest:
            raise Unusable("it is damaged: a part is not what was written")
        return kind, zlib.decompress(packed)

    def close(self) -> None:
        self._file.close()


class Freezer:
    """Makes bytes of people's states who are folded from a prior, and states of the bytes."""

    def __init__(self, prior: Prior) -> None:
        self.prior = prior
        precision, shift = prior.arrays
        self._teacher = teacher_of(prior)
        self._shared: dict[str, object] = {
            "prior": prior,
            "precision": precision,
            "shift": shift,
            "moments": prior.moments,
        }
        self.names = {id(each): name for name, each in self._shared.items() if each is not None}
        self._shared["teacher"] = self._teacher
        self.teaching = type(self._teacher)

    def people(
        self, people: Iterator[tuple[Person, Mapping[str, str]]], budget_s: float
    ) -> tuple[bytes, int]:
        """Bytes of the next people, with what is theirs beside the state, and how many they are: until the
        time is over, or nobody is left.

        Nothing may be folded into one of them meanwhile.
        """
        buffer, count, until = BytesIO(), 0, time.perf_counter() + budget_s
        pickler = _Pickler(buffer, self)
        for each in people:
            pickler.dump(each)
            count += 1
            if time.perf_counter() >= until:
                break
        return buffer.getvalue(), count

    def thaw(self, payload: bytes) -> Iterator[tuple[Person, Mapping[str, str]]]:
        """The people of such bytes."""
        buffer = BytesIO(payload)
        unpickler = _Unpickler(buffer, self._functions())
        while buffer.tell() < len(payload):
            one, beside = unpickler.load()
            if type(one) is not Person or type(beside) is not dict:
                raise Unusable("it is damaged: no person")
            yield one, beside

    def _functions(self) -> dict[str, Callable[..., object]]:
        return {"_shared": self._shared.__getitem__, "_array": _array, "_message": _message}


class _Pickler(pickle.Pickler):
    def __init__(self, file: BytesIO, freezer: Freezer) -> None:
        super().__init__(file, protocol=5)
        self._names = freezer.names
        self._teaching = freezer.teaching

    def reducer_override(self, each: Any) -> Any:
        kind = type(each)
        if kind is type:
            return NotImplemented
        name = "teacher" if kind is self._teaching else self._names.get(id(each))
        if name is not None:
            return _shared, (name,)
        if kind is np.ndarray:
            if each.dtype != np.float64 or not each.flags.c_contiguous:
                raise TypeError("an array of a state is not one of doubles, row by row")
            return _array, (each.shape, each.tobytes())
        if isinstance(each, Message):
            return _message, (each.DESCRIPTOR.full_name, each.SerializeToString(deterministic=True))
        remade = _REMADE.get(kind)
        if remade is None:
            return NotImplemented
        state = {name: value for name, value in vars(each).items() if name not in _REMEMBERED}
        return copyreg.__newobj__, (kind,), {**state, **remade}  # type: ignore[attr-defined]


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: BytesIO, functions: Mapping[str, Callable[..., object]]) -> None:
        super().__init__(file)
        self._functions = functions

    def find_class(self, module: str, name: str) -> Any:
        found = self._functions.get(name) if module == __name__ else _CLASSES.get((module, name))
        if found is None:
            raise pickle.UnpicklingError(f"{module}.{name} is no part of a state")
        return found


def _shared(name: str) -> object:
    """Stands in a pickle for what everybody shares. Only an unpickler knows what that is."""
    raise LookupError(name)


def _array(shape: tuple[int, ...], content: bytes) -> object:
    return np.frombuffer(content).reshape(shape).copy()


def _message(name: str, content: bytes) -> Message:
    return _MESSAGES[name].FromString(content)


def freeze_ends(ends: Collection[tuple[UserId, Message]]) -> bytes:
    """Bytes of how decisions ended, and whose they were, in their order."""
    return pickle.dumps(
        [(user, end.DESCRIPTOR.full_name, end.SerializeToString(deterministic=True)) for user, end in ends],
        protocol=5,
    )


def thaw_ends(payload: bytes) -> list[tuple[UserId, Message]]:
    """The inverse of `freeze_ends`."""
    ends = _Unpickler(BytesIO(payload), {}).load()
    return [(UserId(user), _message(name, content)) for user, name, content in ends]
