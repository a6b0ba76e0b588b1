"""Everything of a person's state, in a form that two states can be compared in."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from google.protobuf.message import Message

from ml.recommender.fold import teacher_of
from ml.recommender.person import Person
from ml.recommender.prior import Prior

_REMEMBERED: Final = frozenset({"_mean", "_digest", "digest"})
"""What follows from the rest, and is kept so as not to be reckoned twice."""


def portrait(person: Person) -> Any:
    """Plain tuples of all fields: floats and arrays bit for bit, tables in their order, sets without one.
    What everybody shares stands in it as itself, so that a copy of it shows.
    """
    return _drawn(person, person.prior)


def _drawn(each: Any, prior: Prior) -> Any:
    precision, shift = prior.arrays
    if each is prior or each is precision or each is shift or (each is not None and each is prior.moments):
        return ("shared", id(each))
    if isinstance(each, type(teacher_of(prior))):
        return ("teacher",)
    if isinstance(each, np.ndarray):
        layout = (each.dtype.str, each.shape, each.flags.c_contiguous, each.flags.writeable)
        return (*layout, each.tobytes())
    if isinstance(each, float):
        return each.hex()
    if each is None or isinstance(each, str | int | bytes):
        return (type(each).__name__, each)
    if isinstance(each, Message):
        return (each.DESCRIPTOR.full_name, each.SerializeToString(deterministic=True))
    if isinstance(each, Mapping):
        return (
            type(each).__name__,
            [(_drawn(key, prior), _drawn(value, prior)) for key, value in each.items()],
        )
    if isinstance(each, list | tuple):
        return (type(each).__name__, [_drawn(value, prior) for value in each])
    if isinstance(each, set | frozenset):
        return (type(each).__name__, sorted(each))
    return (
        type(each).__qualname__,
        [(name, _drawn(value, prior)) for name, value in sorted(_fields(each).items())],
    )


def _fields(each: Any) -> dict[str, Any]:
    slots = [name for kind in type(each).__mro__ for name in getattr(kind, "__slots__", ())]
    found = {name: getattr(each, name) for name in slots if name != "__weakref__"} | getattr(
        each, "__dict__", {}
    )
    if not found:
        raise TypeError(f"nothing is known of the fields of a {type(each).__qualname__}")
    return {name: value for name, value in found.items() if name not in _REMEMBERED}
